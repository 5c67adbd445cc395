//! `Essentials`: what every message must have, read in one go. RFC 3261 §8.1.1.
//!
//! One call from Python where a value each would be ten. The values are objects from the start and lie in the struct, so that Python
//! reads an attribute without calling anything. The columns of a batch are made of the same values.

use crate::text::{method_text, text};
use dialplane_syntax::{FieldError, HeaderId, Message, Method, NameAddr, StartLine};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyTuple};

/// What every message must have, as received: made by :meth:`Message.essentials` or :func:`essentials`.
#[pyclass(name = "Essentials", module = "dialplane_native", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct PyEssentials {
    /// The method of a request; ``None`` for a response.
    method: Py<PyAny>,
    /// The status code of a response; ``None`` for a request.
    status: Py<PyAny>,
    /// The Request-URI; ``None`` for a response.
    uri: Py<PyAny>,
    /// The branch of the top Via.
    branch: Py<PyAny>,
    /// The URI of From.
    from_uri: Py<PyAny>,
    /// The tag of From.
    from_tag: Py<PyAny>,
    /// The URI of To.
    to_uri: Py<PyAny>,
    /// The tag of To.
    to_tag: Py<PyAny>,
    /// Call-ID.
    call_id: Py<PyAny>,
    /// The number of CSeq.
    cseq: Py<PyAny>,
    /// The method of CSeq.
    cseq_method: Py<PyAny>,
    /// Max-Forwards, at most 255; ``None`` when absent.
    max_forwards: Py<PyAny>,
}

impl PyEssentials {
    /// Those of a message, or the first field that cannot be read.
    #[inline]
    pub(crate) fn of(py: Python<'_>, message: &Message<'_>) -> PyResult<Result<Self, FieldError>> {
        let address = |id| message.map_name_addr(id, |address| address.map(|address| (address.uri, address.tag())));
        let fields = || {
            let branch = message.map_top_via(|via| via.map(|via| via.branch))?;
            let (from, to) = (address(HeaderId::FROM)?, address(HeaderId::TO)?);
            Ok((branch, from, to, message.call_id()?, message.cseq()?, message.max_forwards()?))
        };
        let (branch, from, to, call_id, cseq, hops) = match fields() {
            Ok(fields) => fields,
            Err(error) => return Ok(Err(error)),
        };
        let none = || py.None();
        let string = |octets: &[u8]| PyResult::Ok(text(py, octets)?.into_any().unbind());
        let option = |octets: Option<&[u8]>| octets.map_or_else(|| Ok(none()), string);
        let number = |number: u32| PyResult::Ok(number.into_pyobject(py)?.into_any().unbind());
        let name = |method, name: &[u8]| PyResult::Ok(method_text(py, method, name)?.into_any().unbind());
        let (method, status, uri) = match message.start_line() {
            StartLine::Request { method, method_name, uri } => (name(method, method_name)?, none(), string(uri)?),
            StartLine::Response { status, .. } => (none(), number(u32::from(status))?, none()),
        };
        Ok(Ok(Self {
            method,
            status,
            uri,
            branch: option(branch)?,
            from_uri: string(from.0)?,
            from_tag: option(from.1)?,
            to_uri: string(to.0)?,
            to_tag: option(to.1)?,
            call_id: string(call_id)?,
            cseq: number(cseq.number)?,
            cseq_method: name(cseq.method, cseq.method_name)?,
            max_forwards: hops.map_or_else(|| Ok(none()), |hops| number(u32::from(hops)))?,
        }))
    }

    /// In the order of [`NAMES`].
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let Self { method, status, uri, branch, from_uri, from_tag, .. } = self;
        let Self { to_uri, to_tag, call_id, cseq, cseq_method, max_forwards, .. } = self;
        let values: [&Py<PyAny>; NAMES.len()] =
            [method, status, uri, branch, from_uri, from_tag, to_uri, to_tag, call_id, cseq, cseq_method, max_forwards];
        PyTuple::new(py, values)
    }
}

