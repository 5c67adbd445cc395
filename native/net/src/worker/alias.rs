//! Connections that lead back to who opened them, for all workers: RFC 5923. Who has the connection tells the others of it; a
//! message that they hand over for it comes back when it is gone, and goes by another.

use super::{Worker, hand_over};
use crate::handover::Kind;
use dialplane_core::counter::Counter;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::routing::target::HopHost;
use dialplane_core::store::Store;
use dialplane_core::time::Now;

/// Octets of a connection's number and of a worker's.
const NUMBER: usize = 8;
const WORKER: usize = 2;

impl<S: Store> Worker<S> {
    /// Looks at a message that came by a connection of ours for what lets requests go back by it.
    pub(super) fn look_for_alias(&mut self, id: ConnectionId, message: &[u8]) {
        if !self.streams.may_alias(id) {
            return;
        }
        let Some((host, port)) = self.engine.alias(message) else { return };
        let Some((address, identities)) = self.streams.identify(id, &host, port) else { return };
        let number = |identity: &HopHost| match identity {
            HopHost::Address(_) => ConnectionId(0),
            HopHost::Name(name) => self.engine.host_number(name),
        };
        let numbers: Vec<ConnectionId> = identities.iter().map(number).collect();
        self.streams.alias(id, address, &numbers);
        let octets: Vec<u8> = numbers.iter().flat_map(|number| number.0.to_ne_bytes()).collect();
        let path = Path { transport: Transport::Tls, listener: ListenerId(0), connection: id, peer: address };
        let workers = self.handover.as_ref().map_or(0, |handover| handover.workers());
        for other in (0..workers).map(WorkerId).filter(|other| *other != self.id) {
            // Who does not hear of it opens a connection of its own.
            let _ = hand_over(&mut self.handover, other, Kind::Alias, &path, &octets);
        }
    }

    /// Another worker has such a connection.
    pub(super) fn note_alias(&mut self, path: &Path, octets: &[u8]) {
        let (numbers, _) = octets.as_chunks::<NUMBER>();
        let numbers: Vec<ConnectionId> =
            numbers.iter().map(|octets| ConnectionId(u64::from_ne_bytes(*octets))).collect();
        self.streams.alias(path.connection, path.peer, &numbers);
    }

    /// Hands a message to the worker whose connection leads there, if there is one and it is not ours.
    pub(super) fn goes_elsewhere(&mut self, to: &Path, message: &[u8]) -> bool {
        let Some(connection) = self.streams.elsewhere(to) else { return false };
        let Some(owner) = connection.worker() else { return false };
        let mut octets = message.to_vec();
        octets.extend_from_slice(&to.connection.0.to_ne_bytes());
        octets.extend_from_slice(&self.id.0.to_ne_bytes());
        let handed = hand_over(&mut self.handover, owner, Kind::ByAlias, &Path { connection, ..*to }, &octets);
        if handed {
            self.engine.counters_mut().count(Counter::HandedOver);
        }
        handed
    }

    /// Sends what another worker handed over for a connection of ours.
    pub(super) fn send_by_alias(&mut self, now: Now, path: &Path, octets: &[u8]) {
        let Some((rest, worker)) = octets.split_last_chunk::<WORKER>() else { return };
        let Some((message, number)) = rest.split_last_chunk::<NUMBER>() else { return };
        if self.streams.stands(path.connection) {
            self.streams.send(now.monotonic_ms, path, message);
            return;
        }
        let back = Path { connection: ConnectionId(u64::from_ne_bytes(*number)), ..*path };
        let worker = WorkerId(u16::from_ne_bytes(*worker));
        if !hand_over(&mut self.handover, worker, Kind::NoAlias, &back, message) {
            self.engine.counters_mut().count(Counter::Undeliverable);
        }
    }

    /// Takes back what could not go by the connection of another worker. RFC 5923 §8.2: a new one "MUST" be opened.
    pub(super) fn send_otherwise(&mut self, now: Now, path: &Path, message: &[u8]) {
        self.streams.forget_alias(path);
        self.streams.send(now.monotonic_ms, path, message);
    }
}
