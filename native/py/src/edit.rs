//! `Editor`: changes to a message, one after the other; what is not named keeps its octets. RFC 3261 §16.6.

use crate::error::{BuildErrorKind, build_error, field_error, parse_error};
use crate::header::line;
use crate::message::PyMessage;
use crate::params::one_line;
use crate::piece::Piece;
use crate::uri::PyUri;
use crate::value;
use crate::via::PyVia;
use crate::{build, text};
use dialplane_syntax::{Edits, Field, HeaderId, Index, Limits, Message, parse};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Changes a copy of a message. Made by :meth:`Message.edit`; ``bytes(editor)`` is the changed message.
///
/// Each change sees those before it. Octets that no change names stay as they were received.
#[pyclass(name = "Editor", module = "dialplane_native")]
#[derive(Debug)]
pub(crate) struct PyEditor {
    octets: Vec<u8>,
    /// Of `octets`.
    index: Index,
    edits: Edits,
}

impl PyEditor {
    pub(crate) fn new(message: &Message<'_>, index: Index) -> Self {
        Self { octets: message.bytes().to_vec(), index, edits: Edits::new() }
    }

    fn view(&self) -> Message<'_> {
        self.index.message(&self.octets)
    }

    /// Applies what `work` notes, and reads the result; if that fails, nothing has changed.
    fn change(&mut self, work: impl FnOnce(&Message<'_>, &mut Edits) -> PyResult<()>) -> PyResult<()> {
        let mut edits = std::mem::take(&mut self.edits);
        edits.clear();
        let outcome = work(&self.view(), &mut edits).and_then(|()| self.apply(&edits));
        self.edits = edits;
        outcome
    }

    fn apply(&mut self, edits: &Edits) -> PyResult<()> {
        let mut octets = Vec::with_capacity(self.octets.len().saturating_add_signed(edits.growth()));
        edits.apply(&self.octets, &mut octets);
        let fields = octets.iter().filter(|octet| **octet == b'\n').count();
        let mut index = Index::with_capacity(fields);
        let limits = Limits { message: octets.len(), fields, field: octets.len(), ..Limits::default() };
        parse(&octets, &mut index, &limits).map_err(parse_error)?;
        self.octets = octets;
        self.index = index;
        Ok(())
    }
}

#[pymethods]
impl PyEditor {
    /// Gives the first field of that name this value and removes its other fields; adds the field if there is none.
    #[pyo3(signature = (name, value, /))]
    fn set<'py>(mut slf: PyRefMut<'py, Self>, name: &str, value: &Bound<'py, PyAny>) -> PyResult<PyRefMut<'py, Self>> {
        let value = value::octets(value)?;
        slf.change(|message, edits| set(message, edits, name, &value))?;
        Ok(slf)
    }

    /// Adds a field: behind the last one of that name, or behind all fields.
    #[pyo3(signature = (name, value, /))]
    fn add<'py>(mut slf: PyRefMut<'py, Self>, name: &str, value: &Bound<'py, PyAny>) -> PyResult<PyRefMut<'py, Self>> {
        let value = value::octets(value)?;
        slf.change(|message, edits| add(message, edits, name, &value))?;
        Ok(slf)
    }

