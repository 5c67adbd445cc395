//! `Uri`: sip, sips (RFC 3261 §19.1), tel (RFC 3966) and others. Frozen; the octets are those received.

use crate::error::{BuildErrorKind, build_error, uri_error};
use crate::params;
use crate::piece::{Piece, Span};
use crate::text::{octets, text};
use dialplane_syntax::uri::{self, write_escaped_user};
use dialplane_syntax::{Host, Uri};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

/// A URI. ``Uri("sip:alice@atlanta.com")`` parses; :meth:`sip` makes one from its parts.
///
/// Equal as RFC 3261 §19.1.4 defines it (RFC 3966 §5 for tel), which is not always transitive.
#[pyclass(name = "Uri", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyUri {
    piece: Piece,
    parts: Parts,
}

/// Where the parts lie in the piece.
#[derive(Clone, Copy, Debug)]
struct Parts {
    scheme: Scheme,
    user: Span,
    password: Span,
    host: Span,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Sip,
    Sips,
    Tel,
    Other,
}

impl PyUri {
    /// The URI that `piece` is.
    pub(crate) fn read(py: Python<'_>, piece: Piece) -> PyResult<Self> {
        let parts = parts(piece.octets(py)).map_err(uri_error)?;
        Ok(Self { piece, parts })
    }

    /// A `Uri`, or text of one, as octets of a legal URI.
    pub(crate) fn octets_of(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        if let Ok(uri) = value.cast::<Self>() {
            return Ok(uri.get().raw(value.py()).to_vec());
        }
        let octets = octets(value)?;
        Uri::parse(&octets).map_err(uri_error)?;
        Ok(octets.into_owned())
    }

    fn raw<'a>(&'a self, py: Python<'_>) -> &'a [u8] {
        self.piece.octets(py)
    }

    fn view<'a>(&'a self, py: Python<'_>) -> PyResult<Uri<'a>> {
        Uri::parse(self.raw(py)).map_err(uri_error)
    }

    fn part<'py>(&self, py: Python<'py>, span: Span) -> PyResult<Option<Bound<'py, PyString>>> {
        span.get(self.raw(py)).map(|part| text(py, part)).transpose()
    }
}

#[pymethods]
impl PyUri {
    #[new]
    #[pyo3(signature = (uri, /))]
    fn new(uri: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::read(uri.py(), Piece::copy(uri.py(), &octets(uri)?))
    }

    /// A sip or sips URI from its parts; what the user part may not hold is escaped.
    #[staticmethod]
    #[pyo3(signature = (host, *, user = None, port = None, params = None, secure = false))]
    fn sip(
        py: Python<'_>,
        host: &str,
        user: Option<&Bound<'_, PyAny>>,
        port: Option<u16>,
        params: Option<&Bound<'_, PyAny>>,
        secure: bool,
    ) -> PyResult<Self> {
        if Host::parse(host.as_bytes()).is_none() {
            return Err(build_error(BuildErrorKind::Value, format!("{host:?} is not a host")));
        }
        let mut out = if secure { b"sips:".to_vec() } else { b"sip:".to_vec() };
        if let Some(user) = user {
            write_escaped_user(&octets(user)?, &mut out);
            out.push(b'@');
        }
        out.extend_from_slice(host.as_bytes());
        if let Some(port) = port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        params::write_uri(params, &mut out)?;
        Self::read(py, Piece::copy(py, &out))
    }

