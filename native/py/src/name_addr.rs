//! `NameAddr`: an address with its display name and parameters. RFC 3261 §20.10, §20.20, §20.34, §20.39. Frozen.

use crate::error::field_error;
use crate::params::{self, one_line, plain};
use crate::piece::{Piece, Span};
use crate::text::{octets, text};
use crate::uri::PyUri;
use dialplane_syntax::chars::write_quoted;
use dialplane_syntax::{FieldError, HeaderId, NameAddr, Uri, uri};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

/// A value of From, To, Contact, Route, Record-Route and their kin. ``NameAddr('"A" <sip:a@b.c>;tag=1')`` parses;
/// :meth:`build` makes one from its parts.
///
/// Equal as RFC 3261 §20.20 has it: the URIs match and so do the parameters that both have; ``tag``, ``q`` and ``expires``
/// must be in both or in none. The display name does not count.
#[pyclass(name = "NameAddr", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyNameAddr {
    piece: Piece,
    /// As counted in the piece.
    display: Span,
    uri: Span,
    tag: Span,
}

impl PyNameAddr {
    /// The view over `whole`, which counts its offsets.
    #[inline]
    pub(crate) fn of(py: Python<'_>, whole: &Piece, view: &NameAddr<'_>) -> Self {
        let octets = whole.octets(py).get(view.range()).unwrap_or_default();
        Self {
            piece: whole.part(py, octets),
            display: Span::of_option(octets, view.display),
            uri: Span::of(octets, view.uri),
            tag: Span::of_option(octets, view.tag()),
        }
    }

    /// The value that `octets` hold, copied.
    fn read(py: Python<'_>, octets: &[u8]) -> PyResult<Self> {
        let whole = Piece::copy(py, octets.trim_ascii());
        let view = NameAddr::parse(whole.octets(py), 0, HeaderId::OTHER).map_err(|error| field_error(error, None))?;
        Ok(Self::of(py, &whole, &view))
    }

    fn raw<'a>(&'a self, py: Python<'_>) -> &'a [u8] {
        self.piece.octets(py)
    }

    fn view<'a>(&'a self, py: Python<'_>) -> Result<NameAddr<'a>, FieldError> {
        NameAddr::parse(self.raw(py), 0, HeaderId::OTHER)
    }

    /// The parameter as text without quotes.
    fn param<'py>(&self, py: Python<'py>, name: &[u8]) -> PyResult<Option<Bound<'py, PyString>>> {
        let view = self.view(py).map_err(|error| field_error(error, None))?;
        view.params().find(name).flatten().map(|value| plain(py, value)).transpose()
    }
}

#[pymethods]
impl PyNameAddr {
    #[new]
    #[pyo3(signature = (value, /))]
    fn new(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::read(value.py(), &octets(value)?)
    }

    /// An address from its parts: the display name is quoted, the URI put into angle brackets.
    #[staticmethod]
    #[pyo3(signature = (uri, *, display = None, params = None))]
    fn build(
        py: Python<'_>,
        uri: &Bound<'_, PyAny>,
        display: Option<&Bound<'_, PyAny>>,
        params: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mut out = Vec::with_capacity(64);
        if let Some(display) = display {
            let display = octets(display)?;
            one_line(&display)?;
            write_quoted(&display, &mut out);
            out.push(b' ');
        }
        out.push(b'<');
        out.extend_from_slice(&PyUri::octets_of(uri)?);
        out.push(b'>');
        params::write(params, &mut out)?;
        Self::read(py, &out)
    }

    /// The value as received, without white space at its ends.
    #[getter]
    #[pyo3(name = "raw")]
    fn raw_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.raw(py))
    }

    /// The display name without quotes and escapes; ``None`` when there is none.
    #[getter]
    fn display<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.display.get(self.raw(py)).map(|display| plain(py, display)).transpose()
    }

    /// The URI.
    #[getter]
    fn uri(&self, py: Python<'_>) -> PyResult<PyUri> {
        PyUri::read(py, self.piece.part(py, self.uri.or_empty(self.raw(py))))
    }

    /// The URI as text, whether it can be read or not.
    #[getter]
    fn uri_text<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, self.uri.or_empty(self.raw(py)))
    }

    /// The tag parameter, RFC 3261 §19.3.
    #[getter]
    fn tag<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.tag.get(self.raw(py)).map(|tag| text(py, tag)).transpose()
    }

    /// The q parameter of a Contact, 0 to 1; ``None`` when it is absent or no number. RFC 3261 §20.10.
    #[getter]
    fn q(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let q = self.param(py, b"q")?;
        Ok(q.and_then(|q| q.to_str().ok()?.parse().ok()).filter(|q| (0.0..=1.0).contains(q)))
    }

    /// The expires parameter of a Contact in seconds; ``None`` when it is absent or no number. RFC 3261 §20.10.
    #[getter]
    fn expires(&self, py: Python<'_>) -> PyResult<Option<u32>> {
        let expires = self.param(py, b"expires")?;
        Ok(expires.and_then(|expires| dialplane_syntax::header::delta_seconds(expires.to_str().ok()?.as_bytes())))
    }

    /// The parameters behind the URI: names in lower case, values without quotes, ``None`` for those without a value.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        params::fill(&dict, self.view(py).map_err(|error| field_error(error, None))?.params(), true)?;
        Ok(dict)
    }

    fn __str__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        crate::text::value_text(py, self.raw(py))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw_bytes(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("NameAddr({})", self.__str__(py)?.repr()?))
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        match (self.view(py), other.view(py)) {
            (Ok(one), Ok(other)) => equal(&one, &other),
            _ => self.raw(py) == other.raw(py),
        }
    }

    /// The tag decides between addresses that are compared for equality, see [`equal`]; the URI adds what it can.
    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        let raw = self.raw(py);
        let mut key = self.tag.or_empty(raw).to_ascii_lowercase();
        key.push(b' ');
        match Uri::parse(self.uri.or_empty(raw)) {
            Ok(uri) => crate::uri::write_key(&uri, &mut key),
            Err(_) => key.extend_from_slice(self.uri.or_empty(raw)),
        }
        PyBytes::new(py, &key).hash()
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("display", "uri", "params")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        (slf.get_type(), (slf.get().raw_bytes(py),)).into_pyobject(py)
    }
}

/// RFC 3261 §20.20: "Two From header fields are equivalent if their URIs match, and their parameters match. Extension
/// parameters in one header field, not present in the other are ignored".
fn equal(one: &NameAddr<'_>, other: &NameAddr<'_>) -> bool {
    let uris = match (one.parsed_uri(), other.parsed_uri()) {
        (Ok(one), Ok(other)) => uri::equal(&one, &other),
        (Err(_), Err(_)) => one.uri == other.uri,
        _ => false,
    };
    let within = |one: &NameAddr<'_>, other: &NameAddr<'_>| {
        one.params().iter().all(|param| match other.params().find(param.name) {
            Some(value) => same(param.value, value),
            None => ![&b"tag"[..], b"q", b"expires"].iter().any(|name| param.name.eq_ignore_ascii_case(name)),
        })
    };
    uris && within(one, other) && within(other, one)
}

/// Values compare without case unless they are quoted strings. RFC 3261 §7.3.1.
pub(crate) fn same(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) if one.starts_with(b"\"") => one == other,
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (None, None) => true,
        _ => false,
    }
}
