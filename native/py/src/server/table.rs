//! `compile_table`: a CSV file of telephone numbers into the table that the workers map.

use super::{os_error, value_error};
use dialplane_store::{CompileError, compile};
use pyo3::prelude::*;
use std::path::Path;

/// Compiles a number table from the CSV file ``csv`` into ``dpt``. Returns the number of entries.
#[pyfunction]
#[pyo3(signature = (csv, dpt, progress = None))]
pub(crate) fn compile_table(py: Python<'_>, csv: &str, dpt: &str, progress: Option<Py<PyAny>>) -> PyResult<u64> {
    let (csv, dpt) = (Path::new(csv), Path::new(dpt));
    // What the callback raised, or an interrupt.
    let mut raised = None;
    let compiled = py.detach(|| {
        compile(csv, dpt, dialplane_core::redirect::are_contacts, |done, whole| {
            let told = Python::attach(|py| {
                py.check_signals()?;
                progress.as_ref().map_or(Ok(()), |progress| progress.call1(py, (done, whole)).map(drop))
            });
            raised = told.err();
            raised.is_none()
        })
    });
    if let Some(error) = raised {
        return Err(error);
    }
    compiled.map_err(|error| match error {
        CompileError::Cancelled => value_error("cancelled"),
        CompileError::Csv(error) => value_error(error.to_string()),
        // The file to read is there or not at once; anything later is about the one to write.
        CompileError::System(error) => os_error(if csv.is_file() { dpt } else { csv }, &error),
    })
}
