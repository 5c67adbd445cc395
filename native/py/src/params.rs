//! Parameter lists as `dict`: names in lower case, since they compare without case. RFC 3261 §7.3.1.

use crate::error::{BuildErrorKind, build_error};
use crate::text::{octets, text};
use dialplane_syntax::chars::{is_token, strip_quotes, unescape_quoted, write_quoted};
use dialplane_syntax::{Host, Params};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyMapping, PyString};

/// Puts the parameters into `dict`; of a name that comes twice, the first. With `quotes`, quoted strings as what they mean.
pub(crate) fn fill(dict: &Bound<'_, PyDict>, params: Params<'_>, quotes: bool) -> PyResult<()> {
    let py = dict.py();
    for param in params.iter() {
        let name = text(py, &param.name.to_ascii_lowercase())?;
        if dict.contains(&name)? {
            continue;
        }
        match param.value {
            None => dict.set_item(name, py.None())?,
            Some(value) if quotes => dict.set_item(name, plain(py, value)?)?,
            Some(value) => dict.set_item(name, text(py, value)?)?,
        }
    }
    Ok(())
}

/// A parameter value or display name without its quotes and escapes.
pub(crate) fn plain<'py>(py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyString>> {
    let content = strip_quotes(value);
    if content.len() == value.len() || !content.iter().any(|octet| matches!(octet, b'\\' | b'\r' | b'\n')) {
        return text(py, content);
    }
    let mut out = Vec::with_capacity(content.len());
    unescape_quoted(content, &mut out);
    text(py, &out)
}

/// Appends parameters of a header field from a mapping of names to `str`, `int` or `None`. A value that is no token or
/// host is quoted.
pub(crate) fn write(params: Option<&Bound<'_, PyAny>>, out: &mut Vec<u8>) -> PyResult<()> {
    write_each(
        params,
        out,
        |value, out| {
            if is_bare(value) { out.extend_from_slice(value) } else { write_quoted(value, out) }
        },
    )
}

/// Appends parameters of a URI; what a value may not hold is escaped.
pub(crate) fn write_uri(params: Option<&Bound<'_, PyAny>>, out: &mut Vec<u8>) -> PyResult<()> {
    write_each(params, out, |value, out| {
        for octet in value {
            if octet.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(octet) {
                out.push(*octet);
            } else {
                out.extend_from_slice(format!("%{octet:02X}").as_bytes());
            }
        }
    })
}

fn write_each(
    params: Option<&Bound<'_, PyAny>>,
    out: &mut Vec<u8>,
    write_value: impl Fn(&[u8], &mut Vec<u8>),
) -> PyResult<()> {
    let Some(params) = params else { return Ok(()) };
    for item in params.cast::<PyMapping>()?.items()?.try_iter()? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
        let name = octets(&name)?;
        if !is_token(&name) {
            let name = String::from_utf8_lossy(&name);
            return Err(build_error(BuildErrorKind::Value, format!("{name:?} is not the name of a parameter")));
        }
        out.push(b';');
        out.extend_from_slice(&name);
        if value.is_none() {
            continue;
        }
        out.push(b'=');
        if value.is_instance_of::<PyInt>() {
            out.extend_from_slice(value.str()?.to_str()?.as_bytes());
            continue;
        }
        let value = octets(&value)?;
        one_line(&value)?;
        write_value(&value, out);
    }
    Ok(())
}

/// Refuses what would end a line of the head. RFC 3261 §7.3.1.
pub(crate) fn one_line(value: &[u8]) -> PyResult<()> {
    if value.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        let value = String::from_utf8_lossy(value);
        return Err(build_error(BuildErrorKind::LineBreak, format!("CR, LF or NUL in {value:?}")));
    }
    Ok(())
}

/// `token / host` of RFC 3261 §25.1 (`gen-value`).
fn is_bare(value: &[u8]) -> bool {
    !value.is_empty() && (is_token(value) || Host::parse(value).is_some())
}
