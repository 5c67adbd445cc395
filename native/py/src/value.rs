//! Values that a caller may write into a header field: text, octets, numbers and the typed values.

use crate::cseq::PyCSeq;
use crate::header::PyHeader;
use crate::text;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

/// `str`, `bytes`, `int`, or anything with `raw` octets (`Uri`, `NameAddr`, `Via`, `CSeq`).
pub(crate) fn octets(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
        return Ok(text::octets(value)?.into_owned());
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(value.str()?.to_str()?.as_bytes().to_vec());
    }
    if let Ok(cseq) = value.cast::<PyCSeq>() {
        return cseq.get().octets(cseq.py());
    }
    if let Ok(raw) = value.getattr(pyo3::intern!(value.py(), "raw"))
        && let Ok(raw) = raw.cast::<PyBytes>()
    {
        return Ok(raw.as_bytes().to_vec());
    }
    let kind = value.get_type().name()?;
    Err(PyTypeError::new_err(format!("a header value is str, bytes, int, Uri, NameAddr, Via or CSeq, not {kind}")))
}

/// Names and values from a mapping, or an iterable of pairs or `Header`s.
pub(crate) fn pairs(headers: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<(String, Vec<u8>)>> {
    let Some(headers) = headers else { return Ok(Vec::new()) };
    let items = match headers.cast::<pyo3::types::PyMapping>() {
        Ok(mapping) => mapping.items()?.into_any(),
        Err(_) => headers.clone(),
    };
    let mut pairs = Vec::new();
    for item in items.try_iter()? {
        let item = item?;
        if let Ok(header) = item.cast::<PyHeader>() {
            pairs.push(header.get().pair(item.py()));
            continue;
        }
        let (name, value): (String, Bound<'_, PyAny>) = item.extract()?;
        pairs.push((name, octets(&value)?));
    }
    Ok(pairs)
}
