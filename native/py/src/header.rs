//! `Header`: one header field, name and value. RFC 3261 §7.3. Frozen.

use crate::error::{BuildErrorKind, build_error};
use crate::params::one_line;
use crate::piece::{Piece, Span};
use crate::text::{header_text, name_text, text, value_text};
use crate::value;
use dialplane_syntax::chars::is_token;
use dialplane_syntax::{Field, HeaderId};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

/// One header field: ``Header("Subject", "lunch")``, or one of a message's.
///
/// Equal when the names mean the same header (any case, long or compact form) and the values have the same octets, folds
/// aside. RFC 3261 §7.3.1.
#[pyclass(name = "Header", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyHeader {
    /// The line without its last CRLF.
    piece: Piece,
    id: HeaderId,
    name: Span,
    value: Span,
}

impl PyHeader {
    /// The field of a message whose octets are at the start of `whole`.
    pub(crate) fn of(py: Python<'_>, whole: &Piece, field: &Field<'_>) -> Self {
        let line = whole.octets(py).get(field.line_range()).unwrap_or_default();
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        Self {
            piece: whole.part(py, line),
            id: field.id,
            name: Span::of(line, field.name),
            value: Span::of(line, field.value),
        }
    }

    fn line<'a>(&'a self, py: Python<'_>) -> &'a [u8] {
        self.piece.octets(py)
    }

    pub(crate) fn name_octets<'a>(&'a self, py: Python<'_>) -> &'a [u8] {
        self.name.or_empty(self.line(py))
    }

    pub(crate) fn value_octets<'a>(&'a self, py: Python<'_>) -> &'a [u8] {
        self.value.or_empty(self.line(py))
    }

    /// Name and value to be written elsewhere, without folds.
    pub(crate) fn pair(&self, py: Python<'_>) -> (String, Vec<u8>) {
        let name = String::from_utf8_lossy(self.name_octets(py)).into_owned();
        (name, crate::text::unfolded(self.value_octets(py)).into_owned())
    }

    /// What all spellings of the name share.
    fn key<'a>(&'a self, py: Python<'_>) -> std::borrow::Cow<'a, [u8]> {
        if self.id == HeaderId::OTHER {
            self.name_octets(py).to_ascii_lowercase().into()
        } else {
            self.id.name().as_bytes().into()
        }
    }
}

#[pymethods]
impl PyHeader {
    #[new]
    #[pyo3(signature = (name, value, /))]
    fn new(py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let line = line(name, &value::octets(value)?)?;
        let piece = Piece::copy(py, &line);
        let octets = piece.octets(py);
        let (name, value) = (&octets[..name.len()], octets[name.len() + 1..].trim_ascii());
        let (id, name, value) = (HeaderId::from_name(name), Span::of(octets, name), Span::of(octets, value));
        Ok(Self { piece, id, name, value })
    }

    /// The name as received.
    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        name_text(py, self.id, self.name_octets(py))
    }

    /// The name as usually written: ``Via`` for ``v`` or ``VIA``; as received for names that dialplane does not know.
    #[getter]
    fn usual_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        header_text(py, self.id).map_or_else(|| text(py, self.name_octets(py)), |name| Ok(name.clone()))
    }

    /// The value without white space at its ends; each fold is one blank.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        value_text(py, self.value_octets(py))
    }

    /// The whole line or lines as received, without the last CRLF.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.line(py))
    }

    /// The name as received.
    #[getter]
    fn raw_name<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.name_octets(py))
    }

    /// The value as received, folds and all, without white space at its ends.
    #[getter]
    fn raw_value<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.value_octets(py))
    }

    fn __str__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        value_text(py, self.line(py))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Header({}, {})", self.name(py)?.repr()?, self.value(py)?.repr()?))
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        let value = |header: &Self| crate::text::unfolded(header.value_octets(py)).into_owned();
        self.key(py) == other.key(py) && value(self) == value(other)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        let mut key = self.key(py).into_owned();
        key.push(b':');
        key.extend_from_slice(&crate::text::unfolded(self.value_octets(py)));
        PyBytes::new(py, &key).hash()
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("name", "value")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let this = slf.get();
        (slf.get_type(), (this.name(py)?, this.value(py)?)).into_pyobject(py)
    }
}

/// A header line without its CRLF. RFC 3261 §7.3.1.
pub(crate) fn line(name: &str, value: &[u8]) -> PyResult<Vec<u8>> {
    if !is_token(name.as_bytes()) {
        return Err(build_error(BuildErrorKind::HeaderName, format!("{name:?} is not the name of a header field")));
    }
    one_line(value)?;
    let mut line = Vec::with_capacity(name.len() + 2 + value.len());
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b": ");
    line.extend_from_slice(value);
    Ok(line)
}
