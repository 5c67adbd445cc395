//! Rows of the `location` table as Python tuples, in the order of `records.Binding`. The columns are `registrar::row`'s.

use dialplane_core::registrar::row::Row;
use dialplane_syntax::Host;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use std::borrow::Cow;

/// Columns of a row.
const COLUMNS: usize = 17;

/// The key of an address-of-record in the store: canonical, as `dialplane_syntax::uri::write_aor` writes it.
pub(super) fn aor(username: &str, domain: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(username.len() + 1 + domain.len());
    if !username.is_empty() {
        key.extend_from_slice(username.as_bytes());
        key.push(b'@');
    }
    match Host::parse(domain.as_bytes()) {
        Some(host) => host.write(&mut key),
        None => key.extend_from_slice(domain.to_ascii_lowercase().as_bytes()),
    }
    key
}

/// Rows as a list of tuples.
pub(super) fn list<'py>(py: Python<'py>, rows: Vec<Row<'_>>) -> PyResult<Bound<'py, PyList>> {
    let tuples: PyResult<Vec<_>> = rows.into_iter().map(|row| tuple(py, row)).collect();
    PyList::new(py, tuples?)
}

fn tuple<'py>(py: Python<'py>, row: Row<'_>) -> PyResult<Bound<'py, PyTuple>> {
    macro_rules! columns {
        ($($column:ident),*) => { [$(row.$column.into_pyobject(py)?.into_any(),)*] };
    }
    let columns: [Bound<'py, PyAny>; COLUMNS] = columns!(
        id,
        ruid,
        username,
        domain,
        contact,
        params,
        received,
        path,
        expires,
        q,
        callid,
        cseq,
        last_modified,
        user_agent,
        socket,
        instance,
        reg_id
    );
    PyTuple::new(py, columns)
}

/// Reads one tuple.
pub(super) fn row(tuple: &Bound<'_, PyAny>) -> PyResult<Row<'static>> {
    let tuple = tuple.cast::<PyTuple>()?;
    if tuple.len() != COLUMNS {
        return Err(PyValueError::new_err(format!("a binding has {COLUMNS} columns, not {}", tuple.len())));
    }
    Ok(Row {
        id: tuple.get_item(0)?.extract()?,
        ruid: text(tuple, 1)?,
        username: text(tuple, 2)?,
        domain: text(tuple, 3)?,
        contact: text(tuple, 4)?,
        params: optional(tuple, 5)?,
        received: optional(tuple, 6)?,
        path: optional(tuple, 7)?,
        expires: second(tuple, 8)?,
        q: tuple.get_item(9)?.extract()?,
        callid: text(tuple, 10)?,
        cseq: second(tuple, 11)?.min(u32::MAX.into()) as u32,
        last_modified: second(tuple, 12)?,
        user_agent: text(tuple, 13)?,
        socket: optional(tuple, 14)?,
        instance: optional(tuple, 15)?,
        reg_id: second(tuple, 16)?.min(u32::MAX.into()) as u32,
    })
}

/// Text; what is no UTF-8 was replaced on the way out and is so on the way back.
fn text(tuple: &Bound<'_, PyTuple>, column: usize) -> PyResult<Cow<'static, str>> {
    Ok(Cow::Owned(tuple.get_item(column)?.cast::<PyString>()?.to_string_lossy().into_owned()))
}

/// An empty text means the same as none: some databases cannot tell them apart.
fn optional(tuple: &Bound<'_, PyTuple>, column: usize) -> PyResult<Option<Cow<'static, str>>> {
    if tuple.get_item(column)?.is_none() {
        return Ok(None);
    }
    Ok(Some(text(tuple, column)?).filter(|text| !text.is_empty()))
}

/// A number that is not negative. Other writers of the table may have put anything there.
fn second(tuple: &Bound<'_, PyTuple>, column: usize) -> PyResult<u64> {
    let number: i64 = tuple.get_item(column)?.extract()?;
    Ok(number.max(0).unsigned_abs())
}
