//! One transaction and what it needs from outside; which event of which machine something is. RFC 3261 §17.

use super::desk::Desk;
use crate::message::PyMessage;
use dialplane_transaction::wheel::Tick;
use dialplane_transaction::{
    ClientInvite, ClientNonInvite, Due, Key, Reliability, ServerInvite, ServerNonInvite, SlotId, Timer, TimerConfig,
};
use dialplane_transaction::{client_invite, client_non_invite, server_invite, server_non_invite};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::fmt;
use std::net::SocketAddr;

/// A kept message.
type Kept = Py<PyBytes>;

/// Any of the four.
#[derive(Debug)]
#[allow(clippy::enum_variant_names, reason = "the names of RFC 3261 §17")]
pub(super) enum Machine {
    ClientInvite(ClientInvite<Kept>),
    ClientNonInvite(ClientNonInvite<Kept>),
    ServerInvite(ServerInvite<Kept>),
    ServerNonInvite(ServerNonInvite<Kept>),
}

/// What can happen to one of the four.
#[derive(Debug)]
pub(super) enum Event {
    /// A response with this status has come.
    Response(u16),
    /// The request has come again.
    Again,
    /// An ACK has come.
    Ack,
    /// The user sends a provisional response to an INVITE.
    Provisional(Kept),
    /// The user sends a 2xx to an INVITE.
    Success,
    /// The user sends another final response.
    Final(Kept),
    Timer(Timer),
    TransportError,
}

/// A transaction in the table.
#[derive(Debug)]
pub(super) struct Parked {
    pub id: SlotId,
    pub machine: Machine,
    pub reliability: Reliability,
    pub key: Key,
    /// Under which a request that came by another way finds it. RFC 3261 §8.2.2.2.
    pub merged: Option<Key>,
    /// Whose it is and where it sends: objects of Python that are handed back.
    pub owner: Py<PyAny>,
    pub flow: Py<PyAny>,
    /// Of a server transaction.
    pub request: Option<(Py<PyMessage>, Option<SocketAddr>)>,
    /// The one entry in the wheel that counts.
    pub armed: Option<Tick>,
}

impl Parked {
    pub(super) fn client(
        machine: Machine,
        key: Key,
        flow: Py<PyAny>,
        owner: Py<PyAny>,
        reliability: Reliability,
    ) -> Self {
        let id = SlotId::from_bits(0);
        Self { id, machine, reliability, key, merged: None, owner, flow, request: None, armed: None }
    }

    pub(super) fn server(
        machine: Machine,
        key: Key,
        flow: Py<PyAny>,
        request: (Py<PyMessage>, Option<SocketAddr>),
        reliability: Reliability,
    ) -> Self {
        let owner = Python::attach(|py| py.None());
        Self { request: Some(request), ..Self::client(machine, key, flow, owner, reliability) }
    }

    /// One step. What a machine has no event for happens to it by a peer's fault only, and is nothing to it.
    pub(super) fn step(&mut self, now: u64, event: Event, timers: &TimerConfig, desk: &mut Desk<'_, '_, '_>) {
        match &mut self.machine {
            Machine::ClientInvite(machine) => {
                if let Some(event) = client_invite_event(&event) {
                    let _ = machine.on_event(now, event, timers, desk);
                }
            }
            Machine::ClientNonInvite(machine) => {
                if let Some(event) = client_non_invite_event(&event) {
                    let _ = machine.on_event(now, event, timers, desk);
                }
            }
            Machine::ServerInvite(machine) => {
                if let Some(event) = server_invite_event(event) {
                    let _ = machine.on_event(now, event, timers, desk);
                }
            }
            Machine::ServerNonInvite(machine) => {
                if let Some(event) = server_non_invite_event(event) {
                    let _ = machine.on_event(now, event, timers, desk);
                }
            }
        }
    }

    pub(super) fn due(&self) -> Option<Due> {
        match &self.machine {
            Machine::ClientInvite(machine) => machine.due(),
            Machine::ClientNonInvite(machine) => machine.due(),
            Machine::ServerInvite(machine) => machine.due(),
            Machine::ServerNonInvite(machine) => machine.due(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match &self.machine {
            Machine::ClientInvite(machine) => machine.is_terminated(),
            Machine::ClientNonInvite(machine) => machine.is_terminated(),
            Machine::ServerInvite(machine) => machine.is_terminated(),
            Machine::ServerNonInvite(machine) => machine.is_terminated(),
        }
    }
}

fn client_invite_event(event: &Event) -> Option<client_invite::Event> {
    match event {
        Event::Response(100..200) => Some(client_invite::Event::Provisional),
        Event::Response(200..300) => Some(client_invite::Event::Success),
        Event::Response(_) => Some(client_invite::Event::Rejection),
        Event::Timer(timer) => client_invite::Event::of(*timer),
        Event::TransportError => Some(client_invite::Event::TransportError),
        Event::Again | Event::Ack | Event::Provisional(_) | Event::Success | Event::Final(_) => None,
    }
}

fn client_non_invite_event(event: &Event) -> Option<client_non_invite::Event> {
    match event {
        Event::Response(100..200) => Some(client_non_invite::Event::Provisional),
        Event::Response(_) => Some(client_non_invite::Event::Final),
        Event::Timer(timer) => client_non_invite::Event::of(*timer),
        Event::TransportError => Some(client_non_invite::Event::TransportError),
        Event::Again | Event::Ack | Event::Provisional(_) | Event::Success | Event::Final(_) => None,
    }
}

fn server_invite_event(event: Event) -> Option<server_invite::Event<Kept>> {
    match event {
        Event::Again => Some(server_invite::Event::Invite),
        Event::Ack => Some(server_invite::Event::Ack),
        Event::Provisional(response) => Some(server_invite::Event::Provisional(response)),
        Event::Success => Some(server_invite::Event::Success),
        Event::Final(response) => Some(server_invite::Event::Rejection(response)),
        Event::Timer(timer) => server_invite::Event::of(timer),
        Event::TransportError => Some(server_invite::Event::TransportError),
        Event::Response(_) => None,
    }
}

fn server_non_invite_event(event: Event) -> Option<server_non_invite::Event<Kept>> {
    match event {
        Event::Again => Some(server_non_invite::Event::Request),
        Event::Final(response) => Some(server_non_invite::Event::Final(response)),
        Event::Timer(timer) => server_non_invite::Event::of(timer),
        Event::TransportError => Some(server_non_invite::Event::TransportError),
        Event::Response(_) | Event::Ack | Event::Provisional(_) | Event::Success => None,
    }
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.machine {
            Machine::ClientInvite(machine) => machine.fmt(f),
            Machine::ClientNonInvite(machine) => machine.fmt(f),
            Machine::ServerInvite(machine) => machine.fmt(f),
            Machine::ServerNonInvite(machine) => machine.fmt(f),
        }
    }
}