    /// The URI as received.
    #[getter]
    #[pyo3(name = "raw")]
    fn raw_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.raw(py))
    }

    /// The scheme in lower case.
    #[getter]
    fn scheme<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        match self.parts.scheme {
            Scheme::Sip => Ok(pyo3::intern!(py, "sip").clone()),
            Scheme::Sips => Ok(pyo3::intern!(py, "sips").clone()),
            Scheme::Tel => Ok(pyo3::intern!(py, "tel").clone()),
            Scheme::Other => {
                let raw = self.raw(py);
                let end = raw.iter().position(|octet| *octet == b':').unwrap_or(raw.len());
                text(py, &raw[..end].to_ascii_lowercase())
            }
        }
    }

    /// The user part as received, escapes and all; the number of a tel URI. ``None`` when there is none.
    #[getter]
    fn user<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.part(py, self.parts.user)
    }

    /// The user part with its escapes decoded, once. RFC 3261 §19.1.2.
    #[getter]
    fn unescaped_user<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        let Some(user) = self.parts.user.get(self.raw(py)) else { return Ok(None) };
        let mut out = Vec::with_capacity(user.len());
        uri::unescape(user, &mut out);
        text(py, &out).map(Some)
    }

    /// The password as received. RFC 3261 §19.1.1 recommends against it.
    #[getter]
    fn password<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.part(py, self.parts.password)
    }

    /// The host as received, IPv6 in brackets; ``None`` for schemes without one.
    #[getter]
    fn host<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.part(py, self.parts.host)
    }

    /// The port, if one is written.
    #[getter]
    fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The URI parameters: names in lower case, values as received, ``None`` for those without.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let params = match self.view(py)? {
            Uri::Sip(uri) => uri.params,
            Uri::Tel(uri) => uri.params,
            Uri::Other { .. } => return Ok(dict),
        };
        params::fill(&dict, params, false)?;
        Ok(dict)
    }

    /// The headers part as pairs of name and value, as received. RFC 3261 §19.1.1.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        if let Uri::Sip(uri) = self.view(py)? {
            for (name, value) in uri.headers() {
                list.append((text(py, name)?, text(py, value)?))?;
            }
        }
        Ok(list)
    }

    /// The canonical address-of-record, ``user@host``, as the registrar keys it (RFC 3261 §10.3 step 5); ``None`` for
    /// schemes that have none.
    #[getter]
    fn aor<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        let mut out = Vec::new();
        if uri::write_aor(&self.view(py)?, &mut out) { text(py, &out).map(Some) } else { Ok(None) }
    }

    /// What follows the colon of a scheme that is neither sip, sips nor tel; ``None`` for those.
    #[getter]
    fn opaque<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        match self.view(py)? {
            Uri::Other { rest, .. } => text(py, rest).map(Some),
            Uri::Sip(_) | Uri::Tel(_) => Ok(None),
        }
    }

    fn __str__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, self.raw(py))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw_bytes(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Uri({})", self.__str__(py)?.repr()?))
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
        Ok(uri::equal(&self.view(py)?, &other.view(py)?))
    }

    /// Only what equal URIs always share: scheme, user, host and port.
    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        let mut key = Vec::with_capacity(64);
        write_key(&self.view(py)?, &mut key);
        PyBytes::new(py, &key).hash()
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("scheme", "user", "host", "port")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        (slf.get_type(), (slf.get().raw_bytes(py),)).into_pyobject(py)
    }
}

fn parts(octets: &[u8]) -> Result<Parts, dialplane_syntax::UriError> {
    let none = Parts { scheme: Scheme::Other, user: Span::NONE, password: Span::NONE, host: Span::NONE, port: None };
    Ok(match Uri::parse(octets)? {
        Uri::Sip(uri) => Parts {
            scheme: if uri.secure { Scheme::Sips } else { Scheme::Sip },
            user: Span::of_option(octets, uri.user),
            password: Span::of_option(octets, uri.password),
            host: Span::of(octets, host(uri.hostport(), uri.port.is_some())),
            port: uri.port,
        },
        Uri::Tel(uri) => Parts { scheme: Scheme::Tel, user: Span::of(octets, uri.number), ..none },
        Uri::Other { .. } => none,
    })
}

/// The host of `host [ ":" port ]`.
pub(crate) fn host(hostport: &[u8], has_port: bool) -> &[u8] {
    match hostport.iter().rposition(|octet| *octet == b':') {
        Some(colon) if has_port => hostport[..colon].trim_ascii_end(),
        _ => hostport,
    }
}

/// What URIs that are equal always share: a key to hash them by.
pub(crate) fn write_key(uri: &Uri<'_>, key: &mut Vec<u8>) {
    match uri {
        Uri::Sip(uri) => {
            key.push(u8::from(uri.secure));
            if let Some(user) = uri.user {
                uri::unescape(user, key);
                key.push(b'@');
            }
            uri.host.write(key);
            key.extend_from_slice(&uri.port.unwrap_or_default().to_be_bytes());
        }
        Uri::Tel(uri) => {
            let start = key.len();
            uri.write_digits(key);
            key[start..].make_ascii_lowercase();
        }
        Uri::Other { scheme, rest } => {
            key.extend_from_slice(&scheme.to_ascii_lowercase());
            key.extend_from_slice(rest);
        }
    }
}
