//! `parse`, `Framer`, `validate` and their limits. RFC 3261 §7, §18.3.

use crate::error::{incomplete, parse_error};
use crate::essentials::PyEssentials;
use crate::message::{PyMessage, unreadable};
use crate::piece::Piece;
use crate::pool::Pooled;
use dialplane_syntax::stream::{Framed, Framer};
use dialplane_syntax::{Limits, ParseError, Rejection, Status, parse_stream, validate};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// How much a message may hold. The defaults are those of the server.
#[pyclass(name = "Limits", module = "dialplane_native", frozen, eq, get_all)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PyLimits {
    message: usize,
    fields: usize,
    field: usize,
    via: usize,
    route: usize,
    contacts: usize,
    stream_without_length: bool,
}

#[pymethods]
impl PyLimits {
    #[new]
    #[pyo3(signature = (*, message = 65_536, fields = 256, field = 16_384, via = 64, route = 32, contacts = 64,
        stream_without_length = false))]
    fn new(
        message: usize,
        fields: usize,
        field: usize,
        via: usize,
        route: usize,
        contacts: usize,
        stream_without_length: bool,
    ) -> Self {
        Self { message, fields, field, via, route, contacts, stream_without_length }
    }

    fn __hash__(&self) -> isize {
        let Self { message, fields, field, via, route, contacts, stream_without_length } = *self;
        [message, fields, field, via, route, contacts, usize::from(stream_without_length)]
            .iter()
            .fold(7_usize, |sum, limit| sum.wrapping_mul(31).wrapping_add(*limit)) as isize
    }

    fn __repr__(&self) -> String {
        let Self { message, fields, field, via, route, contacts, .. } = self;
        let lenient = if self.stream_without_length { "True" } else { "False" };
        format!(
            "Limits(message={message}, fields={fields}, field={field}, via={via}, route={route}, contacts={contacts}, \
             stream_without_length={lenient})"
        )
    }
}

impl PyLimits {
    pub(crate) fn of(limits: Option<&Bound<'_, Self>>) -> Limits {
        limits.map_or_else(Limits::default, |limits| {
            let Self { message, fields, field, via, route, contacts, stream_without_length } = *limits.get();
            Limits { message, fields, field, via, route, contacts, stream_without_length }
        })
    }
}

/// Parses one message.
///
/// Nothing is copied: the message keeps ``bytes``, and holds the buffer of any other object.
#[pyfunction]
#[pyo3(signature = (data, /, *, stream = false, limits = None))]
pub(crate) fn parse<'py>(
    data: &Bound<'py, PyAny>,
    stream: bool,
    limits: Option<&Bound<'py, PyLimits>>,
) -> PyResult<Bound<'py, PyMessage>> {
    let octets = Piece::hold(data)?;
    let limits = PyLimits::of(limits);
    if stream { one_of_stream(data.py(), &octets, &limits) } else { datagram(data.py(), octets, &limits) }
}

/// What every message must have, of octets: ``parse(data).essentials()`` without the message.
#[pyfunction]
#[pyo3(signature = (data, /, *, limits = None))]
pub(crate) fn essentials(data: &Bound<'_, PyAny>, limits: Option<&Bound<'_, PyLimits>>) -> PyResult<PyEssentials> {
    let (py, limits) = (data.py(), PyLimits::of(limits));
    let piece = Piece::hold(data)?;
    let octets = piece.octets(py);
    let index = Pooled::read(&limits, |index| dialplane_syntax::parse(octets, index, &limits).map(drop));
    let index = index.map_err(parse_error)?;
    let message = index.message(octets);
    PyEssentials::of(py, &message)?.map_err(|error| unreadable(&message, error))
}

/// The message that `octets` are.
#[inline]
pub(crate) fn datagram<'py>(py: Python<'py>, octets: Piece, limits: &Limits) -> PyResult<Bound<'py, PyMessage>> {
    let index = Pooled::read(limits, |index| dialplane_syntax::parse(octets.octets(py), index, limits).map(drop));
    PyMessage::make(py, octets, index.map_err(parse_error)?)
}

/// The first message of a stream; what follows it is not looked at.
fn one_of_stream<'py>(py: Python<'py>, octets: &Piece, limits: &Limits) -> PyResult<Bound<'py, PyMessage>> {
    let whole = octets.octets(py);
    let begin = whole.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(whole.len());
    let octets = octets.part(py, &whole[begin..]);
    let mut is_whole = false;
    let index = Pooled::read(limits, |index| {
        is_whole = matches!(parse_stream(octets.octets(py), index, limits)?, Status::Complete(_));
        Ok(())
    });
    match index {
        Ok(index) if is_whole => PyMessage::make(py, octets, index),
        Ok(_) => Err(incomplete(whole.len())),
        Err(error) => Err(parse_error(ParseError { offset: error.offset + begin, ..error })),
    }
}

