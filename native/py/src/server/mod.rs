//! `dialplane_native.server`: what the processes of the dialplane server call. The stub `server.pyi` is the contract.
//!
//! Whatever takes long runs with the GIL released.

mod config;
pub(crate) mod database;
pub(crate) mod explain;
mod read_only;
mod rows;
pub(crate) mod steering;
pub(crate) mod store;
pub(crate) mod table;
mod targets;
pub(crate) mod worker;

use config::{open_tables, read_config};
use dialplane_core::config::STRUCTS;
use dialplane_core::counter::Counter;
use dialplane_core::keys::SECRET_LEN;
use dialplane_core::snapshot::Snapshot;
use dialplane_net::page;
use dialplane_net::stream::settings::Settings;
use dialplane_net::stream::tls::Tls;
use dialplane_syntax::Limits;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashMap;
use std::path::Path;

/// Compiles the configuration as a worker would. Returns ``(path, problem)`` pairs; empty when it is good.
#[pyfunction]
#[pyo3(signature = (config_json))]
pub(crate) fn check(py: Python<'_>, config_json: &[u8]) -> Vec<(String, String)> {
    let problems = py.detach(|| {
        let config = match read_config(config_json) {
            Ok(config) => config,
            Err(error) => return vec![error],
        };
        let tables = match open_tables(&config) {
            Ok(tables) => tables,
            Err(errors) => return errors,
        };
        // Nothing is signed with it: any secret will do.
        let mut problems = Snapshot::build(&config, &[0; SECRET_LEN], &tables).err().unwrap_or_default();
        problems.extend(Settings::read(&config, Limits::default()).err().unwrap_or_default());
        problems.extend(Tls::load(&config).err().unwrap_or_default());
        problems
    });
    problems.into_iter().map(|error| (config::dotted(&error.path), error.problem)).collect()
}

/// Structs of the configuration and the names of their fields.
#[pyfunction]
pub(crate) fn config_fields() -> HashMap<&'static str, Vec<&'static str>> {
    STRUCTS.iter().map(|(name, fields)| (*name, fields.to_vec())).collect()
}

/// Name and one-line help of each counter, in the order of the mapped page.
#[pyfunction]
pub(crate) fn counter_names() -> Vec<(&'static str, &'static str)> {
    Counter::ALL.iter().map(|counter| (counter.name(), counter.help())).collect()
}

/// Reads all mapped pages in ``folder``, by worker index. Pages that are being made are left out.
#[pyfunction]
#[pyo3(signature = (folder))]
pub(crate) fn counters<'py>(py: Python<'py>, folder: &str) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let readings = page::read_all(Path::new(folder))?;
    readings
        .into_iter()
        .map(|reading| {
            let values = PyDict::new(py);
            for (counter, value) in Counter::ALL.iter().zip(&reading.values) {
                values.set_item(counter.name(), value)?;
            }
            let page = PyDict::new(py);
            page.set_item("worker", reading.worker)?;
            page.set_item("pid", reading.pid)?;
            page.set_item("started", reading.started_ms as f64 / 1000.0)?;
            page.set_item("values", values)?;
            Ok(page)
        })
        .collect()
}

/// A bad value of the caller's.
#[cold]
fn value_error(text: impl Into<String>) -> PyErr {
    PyValueError::new_err(text.into())
}

/// What the system said about a file.
#[cold]
fn os_error(path: &Path, error: &std::io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, text_of(error), path.display().to_string())),
        None => PyOSError::new_err(format!("{}: {error}", path.display())),
    }
}

/// The system's text without Rust's "(os error 2)".
fn text_of(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
