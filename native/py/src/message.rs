//! `Message`: the octets of a message and their index; everything else is made when it is asked for. RFC 3261 §7.
//!
//! Frozen, so that threads may share it. The index comes from a [`pool`](crate::pool) and goes back to it.

use crate::cseq::PyCSeq;
use crate::edit::PyEditor;
use crate::error::{self, field_error};
use crate::essentials::PyEssentials;
use crate::header::PyHeader;
use crate::name_addr::PyNameAddr;
use crate::piece::Piece;
use crate::pool::Pooled;
use crate::text::{method_text, text, value_text};
use crate::uri::PyUri;
use crate::via::PyVia;
use dialplane_syntax::{Contacts, FieldError, HeaderId, Message, NameAddr, StartLine};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// A parsed message: made by :func:`parse` or a :class:`Framer`.
///
/// A header field that cannot be read raises :class:`FieldError` when it is asked for, and nothing else suffers.
#[pyclass(name = "Message", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyMessage {
    octets: Piece,
    index: Pooled,
}

type Addresses<'py> = PyResult<Bound<'py, PyList>>;

impl PyMessage {
    /// The object for `octets`, whose index is `index`.
    #[inline]
    pub(crate) fn make(py: Python<'_>, octets: Piece, index: Pooled) -> PyResult<Bound<'_, Self>> {
        Bound::new(py, Self { octets, index })
    }

    /// The view.
    #[inline]
    pub(crate) fn view<'a>(&'a self, py: Python<'_>) -> Message<'a> {
        self.index.message(self.octets.octets(py))
    }

    #[cold]
    fn field_error(&self, py: Python<'_>, error: FieldError) -> PyErr {
        unreadable(&self.view(py), error)
    }

    #[inline]
    fn name_addr(&self, py: Python<'_>, id: HeaderId) -> PyResult<PyNameAddr> {
        self.view(py)
            .map_name_addr(id, |view| view.map(|view| PyNameAddr::of(py, &self.octets, &view)))
            .map_err(|error| self.field_error(py, error))
    }

    fn name_addrs<'a, 'py>(
        &self,
        py: Python<'py>,
        views: impl Iterator<Item = Result<NameAddr<'a>, FieldError>>,
    ) -> Addresses<'py> {
        let list = PyList::empty(py);
        for view in views {
            let view = view.map_err(|error| self.field_error(py, error))?;
            list.append(PyNameAddr::of(py, &self.octets, &view))?;
        }
        Ok(list)
    }
}

