//! What a machine wants, for one step. RFC 3261 §17.

use dialplane_syntax::{Index, Limits, Message, parse};
use dialplane_transaction::{Failure, Sink, derived};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The effects of one step.
pub(super) struct Desk<'a, 'v, 'py> {
    py: Python<'py>,
    /// The response at hand, and room to read the INVITE that an ACK is made from.
    pub response: Option<(&'a Message<'v>, &'a mut Index)>,
    pub sent: Option<Py<PyBytes>>,
    pub passed: bool,
    pub trying: bool,
    pub failure: Option<Failure>,
}

impl<'py> Desk<'_, '_, 'py> {
    pub(super) fn new(py: Python<'py>) -> Self {
        Self { py, response: None, sent: None, passed: false, trying: false, failure: None }
    }
}

impl Sink<Py<PyBytes>> for Desk<'_, '_, '_> {
    fn send(&mut self, message: &Py<PyBytes>) {
        self.sent = Some(message.clone_ref(self.py));
    }

    fn pass(&mut self) {
        self.passed = true;
    }

    fn acknowledge(&mut self, request: &Py<PyBytes>) -> Py<PyBytes> {
        let mut ack = Vec::new();
        let octets = request.as_bytes(self.py);
        let limits = Limits { message: octets.len(), ..Limits::default() };
        if let Some((response, index)) = &mut self.response
            && let Ok(invite) = parse(octets, index, &limits)
        {
            derived::push_ack(&invite, response, &mut ack);
        }
        PyBytes::new(self.py, &ack).unbind()
    }

    fn trying(&mut self) {
        self.trying = true;
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }
}
