//! A request too large for a datagram goes by TCP. RFC 3261 §18.1.1.
//!
//! A next hop that does not take the connection gets the datagram after all, and is not asked again for a while.
//!
//! DEVIATION: not when the URI of the next hop says `transport=udp`, so that an operator can have his way with equipment that
//! is known to take large datagrams and no connections.

use crate::listener::{Listener, sender};
use crate::path::{ConnectionId, ListenerId, Path, Transport};
use dialplane_syntax::Message;
use std::collections::HashMap;
use std::net::SocketAddr;

/// Octets of a request that fit where nothing is known of the way.
const LARGEST: usize = 1300;
/// What forwarding adds, at most in usual cases: Via and two Record-Route.
const ADDED: usize = 250;
/// How long a refusal is remembered.
const REMEMBERED_MS: u64 = 600_000;
/// Refusals remembered at a time.
const MOST: usize = 10_000;
/// In the place of a connection: the request may go as a datagram if none can be had. Numbers of hosts are odd.
pub(crate) const BY_SIZE: ConnectionId = ConnectionId(2);

/// Peers that did not take a connection, and until when that is believed.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    until_ms: HashMap<SocketAddr, u64>,
}

impl Refusals {
    /// Whether a connection to `peer` was refused lately.
    pub(crate) fn has(&self, peer: SocketAddr, now_ms: u64) -> bool {
        self.until_ms.get(&peer).is_some_and(|&until| now_ms < until)
    }

    /// Remembers that `peer` did not take a connection.
    pub(crate) fn note(&mut self, peer: SocketAddr, now_ms: u64) {
        if self.until_ms.len() >= MOST {
            self.until_ms.retain(|_, until| now_ms < *until);
        }
        if self.until_ms.len() < MOST {
            self.until_ms.insert(peer, now_ms + REMEMBERED_MS);
        }
    }
}

/// The way for a request that would go as a datagram by `to`.
pub(crate) fn path(message: &Message<'_>, to: Path, listeners: &[Listener], refusals: &Refusals, now_ms: u64) -> Path {
    if message.bytes().len() + ADDED <= LARGEST || refusals.has(to.peer, now_ms) {
        return to;
    }
    match sender(listeners, to.listener, Transport::Tcp, to.peer) {
        Some(listener) => Path { transport: Transport::Tcp, listener, connection: BY_SIZE, ..to },
        None => to,
    }
}

/// The way `to` as it was before [`path`] changed it. `preferred` is the listener to use if it can.
pub(crate) fn without(to: &Path, listeners: &[Listener], preferred: ListenerId) -> Path {
    match sender(listeners, preferred, Transport::Udp, to.peer) {
        Some(listener) if to.connection == BY_SIZE => {
            Path { transport: Transport::Udp, listener, connection: ConnectionId(0), ..*to }
        }
        Some(_) | None => *to,
    }
}

/// Appends a request of ours that was to go by [`path`], with the Via of a datagram; by which way it goes then.
pub(crate) fn as_datagram(message: &[u8], refused: &Path, listeners: &[Listener], out: &mut Vec<u8>) -> Option<Path> {
    const BRANCH: &[u8] = b";branch=";
    let listener = sender(listeners, refused.listener, Transport::Udp, refused.peer)?;
    let via = &listeners.get(usize::from(listener.0))?.texts(Transport::Udp).via;
    // Our Via is the first line behind the start line.
    let line = message.windows(2).position(|window| window == b"\r\n")? + 2;
    let behind = message.get(line..)?;
    let branch = behind.windows(BRANCH.len()).position(|window| window == BRANCH)? + BRANCH.len();
    out.extend_from_slice(message.get(..line)?);
    out.extend_from_slice(via);
    out.extend_from_slice(behind.get(branch..)?);
    Some(Path { transport: Transport::Udp, listener, connection: ConnectionId(0), peer: refused.peer })
}
