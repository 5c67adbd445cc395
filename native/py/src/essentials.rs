//! `Essentials`: what every message must have, read in one go. RFC 3261 §8.1.1.
//!
//! One call from Python where a value each would be ten; the columns of a batch are made of the same values.

use crate::text::{method_text, text};
use dialplane_syntax::{FieldError, HeaderId, Message, Method, NameAddr, StartLine};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

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

/// Names in the order in which [`all`] gives the values.
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

/// All values.
#[inline]
fn all<'a>(message: &Message<'a>) -> Result<[Value<'a>; NAMES.len()], FieldError> {
    let (method, status, uri) = match message.start_line() {
        StartLine::Request { method, method_name, uri } => {
            (Value::Method(method, method_name), Value::None, Value::Text(uri))
        }
        StartLine::Response { status, .. } => (Value::None, Value::Number(u32::from(status)), Value::None),
    };
    let via = message.top_via()?;
    let (from, to) = (message.from()?, message.to()?);
    let cseq = message.cseq()?;
    let hops = message.max_forwards()?;
    Ok([
        method,
        status,
        uri,
        Value::of_text(via.branch),
        Value::Text(from.uri),
        Value::of_text(from.tag()),
        Value::Text(to.uri),
        Value::of_text(to.tag()),
        Value::Text(message.call_id()?),
        Value::Number(cseq.number),
        Value::Method(cseq.method, cseq.method_name),
        hops.map_or(Value::None, |hops| Value::Number(u32::from(hops))),
    ])
}

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

/// `dialplane_native.essentials.Essentials`, a named tuple, of a message.
#[inline]
pub(crate) fn essentials<'py>(
    py: Python<'py>,
    message: &Message<'_>,
) -> PyResult<Result<Bound<'py, PyAny>, FieldError>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let values = match all(message) {
        Ok(values) => values,
        Err(error) => return Ok(Err(error)),
    };
    let class = CLASS.import(py, "dialplane_native.essentials", "Essentials")?;
    // Not Essentials(…), which is a function in Python.
    let make = MAKE.get_or_try_init(py, || Ok::<_, PyErr>(py.get_type::<PyTuple>().getattr("__new__")?.unbind()))?;
    let mut objects = [const { None::<Bound<'py, PyAny>> }; NAMES.len()];
    for (object, value) in objects.iter_mut().zip(values) {
        *object = Some(value.object(py)?);
    }
    let tuple = PyTuple::new(py, objects)?;
    Ok(Ok(make.bind(py).call1((class, tuple))?))
}