#[pymethods]
impl PyEssentials {
    #[new]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        method: Py<PyAny>,
        status: Py<PyAny>,
        uri: Py<PyAny>,
        branch: Py<PyAny>,
        from_uri: Py<PyAny>,
        from_tag: Py<PyAny>,
        to_uri: Py<PyAny>,
        to_tag: Py<PyAny>,
        call_id: Py<PyAny>,
        cseq: Py<PyAny>,
        cseq_method: Py<PyAny>,
        max_forwards: Py<PyAny>,
    ) -> Self {
        Self {
            method,
            status,
            uri,
            branch,
            from_uri,
            from_tag,
            to_uri,
            to_tag,
            call_id,
            cseq,
            cseq_method,
            max_forwards,
        }
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.values(py)?.try_iter()
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
        self.values(py)?.eq(other.values(py)?)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.values(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut out = String::from("Essentials(");
        for (name, value) in NAMES.iter().zip(self.values(py)?) {
            let comma = if out.ends_with('(') { "" } else { ", " };
            out.push_str(&format!("{comma}{name}={}", value.repr()?));
        }
        out.push(')');
        Ok(out)
    }

    #[classattr]
    fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, NAMES)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        (slf.get_type(), slf.get().values(py)?).into_pyobject(py)
    }
}

/// One value of a message, not yet a Python object: made without Python's lock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// Absent.
    None,
    /// The name of a method.
    Method(Method, &'a [u8]),
    /// A number.
    Number(u32),
    /// Text as received.
    Text(&'a [u8]),
}

impl<'a> Value<'a> {
    fn of_text(text: Option<&'a [u8]>) -> Self {
        text.map_or(Self::None, Self::Text)
    }

    /// The same value as a part of `octets`, which live longer than the view that it was read from.
    pub(crate) fn within<'b>(self, octets: &'b [u8]) -> Value<'b> {
        let part = |text| crate::piece::Span::of(octets, text).or_empty(octets);
        match self {
            Self::None => Value::None,
            Self::Method(method, name) => Value::Method(method, part(name)),
            Self::Number(number) => Value::Number(number),
            Self::Text(text) => Value::Text(part(text)),
        }
    }

    /// The object for Python.
    #[inline]
    pub(crate) fn object<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::None => py.None().into_bound(py),
            Self::Method(method, name) => method_text(py, method, name)?.into_any(),
            Self::Number(number) => number.into_pyobject(py)?.into_any(),
            Self::Text(octets) => text(py, octets)?.into_any(),
        })
    }
}

/// Names of the values, in their order.
pub(crate) const NAMES: [&str; 12] = [
    "method",
    "status",
    "uri",
    "branch",
    "from_uri",
    "from_tag",
    "to_uri",
    "to_tag",
    "call_id",
    "cseq",
    "cseq_method",
    "max_forwards",
];

/// One value by its place in [`NAMES`]; absent when the field cannot be read.
pub(crate) fn one<'a>(message: &Message<'a>, number: usize) -> Value<'a> {
    let address = |id: HeaderId, part: fn(&NameAddr<'a>) -> Option<&'a [u8]>| {
        Value::of_text(message.name_addr(id).ok().and_then(|address| part(&address)))
    };
    match number {
        0..=2 => match (message.start_line(), number) {
            (StartLine::Request { method, method_name, .. }, 0) => Value::Method(method, method_name),
            (StartLine::Response { status, .. }, 1) => Value::Number(u32::from(status)),
            (StartLine::Request { uri, .. }, 2) => Value::Text(uri),
            _ => Value::None,
        },
        3 => Value::of_text(message.top_via().ok().and_then(|via| via.branch)),
        4 => address(HeaderId::FROM, |from| Some(from.uri)),
        5 => address(HeaderId::FROM, NameAddr::tag),
        6 => address(HeaderId::TO, |to| Some(to.uri)),
        7 => address(HeaderId::TO, NameAddr::tag),
        8 => Value::of_text(message.call_id().ok()),
        9 => message.cseq().map_or(Value::None, |cseq| Value::Number(cseq.number)),
        10 => message.cseq().map_or(Value::None, |cseq| Value::Method(cseq.method, cseq.method_name)),
        11 => message.max_forwards().ok().flatten().map_or(Value::None, |hops| Value::Number(u32::from(hops))),
        _ => Value::None,
    }
}
