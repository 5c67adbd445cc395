//! Connections by which requests go back to who opened them. RFC 5923 §8.2.

use super::Streams;
use crate::stream::alias::identities;
use crate::stream::connection::Stage;
use dialplane_core::counter::Counter;
use dialplane_core::path::{ConnectionId, Path, Transport};
use dialplane_core::routing::target::HopHost;
use std::net::SocketAddr;

/// Messages in which a peer is looked for `alias`. Who has it puts it into all of his requests.
const LOOKS: u8 = 8;

impl Streams {
    /// Whether it makes sense to look for `alias` in what has come by this connection: its peer has shown a certificate, and
    /// has not said it yet.
    pub fn may_alias(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.table.get_mut(id) else { return false };
        if connection.looks >= LOOKS || connection.opened.is_some() || connection.session.peer_certificate().is_none() {
            return false;
        }
        connection.looks += 1;
        true
    }

    /// Address and identities of the peer, who says that he is `host` and listens at `port`. `None` if his certificate does not
    /// say so.
    pub fn identify(&mut self, id: ConnectionId, host: &HopHost, port: u16) -> Option<(SocketAddr, Vec<HopHost>)> {
        let connection = self.table.get_mut(id)?;
        let address = connection.peer.ip();
        let found = identities(connection.session.peer_certificate()?, address, host);
        (!found.is_empty()).then_some((SocketAddr::new(address, port), found))
    }

    /// Lets requests to these hosts at that address go by a connection, ours or another worker's.
    pub fn alias(&mut self, id: ConnectionId, address: SocketAddr, numbers: &[ConnectionId]) {
        self.is_busy = true;
        for &number in numbers {
            self.aliases.insert((address, number), id);
        }
        if let Some(connection) = self.table.get_mut(id) {
            connection.looks = u8::MAX;
            self.counters.count(Counter::ConnectionsAliased);
        }
    }

    /// The connection of another worker that leads to where this way does, if there is none here.
    pub fn elsewhere(&mut self, path: &Path) -> Option<ConnectionId> {
        if self.aliases.is_empty() || path.transport != Transport::Tls || self.pooled(path).is_some() {
            return None;
        }
        self.aliases.find(&(path.peer, path.connection)).filter(|id| id.worker() != Some(self.table.worker()))
    }

    /// The connection that led there is gone.
    pub fn forget_alias(&mut self, path: &Path) {
        self.aliases.remove(&(path.peer, path.connection));
    }

    /// Whether a connection of ours takes messages.
    #[must_use]
    pub fn stands(&mut self, id: ConnectionId) -> bool {
        let connection = self.table.get_mut(id);
        connection.is_some_and(|connection| matches!(connection.stage, Stage::Connecting | Stage::Open))
    }
}
