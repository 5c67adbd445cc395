//! Octets to Python text and back: UTF-8, and `surrogateescape` for what is none, so that no octet is lost.

use dialplane_syntax::{HeaderId, Method};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};
use std::borrow::Cow;

/// Octets as `str`.
#[inline]
pub(crate) fn text<'py>(py: Python<'py>, octets: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // Python checks the octets while it copies them; only text that is none costs more.
    PyString::from_bytes(py, octets).or_else(|_| escaped(py, octets))
}

#[cold]
fn escaped<'py>(py: Python<'py>, octets: &[u8]) -> PyResult<Bound<'py, PyString>> {
    PyString::from_encoded_object(PyBytes::new(py, octets).as_any(), Some(c"utf-8"), Some(c"surrogateescape"))
}

/// `str` or `bytes` as octets.
pub(crate) fn octets<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Cow::Borrowed(bytes.as_bytes()));
    }
    let text = value.cast::<PyString>()?;
    match text.to_str() {
        Ok(text) => Ok(Cow::Borrowed(text.as_bytes())),
        Err(_) => {
            let encoded = text.call_method1("encode", ("utf-8", "surrogateescape"))?;
            Ok(Cow::Owned(encoded.cast::<PyBytes>()?.as_bytes().to_vec()))
        }
    }
}

/// A header value without folds: each is one blank. RFC 3261 §7.3.1.
pub(crate) fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(end) = rest.iter().position(|octet| matches!(octet, b'\r' | b'\n')) {
        out.extend_from_slice(rest[..end].trim_ascii_end());
        out.push(b' ');
        rest = rest[end..].trim_ascii_start();
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// A header value as `str`, without folds.
pub(crate) fn value_text<'py>(py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyString>> {
    text(py, &unfolded(value))
}

/// The name of a method: always the same object for those that have a meaning of their own.
#[inline]
pub(crate) fn method_text<'py>(py: Python<'py>, method: Method, name: &[u8]) -> PyResult<Bound<'py, PyString>> {
    static NAMES: PyOnceLock<Vec<Py<PyString>>> = PyOnceLock::new();
    if method == Method::Other {
        return text(py, name);
    }
    let names = NAMES
        .get_or_init(py, || Method::ALL.iter().map(|method| PyString::intern(py, method.name()).unbind()).collect());
    // `Method::ALL` is in the order of the variants.
    names.get(method as usize).map_or_else(|| text(py, name), |name| Ok(name.bind(py).clone()))
}

/// The usual name of a header: always the same object; `None` for names that are not in the table.
pub(crate) fn header_text<'py>(py: Python<'py>, id: HeaderId) -> Option<&'py Bound<'py, PyString>> {
    static NAMES: PyOnceLock<Vec<Py<PyString>>> = PyOnceLock::new();
    let names = NAMES.get_or_init(py, || {
        dialplane_syntax::header::TABLE.iter().map(|row| PyString::intern(py, row.name).unbind()).collect()
    });
    names.get(id.index()).map(|name| name.bind(py))
}

/// A header name as received, shared with all others of that spelling where it is the usual one.
pub(crate) fn name_text<'py>(py: Python<'py>, id: HeaderId, name: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match header_text(py, id) {
        Some(usual) if id.name().as_bytes() == name => Ok(usual.clone()),
        _ => text(py, name),
    }
}