    /// Adds a field: before the first one of that name, or before all fields. For Via, Route and Record-Route.
    #[pyo3(signature = (name, value, /))]
    fn prepend<'py>(
        mut slf: PyRefMut<'py, Self>,
        name: &str,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<PyRefMut<'py, Self>> {
        let value = value::octets(value)?;
        slf.change(|message, edits| prepend(message, edits, name, &value))?;
        Ok(slf)
    }

    /// Removes all fields of that name.
    #[pyo3(signature = (name, /))]
    fn remove<'py>(mut slf: PyRefMut<'py, Self>, name: &str) -> PyResult<PyRefMut<'py, Self>> {
        slf.change(|message, edits| {
            for field in message.by_name(name.as_bytes()) {
                edits.remove(field.line_range());
            }
            Ok(())
        })?;
        Ok(slf)
    }

    /// Takes out the first element of a list header such as Route, or the first field of another, and returns it; ``None``
    /// when there is none.
    #[pyo3(signature = (name, /))]
    fn pop<'py>(&mut self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyString>>> {
        let mut taken = None;
        self.change(|message, edits| {
            let mut fields = message.by_name(name.as_bytes());
            let Some(field) = fields.next() else { return Ok(()) };
            let (value, range) = match field.elements().next() {
                Some(element) => (element.value, element.removal_range()),
                None => (field.value, field.line_range()),
            };
            taken = Some(text::value_text(py, value)?);
            edits.remove(range);
            Ok(())
        })?;
        Ok(taken)
    }

    /// Puts another Request-URI into the request line. RFC 3261 §16.6 step 2.
    #[pyo3(signature = (uri, /))]
    fn replace_uri<'py>(mut slf: PyRefMut<'py, Self>, uri: &Bound<'py, PyAny>) -> PyResult<PyRefMut<'py, Self>> {
        let uri = PyUri::octets_of(uri)?;
        slf.change(|message, edits| {
            let range = message.uri_range().ok_or_else(|| build::not_a("request"))?;
            edits.replace(range, &uri);
            Ok(())
        })?;
        Ok(slf)
    }

    /// Puts another status and reason phrase into the status line.
    #[pyo3(signature = (status, reason = None, /))]
    fn replace_status<'py>(
        mut slf: PyRefMut<'py, Self>,
        status: u16,
        reason: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<PyRefMut<'py, Self>> {
        let status = build::status(status)?;
        let reason = build::reason(status, reason)?;
        slf.change(|message, edits| {
            if message.is_request() {
                return Err(build::not_a("response"));
            }
            edits.replace_with(message.start_line_range(), |out| build::write_status_line(status, &reason, out));
            Ok(())
        })?;
        Ok(slf)
    }

    /// Puts a Via on top. RFC 3261 §16.6 step 8.
    #[pyo3(signature = (via, /))]
    fn push_via<'py>(mut slf: PyRefMut<'py, Self>, via: &Bound<'py, PyAny>) -> PyResult<PyRefMut<'py, Self>> {
        let via = value::octets(via)?;
        PyVia::read(slf.py(), &via)?;
        slf.change(|message, edits| prepend(message, edits, "Via", &via))?;
        Ok(slf)
    }

    /// Takes the top Via off and returns it. RFC 3261 §16.7 step 3.
    fn pop_via(&mut self, py: Python<'_>) -> PyResult<PyVia> {
        let mut taken = None;
        self.change(|message, edits| {
            let error = |error| field_error(error, None);
            let via = message.top_via().map_err(error)?;
            let octets = message.bytes().get(via.range()).unwrap_or_default();
            taken = Some(PyVia::read(py, octets)?);
            if let Some(element) = message.elements(HeaderId::VIA).next() {
                edits.remove(element.removal_range());
            }
            Ok(())
        })?;
        taken.ok_or_else(|| crate::error::missing("Via"))
    }

    /// Counts Max-Forwards down and returns what it is then; adds it with 70 when absent. RFC 3261 §16.6 step 3.
    ///
    /// Raises :class:`BuildError` (status 483) when it is 0.
    fn decrement_max_forwards(&mut self) -> PyResult<u8> {
        let mut left = INITIAL_MAX_FORWARDS;
        self.change(|message, edits| {
            match message.max_forwards().map_err(|error| field_error(error, None))? {
                Some(0) => return Err(build_error(BuildErrorKind::Hops, "Max-Forwards is 0".into())),
                Some(hops) => left = hops - 1,
                None => {}
            }
            set(message, edits, HeaderId::MAX_FORWARDS.name(), left.to_string().as_bytes())
        })?;
        Ok(left)
    }

    /// Replaces the body and sets Content-Length, and Content-Type if one is given.
    #[pyo3(signature = (body, content_type = None, /))]
    fn set_body<'py>(
        mut slf: PyRefMut<'py, Self>,
        body: &Bound<'py, PyAny>,
        content_type: Option<&str>,
    ) -> PyResult<PyRefMut<'py, Self>> {
        let body = text::octets(body)?.into_owned();
        slf.change(|message, edits| {
            if let Some(content_type) = content_type {
                set(message, edits, HeaderId::CONTENT_TYPE.name(), content_type.as_bytes())?;
            }
            set(message, edits, HeaderId::CONTENT_LENGTH.name(), body.len().to_string().as_bytes())?;
            edits.replace(message.body_offset()..message.bytes().len(), &body);
            Ok(())
        })?;
        Ok(slf)
    }

    /// The changed message, parsed.
    fn message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMessage>> {
        crate::parse::trusted(py, Piece::copy(py, &self.octets))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.octets)
    }

    fn __len__(&self) -> usize {
        self.octets.len()
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let view = self.view();
        let line = text::text(py, view.bytes().get(view.start_line_range()).unwrap_or_default())?.repr()?;
        Ok(format!("<Editor {line}, {} fields, {} octets>", view.field_count(), self.octets.len()))
    }
}

/// RFC 3261 §16.6 step 3, §8.1.1.6.
const INITIAL_MAX_FORWARDS: u8 = 70;

fn set(message: &Message<'_>, edits: &mut Edits, name: &str, value: &[u8]) -> PyResult<()> {
    let mut fields = message.by_name(name.as_bytes());
    let Some(first) = fields.next() else { return add(message, edits, name, value) };
    one_line(value)?;
    replace_value(&first, edits, value);
    for field in fields {
        edits.remove(field.line_range());
    }
    Ok(())
}

fn replace_value(field: &Field<'_>, edits: &mut Edits, value: &[u8]) {
    edits.replace_with(field.value_range(), |out| {
        if field.value.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(value);
    });
}

fn add(message: &Message<'_>, edits: &mut Edits, name: &str, value: &[u8]) -> PyResult<()> {
    let last = message.by_name(name.as_bytes()).last();
    insert(edits, last.map_or(message.fields_end(), |field| field.line_range().end), name, value)
}

fn prepend(message: &Message<'_>, edits: &mut Edits, name: &str, value: &[u8]) -> PyResult<()> {
    let first = message.by_name(name.as_bytes()).next();
    insert(edits, first.map_or(message.fields_start(), |field| field.line_range().start), name, value)
}

fn insert(edits: &mut Edits, at: usize, name: &str, value: &[u8]) -> PyResult<()> {
    let line = line(name, value)?;
    edits.insert_with(at, |out| {
        out.extend_from_slice(&line);
        out.extend_from_slice(b"\r\n");
    });
    Ok(())
}
