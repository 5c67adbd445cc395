//! `run_worker`: a worker's life between Python's `main` and its exit status.

use super::config::open_tables;
use super::value_error;
use crate::error::store_error;
use dialplane_net::worker::{Boot, StartError, Worker};
use dialplane_store::{Role, SharedStore};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// Runs the engine until it is told to stop; the GIL is released meanwhile. Returns the exit status (0: as told).
#[pyfunction]
#[pyo3(signature = (boot, control_fd))]
pub(crate) fn run_worker(py: Python<'_>, boot: &[u8], control_fd: i32) -> PyResult<i32> {
    end_on_panic();
    let boot: Boot = serde_json::from_slice(boot).map_err(|error| value_error(format!("boot message: {error}")))?;
    // The worker closes what it takes over; the caller's own stays open, so that it can say why the worker did not start.
    let control = py.import("os")?.call_method1("dup", (control_fd,))?.extract()?;
    py.detach(|| serve(&boot, control))
}

fn serve(boot: &Boot, control: i32) -> PyResult<i32> {
    let store = SharedStore::open(&boot.data, Role::Member).map_err(|error| store_error(error.to_string()))?;
    let secret = *store.secret();
    let mut worker = Worker::new(boot, control, store, secret, Box::new(open_tables)).map_err(start_error)?;
    worker.run()?;
    Ok(0)
}

fn start_error(error: StartError) -> PyErr {
    match &error {
        StartError::Config(_) => value_error(error.to_string()),
        StartError::System(what, cause) => match cause.raw_os_error() {
            Some(number) => PyOSError::new_err((number, format!("{what}: {}", super::text_of(cause)))),
            None => PyOSError::new_err(error.to_string()),
        },
    }
}

/// A panic in any thread ends the process at once, with its message and by a signal: what panicked may hold locks and
/// leave descriptors open, and the supervisor has a successor ready as soon as it sees the process gone.
fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}
