//! `Via`: one hop of the way back. RFC 3261 §20.42, RFC 3581. Frozen.

use crate::error::{BuildErrorKind, build_error, field_error};
use crate::name_addr::same;
use crate::params;
use crate::piece::{Piece, Span};
use crate::text::{octets, text};
use crate::uri::host;
use dialplane_syntax::chars::is_token;
use dialplane_syntax::{FieldError, Host, Via};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

/// One Via value. ``Via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")`` parses; :meth:`build` makes one from its parts.
///
/// Equal as RFC 3261 §20.42 has it: sent-protocol, sent-by and all parameters are the same.
#[pyclass(name = "Via", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyVia {
    piece: Piece,
    /// As counted in the piece.
    transport: Span,
    sent_by: Span,
    branch: Span,
    received: Span,
    port: Option<u16>,
    rport: Option<Option<u16>>,
}

impl PyVia {
    /// The view over `whole`, which counts its offsets.
    #[inline]
    pub(crate) fn of(py: Python<'_>, whole: &Piece, view: &Via<'_>) -> Self {
        let octets = whole.octets(py).get(view.range()).unwrap_or_default();
        Self {
            piece: whole.part(py, octets),
            transport: Span::of(octets, view.transport),
            sent_by: Span::of(octets, view.sent_by()),
            branch: Span::of_option(octets, view.branch),
            received: Span::of_option(octets, view.received),
            port: view.port,
            rport: view.rport,
        }
    }

    /// The value that `octets` hold, copied.
    pub(crate) fn read(py: Python<'_>, octets: &[u8]) -> PyResult<Self> {
        let whole = Piece::copy(py, octets.trim_ascii());
        let view = Via::parse(whole.octets(py), 0).map_err(|error| field_error(error, None))?;
        Ok(Self::of(py, &whole, &view))
    }

    fn raw<'a>(&'a self, py: Python<'_>) -> &'a [u8] {
        self.piece.octets(py)
    }

    fn view<'a>(&'a self, py: Python<'_>) -> Result<Via<'a>, FieldError> {
        Via::parse(self.raw(py), 0)
    }

    fn checked<'a>(&'a self, py: Python<'_>) -> PyResult<Via<'a>> {
        self.view(py).map_err(|error| field_error(error, None))
    }
}

#[pymethods]
impl PyVia {
    #[new]
    #[pyo3(signature = (value, /))]
    fn new(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::read(value.py(), &octets(value)?)
    }

    /// A Via from its parts; the branch comes first among the parameters.
    #[staticmethod]
    #[pyo3(signature = (transport, host, port = None, *, branch = None, rport = false, params = None))]
    fn build(
        py: Python<'_>,
        transport: &str,
        host: &str,
        port: Option<u16>,
        branch: Option<&str>,
        rport: bool,
        params: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if !is_token(transport.as_bytes()) {
            return Err(build_error(BuildErrorKind::Value, format!("{transport:?} is not a transport")));
        }
        if Host::parse(host.as_bytes()).is_none() {
            return Err(build_error(BuildErrorKind::Value, format!("{host:?} is not a host")));
        }
        let mut out = format!("SIP/2.0/{transport} {host}").into_bytes();
        if let Some(port) = port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        if let Some(branch) = branch {
            if !is_token(branch.as_bytes()) {
                return Err(build_error(BuildErrorKind::Value, format!("{branch:?} is not a branch")));
            }
            out.extend_from_slice(format!(";branch={branch}").as_bytes());
        }
        if rport {
            out.extend_from_slice(b";rport");
        }
        params::write(params, &mut out)?;
        Self::read(py, &out)
    }

    /// The value as received, without white space at its ends.
    #[getter]
    #[pyo3(name = "raw")]
    fn raw_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.raw(py))
    }

    /// The transport as received: ``UDP``, ``TCP``, ``TLS``, ``WS``, …
    #[getter]
    fn transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, self.transport.or_empty(self.raw(py)))
    }

    /// The host of sent-by as received, IPv6 in brackets.
    #[getter]
    fn host<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, host(self.sent_by.or_empty(self.raw(py)), self.port.is_some()))
    }

    /// The port of sent-by, if one is written.
    #[getter]
    fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port as received.
    #[getter]
    fn sent_by<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, self.sent_by.or_empty(self.raw(py)))
    }

    /// The branch parameter.
    #[getter]
    fn branch<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.branch.get(self.raw(py)).map(|branch| text(py, branch)).transpose()
    }

    /// Whether the branch begins with ``z9hG4bK`` and more follows. RFC 3261 §8.1.1.7.
    #[getter]
    fn has_cookie(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.checked(py)?.has_cookie())
    }

    /// The received parameter.
    #[getter]
    fn received<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.received.get(self.raw(py)).map(|received| text(py, received)).transpose()
    }

    /// The value of rport; ``None`` when it has none or is absent, see :attr:`has_rport`. RFC 3581 §4.
    #[getter]
    fn rport(&self) -> Option<u16> {
        self.rport.flatten()
    }

    /// Whether there is an rport parameter: the client asks for symmetric responses. RFC 3581 §3.
    #[getter]
    fn has_rport(&self) -> bool {
        self.rport.is_some()
    }

    /// The maddr parameter.
    #[getter]
    fn maddr<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.checked(py)?.maddr.map(|maddr| text(py, maddr)).transpose()
    }

    /// The ttl parameter.
    #[getter]
    fn ttl(&self, py: Python<'_>) -> PyResult<Option<u8>> {
        Ok(self.checked(py)?.ttl)
    }

    /// All parameters: names in lower case, values without quotes, ``None`` for those without a value.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        params::fill(&dict, self.checked(py)?.params(), true)?;
        Ok(dict)
    }

    fn __str__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        crate::text::value_text(py, self.raw(py))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw_bytes(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Via({})", self.__str__(py)?.repr()?))
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        match (self.view(py), other.view(py)) {
            (Ok(one), Ok(other)) => equal(&one, &other),
            _ => self.raw(py) == other.raw(py),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        let raw = self.raw(py);
        let mut key = self.transport.or_empty(raw).to_ascii_lowercase();
        key.push(b' ');
        if let Ok(view) = self.view(py) {
            view.host.write(&mut key);
        }
        key.extend_from_slice(&self.port.unwrap_or_default().to_be_bytes());
        key.extend_from_slice(&self.branch.or_empty(raw).to_ascii_lowercase());
        PyBytes::new(py, &key).hash()
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("transport", "host", "port", "branch")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        (slf.get_type(), (slf.get().raw_bytes(py),)).into_pyobject(py)
    }
}

/// RFC 3261 §20.42: "Two Via header fields are equal if their sent-protocol and sent-by fields are equal, both have the
/// same set of parameters, and the values of all parameters are equal."
fn equal(one: &Via<'_>, other: &Via<'_>) -> bool {
    let within = |one: &Via<'_>, other: &Via<'_>| {
        one.params().iter().all(|param| other.params().find(param.name).is_some_and(|value| same(param.value, value)))
    };
    one.transport.eq_ignore_ascii_case(other.transport)
        && one.host.matches(&other.host)
        && one.port == other.port
        && within(one, other)
        && within(other, one)
}
