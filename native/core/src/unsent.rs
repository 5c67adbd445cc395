//! What becomes of a message that could not be sent: no connection, or none to be had. RFC 3261 §16.9, §18.4, RFC 5626
//! §5.3.1.
//!
//! A response goes once more, by a new connection to where its Via says (§18.2.2). For a request we answer in the place of
//! the next hop: what we say is handled as if it had come from there, so that whoever forwarded the request, with or
//! without a transaction, finds it as it would find any response.

use crate::listener::default_port;
use crate::path::{ConnectionId, Path, Transport};
use crate::proxy::size::{self, BY_SIZE};
use crate::respond::push_tag;
use crate::snapshot::Snapshot;
use dialplane_syntax::{Index, Method, parse, write_response};
use std::net::SocketAddr;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// Nothing: there is nobody to be told.
    Done,
    /// Handle what was appended to the output as if it had come by this way.
    Receive(Path),
    /// Send the message by this way.
    Send(Path),
    /// Send what was appended to the output by this way.
    SendOther(Path),
}

/// Decides about `message`, which could not go by `path`.
pub(crate) fn handle(
    snapshot: &Snapshot,
    path: &Path,
    message: &[u8],
    index: &mut Index,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Unsent {
    let Ok(message) = parse(message, index, &snapshot.limits) else { return Unsent::Done };
    let Ok(via) = message.top_via() else { return Unsent::Done };
    let is_flow = path.connection.worker().is_some();
    if !message.is_request() {
        // Nobody listens behind a WebSocket, and once is enough.
        if !is_flow || !matches!(path.transport, Transport::Tcp | Transport::Tls) {
            return Unsent::Done;
        }
        let port = via.port.unwrap_or(default_port(path.transport));
        let peer = SocketAddr::new(path.peer.ip(), port);
        return Unsent::Send(Path { connection: ConnectionId(0), peer, ..*path });
    }
    let is_ours = snapshot.listeners.iter().any(|listener| listener.is(&via.host, via.port));
    if !is_ours {
        return Unsent::Done;
    }
    if path.connection == BY_SIZE
        && let Some(to) = size::as_datagram(message.bytes(), path, &snapshot.listeners, out)
    {
        return Unsent::SendOther(to);
    }
    if message.method() == Some(Method::Ack) {
        return Unsent::Done;
    }
    // The client is no longer where it registered, or the next hop does not answer.
    let (status, reason): (u16, &[u8]) = if is_flow { (430, b"Flow Failed") } else { (503, b"Service Unavailable") };
    let mut tag = Vec::new();
    push_tag(snapshot, &message, via.branch.unwrap_or_default(), scratch, &mut tag);
    write_response(&message, status, reason, Some(&tag), path.peer, |_| {}, b"", out);
    Unsent::Receive(*path)
}