/// A message that has been parsed before, whatever the limits were.
pub(crate) fn trusted(py: Python<'_>, octets: Piece) -> PyResult<Bound<'_, PyMessage>> {
    let length = octets.octets(py).len();
    datagram(py, octets, &Limits { message: length, fields: length, field: length, ..Limits::default() })
}

/// For unpickling.
#[pyfunction]
pub(crate) fn _restore(bytes: Bound<'_, PyBytes>) -> PyResult<Bound<'_, PyMessage>> {
    trusted(bytes.py(), Piece::whole(bytes))
}

/// Cuts a stream (TCP, TLS) into messages, however it comes in pieces. RFC 3261 §7.5, §18.3.
///
/// Not for several threads at once.
#[pyclass(name = "Framer", module = "dialplane_native")]
#[derive(Debug)]
pub(crate) struct PyFramer {
    limits: Limits,
    framer: Framer,
    /// What is not yet part of a message.
    buffer: Vec<u8>,
    keep_alives: u64,
    failed: Option<ParseError>,
}

#[pymethods]
impl PyFramer {
    #[new]
    #[pyo3(signature = (*, limits = None))]
    fn new(limits: Option<&Bound<'_, PyLimits>>) -> Self {
        let limits = PyLimits::of(limits);
        Self { limits, framer: Framer::new(), buffer: Vec::new(), keep_alives: 0, failed: None }
    }

    /// Takes the next octets of the stream and returns the messages that they complete.
    ///
    /// When the stream cannot be cut any further, the messages before the fault are returned first, and this and every later
    /// call that has none raises :class:`ParseError`: close the connection.
    #[pyo3(signature = (data, /))]
    fn feed<'py>(&mut self, data: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyMessage>>> {
        if let Some(error) = self.failed {
            return Err(parse_error(error));
        }
        let py = data.py();
        self.buffer.extend_from_slice(Piece::hold(data)?.octets(py));
        let mut messages = Vec::new();
        let mut taken = 0;
        let failure = loop {
            let rest = self.buffer.get(taken..).unwrap_or_default();
            let (framer, limits) = (self.framer, &self.limits);
            let mut framed = Framed::Partial;
            let index = Pooled::read(limits, |index| {
                // From where it stood, should the first index have been too small.
                self.framer = framer;
                framed = self.framer.poll(rest, index, limits)?;
                Ok(())
            });
            match (index, framed) {
                (Err(error), _) => break Some(error),
                (Ok(_), Framed::Partial) => break None,
                (Ok(_), Framed::Skip(length)) => taken += length,
                (Ok(_), Framed::KeepAlive(length)) => {
                    taken += length;
                    self.keep_alives += 1;
                }
                (Ok(index), Framed::Message(length)) => {
                    let octets = Piece::copy(py, rest.get(..length).unwrap_or_default());
                    messages.push(PyMessage::make(py, octets, index)?);
                    taken += length;
                }
            }
        };
        self.buffer.drain(..taken);
        if let Some(error) = failure {
            self.failed = Some(error);
            self.buffer = Vec::new();
            if messages.is_empty() {
                return Err(parse_error(error));
            }
        }
        Ok(messages)
    }

    /// Keep-alives (CRLF CRLF) received and not yet taken note of; each is to be answered with CRLF (RFC 5626 §4.4.1).
    /// Counts from 0 again.
    fn take_keep_alives(&mut self) -> u64 {
        std::mem::take(&mut self.keep_alives)
    }

    /// Octets received that are not yet part of a message.
    #[getter]
    fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn __repr__(&self) -> String {
        format!("<Framer, {} octets buffered>", self.buffer.len())
    }
}

/// Why a message is refused, and with which status. RFC 3261 §8.2, §16.3.
#[pyclass(name = "Rejection", module = "dialplane_native", frozen, eq, hash)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PyRejection {
    /// The status to answer a request with.
    #[pyo3(get)]
    status: u16,
    /// The header at fault; ``None`` for the start line, the body or the message as a whole.
    #[pyo3(get)]
    header: Option<&'static str>,
    /// What is wrong, fit for a reason phrase.
    #[pyo3(get)]
    reason: &'static str,
}

#[pymethods]
impl PyRejection {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("status", "header", "reason")
    }

    fn __str__(&self) -> String {
        format!("{} {}", self.status, self.reason)
    }

    fn __repr__(&self) -> String {
        format!("<Rejection {} {}>", self.status, self.reason)
    }
}

impl From<Rejection> for PyRejection {
    fn from(rejection: Rejection) -> Self {
        let name = rejection.header.name();
        let header = if name.is_empty() { None } else { Some(name) };
        Self { status: rejection.status, header, reason: rejection.reason }
    }
}

/// Whether a message may be worked with: ``None``, or the first reason against it.
#[pyfunction]
#[pyo3(name = "validate", signature = (message, /, *, limits = None))]
pub(crate) fn validate_message(
    message: &Bound<'_, PyMessage>,
    limits: Option<&Bound<'_, PyLimits>>,
) -> Option<PyRejection> {
    validate(&message.get().view(message.py()), &PyLimits::of(limits)).err().map(PyRejection::from)
}
