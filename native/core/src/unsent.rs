//! What becomes of a message that could not be sent: no connection, or none to be had. RFC 3261 §16.9, §18.4, RFC 5626
//! §5.3.1.
//!
//! A response goes by a new connection to where its Via says (§18.2.2), then to the other addresses of the name there
//! (RFC 3263 §5). For a request we answer in the place of
//! the next hop: what we say is handled as if it had come from there, so that whoever forwarded the request, with or
//! without a transaction, finds it as it would find any response.

use crate::engine::Work;
use crate::listener::{default_port, sender};
use crate::names::Known;
use crate::names::place::Order;
use crate::path::{ConnectionId, Path, Transport};
use crate::proxy::hop::host_number;
use crate::proxy::response::reply_address;
use crate::proxy::size::{self, BY_SIZE};
use crate::respond::push_tag;
use crate::routing::target::{HopHost, NextHop};
use crate::snapshot::Snapshot;
use crate::time::Now;
use dialplane_syntax::{Host, Index, Message, Method, Via, parse, write_response};
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
    now: Now,
    index: &mut Index,
    work: &mut Work,
    out: &mut Vec<u8>,
) -> Unsent {
    let Ok(message) = parse(message, index, &snapshot.limits) else { return Unsent::Done };
    let Ok(via) = message.top_via() else { return Unsent::Done };
    let is_flow = path.connection.worker().is_some();
    if !message.is_request() {
        // Nobody listens behind a WebSocket.
        if !matches!(path.transport, Transport::Tcp | Transport::Tls) {
            return Unsent::Done;
        }
        let port = via.port.unwrap_or(default_port(path.transport));
        if is_flow {
            let peer = SocketAddr::new(path.peer.ip(), port);
            return Unsent::Send(Path { connection: ConnectionId(0), peer, ..*path });
        }
        return by_name(snapshot, path, &message, &via, now, work);
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
    push_tag(snapshot, &message, via.branch.unwrap_or_default(), &mut work.scratch, &mut tag);
    write_response(&message, status, reason, Some(&tag), path.peer, |_| {}, b"", out);
    Unsent::Receive(*path)
}

/// RFC 3263 §5: a response that its sender's address did not take goes to the next address of the name in sent-by.
///
/// DEVIATION: only if the address that the request came from is one of that name's. Otherwise whoever writes another's name into
/// Via could have us connect there.
fn by_name(
    snapshot: &Snapshot,
    path: &Path,
    message: &Message<'_>,
    via: &Via<'_>,
    now: Now,
    work: &mut Work,
) -> Unsent {
    let Host::Name(name) = via.host else { return Unsent::Done };
    let Some(source) = reply_address(via, path.transport) else { return Unsent::Done };
    let first = SocketAddr::new(source.ip(), via.port.unwrap_or(default_port(path.transport)));
    let name = name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
    let connection =
        if path.transport == Transport::Tls { host_number(&snapshot.keys, &name) } else { ConnectionId(0) };
    let hop =
        NextHop { host: HopHost::Name(name.into()), port: via.port, transport: Some(path.transport), secure: false };
    let places = match work.names.look(now.monotonic_ms, &hop).0 {
        Known::Places(places) => Order { places, chance: 0 }.all(),
        Known::Nothing | Known::Silence => return Unsent::Done,
        Known::Asked => {
            work.names.park(hop, *path, message.bytes(), true);
            return Unsent::Done;
        }
    };
    if !places.iter().any(|place| place.address.ip() == source.ip()) {
        return Unsent::Done;
    }
    let mut others = places.iter().map(|place| place.address).filter(|address| *address != first);
    let next = if path.peer == first {
        others.next()
    } else {
        others.by_ref().find(|address| *address == path.peer).and_then(|_| others.next())
    };
    let next = next.and_then(|peer| {
        let listener = sender(&snapshot.listeners, path.listener, path.transport, peer)?;
        Some(Path { listener, connection, peer, ..*path })
    });
    next.map_or(Unsent::Done, Unsent::Send)
}
