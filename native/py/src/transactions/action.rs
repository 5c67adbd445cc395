//! What `Transactions` wants from its caller.

use crate::message::PyMessage;
use dialplane_transaction::{Failure, SlotId};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Octets to send.
#[pyclass(name = "Send", module = "dialplane_native.transactions", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct PySend {
    pub flow: Py<PyAny>,
    pub data: Py<PyBytes>,
}

/// A request for the transaction user.
#[pyclass(name = "Incoming", module = "dialplane_native.transactions", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct PyIncoming {
    id: Option<u64>,
    message: Py<PyMessage>,
    flow: Py<PyAny>,
    is_merged: bool,
    invite: Option<u64>,
}

impl PyIncoming {
    pub(super) fn new(
        id: Option<SlotId>,
        message: &Bound<'_, PyMessage>,
        flow: Py<PyAny>,
        is_merged: bool,
        invite: Option<SlotId>,
    ) -> Self {
        let (id, invite) = (id.map(SlotId::to_bits), invite.map(SlotId::to_bits));
        Self { id, message: message.clone().unbind(), flow, is_merged, invite }
    }
}

/// A response for the transaction user.
#[pyclass(name = "Reply", module = "dialplane_native.transactions", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct PyReply {
    pub id: Option<u64>,
    pub owner: Py<PyAny>,
    pub message: Py<PyMessage>,
    pub flow: Py<PyAny>,
}

/// There will be no final response, or no ACK.
#[pyclass(name = "Failure", module = "dialplane_native.transactions", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct PyFailure {
    id: u64,
    owner: Py<PyAny>,
    kind: &'static str,
}

impl PyFailure {
    pub(super) fn new(id: SlotId, owner: Py<PyAny>, failure: Failure, is_server: bool) -> Self {
        let kind = match failure {
            Failure::Timeout if is_server => "no-ack",
            Failure::Timeout => "timeout",
            Failure::Transport => "transport",
        };
        Self { id: id.to_bits(), owner, kind }
    }
}
