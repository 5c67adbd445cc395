//! `CSeq`: sequence number and method. RFC 3261 §20.16. Frozen.

use crate::error::{BuildErrorKind, build_error};
use crate::text::{method_text, octets};
use dialplane_syntax::chars::is_token;
use dialplane_syntax::{CSeq, Method};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString, PyTuple};

/// A CSeq value: ``CSeq(7, "INVITE")``. Equal when number and method are the same (RFC 3261 §20.16).
///
/// Its two parts are objects from the start: who asks for it asks for one of them.
#[pyclass(name = "CSeq", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyCSeq {
    /// The sequence number.
    #[pyo3(get)]
    number: Py<PyInt>,
    /// The method as written.
    #[pyo3(get)]
    method: Py<PyString>,
}

impl PyCSeq {
    #[inline]
    pub(crate) fn of(py: Python<'_>, view: &CSeq<'_>) -> PyResult<Self> {
        let number = view.number.into_pyobject(py)?.unbind();
        Ok(Self { number, method: method_text(py, view.method, view.method_name)?.unbind() })
    }

    pub(crate) fn octets(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        Ok(self.text(py)?.into_bytes())
    }

    fn text(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("{} {}", self.number.bind(py), self.method.bind(py).to_str()?))
    }
}

#[pymethods]
impl PyCSeq {
    #[new]
    #[pyo3(signature = (number, method, /))]
    fn new(py: Python<'_>, number: u32, method: &Bound<'_, PyAny>) -> PyResult<Self> {
        let name = octets(method)?;
        if !is_token(&name) {
            let name = String::from_utf8_lossy(&name);
            return Err(build_error(BuildErrorKind::Method, format!("{name:?} is not a method")));
        }
        Self::of(py, &CSeq { number, method: Method::from_name(&name), method_name: &name })
    }

    /// The value as written in a message.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.octets(py)?))
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        self.text(py)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.raw(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("CSeq({}, {})", self.number.bind(py), self.method.bind(py).repr()?))
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
        let parts = |cseq: &Self| (&cseq.number, &cseq.method).into_pyobject(py);
        parts(self)?.eq(parts(other)?)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (&self.number, &self.method).into_pyobject(py)?.hash()
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("number", "method")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        (slf.get_type(), (&slf.get().number, &slf.get().method)).into_pyobject(py)
    }
}
