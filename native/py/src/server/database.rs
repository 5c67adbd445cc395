//! `Connection`: a SQLite file for Python, by the copy of SQLite that the mirror uses too.

use crate::error::database_error;
use dialplane_database::{Connection, Error, Outcome, Value};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A connection to a SQLite file. Several threads may use one; each waits for the others.
#[pyclass(name = "Connection", module = "dialplane_native.server", frozen)]
#[derive(Debug)]
pub(crate) struct PyConnection {
    /// `None` once it is closed.
    connection: Mutex<Option<Connection>>,
}

impl PyConnection {
    /// Works with the connection, without the GIL.
    pub(super) fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Connection) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let done = py.detach(|| {
            let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection.as_mut().map(work)
        });
        match done {
            Some(Ok(value)) => Ok(value),
            Some(Err(Error::Sqlite(error))) => Err(database_error(error.to_string())),
            Some(Err(Error::Store(error))) => Err(super::store::failed(error)),
            None => Err(database_error("the connection is closed".into())),
        }
    }

    fn execute(&self, py: Python<'_>, sql: &str, rows: Vec<Vec<Value>>) -> PyResult<Outcome> {
        self.with(py, |connection| Ok(connection.execute(sql, rows)?))
    }
}

#[pymethods]
impl PyConnection {
    #[new]
    #[pyo3(signature = (path, patience))]
    fn new(py: Python<'_>, path: &str, patience: f64) -> PyResult<Self> {
        let patience = Duration::try_from_secs_f64(patience).map_err(|_| PyValueError::new_err("patience: seconds"))?;
        let opened = py.detach(|| Connection::open(Path::new(path), patience));
        let connection = opened.map_err(|error| database_error(error.to_string()))?;
        Ok(Self { connection: Mutex::new(Some(connection)) })
    }

    /// Runs one statement and returns its rows.
    #[pyo3(signature = (sql, values = None))]
    fn query<'py>(
        &self,
        py: Python<'py>,
        sql: &str,
        values: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let values = values.map_or_else(|| Ok(Vec::new()), row)?;
        let found = self.execute(py, sql, vec![values])?;
        let rows = found.rows.into_iter().map(|row| tuple(py, row));
        PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
    }

    /// Runs one statement for each row of values. Returns how many rows of tables it changed.
    #[pyo3(signature = (sql, rows))]
    fn write(&self, py: Python<'_>, sql: &str, rows: &Bound<'_, PyAny>) -> PyResult<u64> {
        let rows = rows.try_iter()?.map(|values| row(&values?));
        let rows = rows.collect::<PyResult<_>>()?;
        Ok(self.execute(py, sql, rows)?.changes)
    }

    /// Runs statements without values.
    #[pyo3(signature = (sql))]
    fn script(&self, py: Python<'_>, sql: &str) -> PyResult<()> {
        self.with(py, |connection| Ok(connection.run_script(sql)?))
    }

    /// Whether a transaction was begun and has not ended.
    #[getter]
    fn in_transaction(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |connection| Ok(connection.is_in_transaction()))
    }

    /// Closes it. May be called again.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.connection.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
}

fn row(values: &Bound<'_, PyAny>) -> PyResult<Vec<Value>> {
    values.try_iter()?.map(|value| from_python(&value?)).collect()
}

fn from_python(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(if value.is_none() {
        Value::Null
    } else if let Ok(text) = value.cast::<PyString>() {
        Value::Text(text.extract()?)
    } else if let Ok(number) = value.cast::<PyInt>() {
        Value::Integer(number.extract().map_err(|_| PyValueError::new_err("an integer of more than 64 bits"))?)
    } else if let Ok(number) = value.cast::<PyFloat>() {
        Value::Real(number.extract()?)
    } else if let Ok(octets) = value.cast::<PyBytes>() {
        Value::Blob(octets.as_bytes().to_vec())
    } else {
        return Err(PyValueError::new_err("a value is None, int, float, str or bytes"));
    })
}

fn tuple(py: Python<'_>, row: Vec<Value>) -> PyResult<Bound<'_, PyTuple>> {
    let values = row.into_iter().map(|value| {
        Ok(match value {
            Value::Null => py.None().into_bound(py),
            Value::Integer(number) => number.into_pyobject(py)?.into_any(),
            Value::Real(number) => number.into_pyobject(py)?.into_any(),
            Value::Text(text) => text.into_pyobject(py)?.into_any(),
            Value::Blob(octets) => PyBytes::new(py, &octets).into_any(),
        })
    });
    PyTuple::new(py, values.collect::<PyResult<Vec<_>>>()?)
}
