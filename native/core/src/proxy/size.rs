//! A request too large for a datagram goes by TCP. RFC 3261 §18.1.1.
//!
//! A next hop that does not take the connection gets the datagram after all, and is not asked again for a while.
//!
//! DEVIATION: not when the URI of the next hop says `transport=udp`, so that an operator can have his way with equipment that
//! is known to take large datagrams and no connections.

use crate::failures::Failures;
use crate::listener::{Listener, sender};
use crate::path::{ConnectionId, ListenerId, Path, Transport};
use dialplane_syntax::Message;

/// Octets of a request that fit where nothing is known of the way.
const LARGEST: usize = 1300;
/// What forwarding adds, at most in usual cases: Via and two Record-Route.
const ADDED: usize = 250;
/// How long a refusal is remembered.
pub(crate) const REMEMBERED_MS: u64 = 600_000;
/// In the place of a connection: the request may go as a datagram if none can be had. Numbers of hosts are odd.
pub(crate) const BY_SIZE: ConnectionId = ConnectionId(2);

/// Whether the message would not fit into a datagram, once forwarded.
pub(crate) fn is_large(message: &Message<'_>) -> bool {
    message.bytes().len() + ADDED > LARGEST
}

/// The way for a request that would go as a datagram by `to`.
pub(crate) fn path(message: &Message<'_>, to: Path, listeners: &[Listener], refusals: &Failures, now_ms: u64) -> Path {
    if !is_large(message) || refusals.has(to.peer, now_ms) {
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
