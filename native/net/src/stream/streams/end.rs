//! Connections that end, and what could not be sent by them. RFC 3261 §18.4.

use super::{Streams, Unsent};
use crate::stream::connection::{Stage, Waiting};
use dialplane_core::counter::Counter;
use dialplane_core::path::{ConnectionId, Path};
use rustix::net::{Shutdown, shutdown};

/// How long a peer may take to read our last words.
pub(super) const DRAIN_MS: u64 = 2_000;

impl Streams {
    /// Ends a connection: what waits for it is given back, the peer is told, and may read that for a moment.
    pub(super) fn end(&mut self, now_ms: u64, id: ConnectionId, why: Counter) {
        let Some(connection) = self.table.get_mut(id) else { return };
        self.counters.count(why);
        for Waiting { path, message } in std::mem::take(&mut connection.waiting) {
            self.not_sent(path, message);
        }
        let Some(connection) = self.table.get_mut(id) else { return };
        let is_dead = matches!(
            why,
            Counter::ConnectionsFailed | Counter::ConnectionsClosedError | Counter::ConnectionsClosedFull
        );
        if is_dead || why == Counter::ConnectionsClosedByPeer && !matches!(connection.stage, Stage::Ending(_)) {
            self.remove(id);
            return;
        }
        connection.session.close(&mut connection.output);
        connection.write();
        if shutdown(&connection.socket, Shutdown::Write).is_err() {
            self.remove(id);
            return;
        }
        connection.stage = Stage::Draining;
        connection.output = Vec::new();
        connection.sent = 0;
        self.deadlines.set(id, &mut connection.deadline, now_ms + DRAIN_MS);
        self.forget(id);
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        self.forget(id);
        // Closing the descriptor takes it out of the set of events.
        self.table.remove(id);
    }

    /// Nothing more is to be sent by this connection.
    fn forget(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        if let Some(number) = connection.opened {
            let key = (connection.session.transport(), connection.peer, number);
            if self.pool.get(&key) == Some(&id) {
                self.pool.remove(&key);
            }
        } else if connection.looks == u8::MAX {
            self.aliases.forget(id);
        }
    }

    pub(super) fn not_sent(&mut self, path: Path, message: Vec<u8>) {
        self.counters.count(Counter::Undeliverable);
        self.unsent.push_back(Unsent { path, message });
    }
}
