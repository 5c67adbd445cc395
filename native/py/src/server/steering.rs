//! `Steering`: the kernel's program that picks workers and drops what banned sources send, for the supervisor.

use super::store::source;
use dialplane_core::guard::{Ban, Reason};
use dialplane_net::clock;
use dialplane_net::steer::Steering;
use pyo3::prelude::*;
use std::io;
use std::os::fd::RawFd;

/// The program of all groups of datagram sockets. Raises :class:`OSError` where the kernel refuses it.
#[pyclass(name = "Steering", module = "dialplane_native.server", frozen)]
#[derive(Debug)]
pub(crate) struct PySteering {
    pub(super) steering: Steering,
}

#[pymethods]
impl PySteering {
    #[new]
    #[pyo3(signature = (groups))]
    fn new(groups: Vec<Vec<RawFd>>) -> PyResult<Self> {
        Ok(Self { steering: Steering::attach(&groups).map_err(failed)? })
    }

    /// Takes over what :meth:`descriptors` gave in a process that was replaced.
    #[staticmethod]
    #[pyo3(signature = (descriptors, workers))]
    fn inherit(descriptors: [RawFd; 3], workers: u32) -> PyResult<Self> {
        Ok(Self { steering: Steering::inherit(descriptors, workers).map_err(failed)? })
    }

    /// Maps for whoever inherits them: bans, settings, dropped datagrams.
    fn descriptors(&self) -> [RawFd; 3] {
        self.steering.descriptors()
    }

    /// Datagrams dropped since the start.
    fn dropped(&self) -> PyResult<u64> {
        self.steering.dropped().map_err(failed)
    }

    /// Drops what the source of ``address`` sends, for ``seconds``.
    #[pyo3(signature = (address, seconds))]
    fn ban(&self, address: &str, seconds: f64) -> PyResult<()> {
        let now = clock::now();
        let until_ms = now.unix_ms + (seconds * 1000.0) as u64;
        let ban = Ban { source: source(address)?, until_ms, reason: Reason::Operator };
        self.steering.bans().ban(&ban, now).map_err(failed)
    }

    /// Drops it no longer.
    #[pyo3(signature = (address))]
    fn lift(&self, address: &str) -> PyResult<()> {
        self.steering.bans().lift(source(address)?).map_err(failed)
    }
}

/// As :class:`OSError` with the system's number.
fn failed(error: io::Error) -> PyErr {
    error.into()
}
