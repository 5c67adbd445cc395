//! `CSeq`: sequence number and method. RFC 3261 §20.16. Frozen.

use crate::error::{BuildErrorKind, build_error};
use crate::text::{method_text, octets};
use dialplane_syntax::chars::is_token;
use dialplane_syntax::{CSeq, Method};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

/// A CSeq value: ``CSeq(7, "INVITE")``. Equal when number and method are the same (RFC 3261 §20.16).
#[pyclass(name = "CSeq", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyCSeq {
    /// Number.
    #[pyo3(get)]
    number: u32,
    method: Method,
    /// The name of a method that has no meaning of its own.
    name: Option<Box<[u8]>>,
}

impl PyCSeq {
    #[inline]
    pub(crate) fn of(view: &CSeq<'_>) -> Self {
        let name = (view.method == Method::Other).then(|| view.method_name.into());
        Self { number: view.number, method: view.method, name }
    }

    fn method_name(&self) -> &[u8] {
        self.name.as_deref().unwrap_or(self.method.name().as_bytes())
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut out = self.number.to_string().into_bytes();
        out.push(b' ');
        out.extend_from_slice(self.method_name());
        out
    }
}

#[pymethods]
impl PyCSeq {
    #[new]
    #[pyo3(signature = (number, method, /))]
    fn new(number: u32, method: &Bound<'_, PyAny>) -> PyResult<Self> {
        let name = octets(method)?;
        if !is_token(&name) {
            let name = String::from_utf8_lossy(&name);
            return Err(build_error(BuildErrorKind::Method, format!("{name:?} is not a method")));
        }
        Ok(Self::of(&CSeq { number, method: Method::from_name(&name), method_name: &name }))
    }

    /// The method as written.
    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        method_text(py, self.method, self.method_name())
    }

    /// The value as written in a message.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.octets())
    }

    fn __str__(&self) -> String {
        String::from_utf8_lossy(&self.octets()).into_owned()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("CSeq({}, {})", self.number, self.method(py)?.repr()?))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.number == other.number && self.method_name() == other.method_name()
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.raw(py).hash()
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("number", "method")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let this = slf.get();
        (slf.get_type(), (this.number, this.method(py)?)).into_pyobject(py)
    }
}