#[pymethods]
impl PyMessage {
    /// The octets of the message, without what came behind its body.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.octets.to_bytes(py, self.view(py).bytes())
    }

    /// The start line without its CRLF.
    #[getter]
    fn start_line<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let view = self.view(py);
        text(py, view.bytes().get(view.start_line_range()).unwrap_or_default())
    }

    /// Whether it is a request.
    #[getter]
    fn is_request(&self, py: Python<'_>) -> bool {
        self.view(py).is_request()
    }

    /// The method of a request; ``None`` for a response.
    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        match self.view(py).start_line() {
            StartLine::Request { method, method_name, .. } => method_text(py, method, method_name).map(Some),
            StartLine::Response { .. } => Ok(None),
        }
    }

    /// The Request-URI; ``None`` for a response.
    #[getter]
    fn uri(&self, py: Python<'_>) -> PyResult<Option<PyUri>> {
        match self.view(py).uri() {
            Some(uri) => PyUri::read(py, self.octets.part(py, uri)).map(Some),
            None => Ok(None),
        }
    }

    /// The Request-URI as text, whether it can be read or not; ``None`` for a response.
    #[getter]
    fn uri_text<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.view(py).uri().map(|uri| text(py, uri)).transpose()
    }

    /// The status code of a response, 0 when it is no legal one; ``None`` for a request.
    #[getter]
    fn status(&self, py: Python<'_>) -> Option<u16> {
        self.view(py).status()
    }

    /// The reason phrase of a response; ``None`` for a request.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        match self.view(py).start_line() {
            StartLine::Request { .. } => Ok(None),
            StartLine::Response { reason, .. } => text(py, reason).map(Some),
        }
    }

    /// The body.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.view(py).body())
    }

    /// What is wrong with the framing although the fields are readable; :func:`validate` says what to answer.
    #[getter]
    fn fault<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.view(py).fault().map(|fault| error::fault(py, fault))
    }

    /// Call-ID. RFC 3261 §20.8.
    #[getter]
    fn call_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        match self.view(py).call_id() {
            Ok(call_id) => text(py, call_id),
            Err(error) => Err(self.field_error(py, error)),
        }
    }

    /// CSeq. RFC 3261 §20.16.
    #[getter]
    fn cseq(&self, py: Python<'_>) -> PyResult<PyCSeq> {
        match self.view(py).cseq() {
            Ok(cseq) => PyCSeq::of(py, &cseq),
            Err(error) => Err(self.field_error(py, error)),
        }
    }

    /// All Via values, top first. RFC 3261 §20.42.
    #[getter]
    fn via<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for view in self.view(py).vias() {
            let view = view.map_err(|error| self.field_error(py, error))?;
            list.append(PyVia::of(py, &self.octets, &view))?;
        }
        Ok(list)
    }

    /// The top Via; the others are not looked at.
    #[getter]
    fn top_via(&self, py: Python<'_>) -> PyResult<PyVia> {
        self.view(py)
            .map_top_via(|view| view.map(|view| PyVia::of(py, &self.octets, &view)))
            .map_err(|error| self.field_error(py, error))
    }

    /// From. RFC 3261 §20.20.
    #[getter]
    fn from_(&self, py: Python<'_>) -> PyResult<PyNameAddr> {
        self.name_addr(py, HeaderId::FROM)
    }

    /// To. RFC 3261 §20.39.
    #[getter]
    fn to(&self, py: Python<'_>) -> PyResult<PyNameAddr> {
        self.name_addr(py, HeaderId::TO)
    }

    /// All Contact values; empty when there are none, or only ``*``. RFC 3261 §20.10.
    #[getter]
    fn contacts<'py>(&self, py: Python<'py>) -> Addresses<'py> {
        match self.view(py).contacts() {
            Ok(Contacts::List(contacts)) => self.name_addrs(py, contacts),
            Ok(Contacts::Star) => Ok(PyList::empty(py)),
            Err(error) => Err(self.field_error(py, error)),
        }
    }

    /// The first Contact value; ``None`` when there is none, or only ``*``.
    #[getter]
    fn contact(&self, py: Python<'_>) -> PyResult<Option<PyNameAddr>> {
        let first = match self.view(py).contacts() {
            Ok(Contacts::List(mut contacts)) => contacts.next(),
            Ok(Contacts::Star) => None,
            Err(error) => Some(Err(error)),
        };
        match first {
            Some(Ok(view)) => Ok(Some(PyNameAddr::of(py, &self.octets, &view))),
            Some(Err(error)) => Err(self.field_error(py, error)),
            None => Ok(None),
        }
    }

    /// Whether Contact is the ``*`` of a REGISTER that removes all bindings. RFC 3261 §10.2.2.
    #[getter]
    fn is_contact_star(&self, py: Python<'_>) -> bool {
        matches!(self.view(py).contacts(), Ok(Contacts::Star))
    }

    /// All Route values, top first. RFC 3261 §20.34.
    #[getter]
    fn route<'py>(&self, py: Python<'py>) -> Addresses<'py> {
        self.name_addrs(py, self.view(py).routes())
    }

    /// All Record-Route values, top first. RFC 3261 §20.30.
    #[getter]
    fn record_route<'py>(&self, py: Python<'py>) -> Addresses<'py> {
        self.name_addrs(py, self.view(py).record_routes())
    }

    /// Max-Forwards, at most 255; ``None`` when absent. RFC 3261 §20.22.
    #[getter]
    fn max_forwards(&self, py: Python<'_>) -> PyResult<Option<u8>> {
        self.view(py).max_forwards().map_err(|error| self.field_error(py, error))
    }

    /// Content-Length; ``None`` when absent. RFC 3261 §20.14.
    #[getter]
    fn content_length(&self, py: Python<'_>) -> PyResult<Option<u32>> {
        self.view(py).content_length().map_err(|error| self.field_error(py, error))
    }

    /// Expires in seconds; ``None`` when absent. RFC 3261 §20.19.
    #[getter]
    fn expires(&self, py: Python<'_>) -> PyResult<Option<u32>> {
        self.view(py).expires().map_err(|error| self.field_error(py, error))
    }

    /// What every message must have, in one go: quicker than one value after the other. RFC 3261 §8.1.1.
    fn essentials(&self, py: Python<'_>) -> PyResult<PyEssentials> {
        PyEssentials::of(py, &self.view(py))?.map_err(|error| self.field_error(py, error))
    }

    /// All header fields in order.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for field in self.view(py).fields() {
            list.append(PyHeader::of(py, &self.octets, &field))?;
        }
        Ok(list)
    }

    /// The value of the first field of that name (any case, long or compact), or ``default``.
    #[pyo3(signature = (name, default = None, /))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.view(py).by_name(name.as_bytes()).next() {
            Some(field) => Ok(Some(value_text(py, field.value)?.into_any())),
            None => Ok(default),
        }
    }

    /// The values of all fields of that name, in order.
    #[pyo3(signature = (name, /))]
    fn get_all<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for field in self.view(py).by_name(name.as_bytes()) {
            list.append(value_text(py, field.value)?)?;
        }
        Ok(list)
    }

    /// The elements of a list header such as Supported or Allow, over all its fields; commas in quotes and angle brackets do
    /// not separate. For other headers, the value of each field.
    #[pyo3(signature = (name, /))]
    fn elements<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for field in self.view(py).by_name(name.as_bytes()) {
            for element in field.elements().filter(|element| !element.value.is_empty()) {
                list.append(value_text(py, element.value)?)?;
            }
        }
        Ok(list)
    }

    /// The value of a header that holds one address, such as Reply-To or Refer-To.
    #[pyo3(signature = (name, /))]
    fn address(&self, py: Python<'_>, name: &str) -> PyResult<PyNameAddr> {
        let view = self.view(py);
        let id = HeaderId::from_name(name.as_bytes());
        if id != HeaderId::OTHER {
            return self.name_addr(py, id);
        }
        let field = view.by_name(name.as_bytes()).next().ok_or_else(|| error::missing(name))?;
        match NameAddr::parse(field.value, field.value_range().start, id) {
            Ok(view) => Ok(PyNameAddr::of(py, &self.octets, &view)),
            Err(error) => Err(field_error(error, Some(field.line_range().start))),
        }
    }

    /// The addresses of a list header such as Path or P-Asserted-Identity.
    #[pyo3(signature = (name, /))]
    fn addresses<'py>(&self, py: Python<'py>, name: &str) -> Addresses<'py> {
        let view = self.view(py);
        let elements = view.by_name(name.as_bytes()).flat_map(|field| field.elements());
        self.name_addrs(
            py,
            elements.map(|element| NameAddr::parse(element.value, element.range().start, element.field.id)),
        )
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyString>> {
        match self.view(py).by_name(name.as_bytes()).next() {
            Some(field) => value_text(py, field.value),
            None => Err(error::missing(name)),
        }
    }

    fn __contains__(&self, py: Python<'_>, name: &str) -> bool {
        self.view(py).by_name(name.as_bytes()).next().is_some()
    }

    /// An editor that begins with this message; the message itself never changes.
    fn edit(&self, py: Python<'_>) -> PyEditor {
        PyEditor::new(&self.view(py), self.index.index())
    }

    /// A response to this request as octets. RFC 3261 §8.2.6.
    ///
    /// Via, From, To, Call-ID and CSeq are copied; ``to_tag`` goes to the To if it has no tag yet and the status is not 100.
    /// ``source``, the address the request came from, is noted in the top Via (RFC 3261 §18.2.1, RFC 3581 §4).
    #[pyo3(signature = (status, reason = None, *, to_tag = None, source = None, headers = None, body = None))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn response<'py>(
        &self,
        py: Python<'py>,
        status: u16,
        reason: Option<&Bound<'py, PyAny>>,
        to_tag: Option<&str>,
        source: Option<(String, u16)>,
        headers: Option<&Bound<'py, PyAny>>,
        body: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        crate::build::response_to(py, &self.view(py), status, reason, to_tag, source, headers, body)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw(py)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.view(py).bytes().len()
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.view(py).bytes() == other.view(py).bytes()
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.raw(py).hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let view = self.view(py);
        let line = text(py, view.bytes().get(view.start_line_range()).unwrap_or_default())?.repr()?;
        Ok(format!("<Message {line}, {} fields, {} octets>", view.field_count(), view.bytes().len()))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let restore = py.import("dialplane_native._native")?.getattr("_restore")?;
        (restore, (self.raw(py),)).into_pyobject(py)
    }
}

/// A field of that message that cannot be read.
#[cold]
pub(crate) fn unreadable(message: &Message<'_>, error: FieldError) -> PyErr {
    field_error(error, message.first(error.header).map(|field| field.line_range().start))
}
