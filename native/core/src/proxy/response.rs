//! A response goes back the way its request came. RFC 3261 §16.7 steps 2 and 3, §16.11, §18.2.2.
//!
//! Nothing is remembered: the branch of our Via says whether we forwarded the request, and the next Via, covered by the
//! same MAC, says where it came from. A response that fails either check goes nowhere.

use super::branch::{Origin, Ours};
use super::forward::frame;
use super::keep::Keep;
use crate::keys::Keys;
use crate::listener::{Listener, default_port};
use crate::path::{Path, Transport};
use dialplane_syntax::uri::host::parse_address;
use dialplane_syntax::{Edits, HeaderId, Message, Via};
use std::net::SocketAddr;

/// Where the response to a request with this top Via is sent, by what the Via says after we marked it
/// ([`super::forward`]). RFC 3261 §18.2.2, RFC 3581 §4.
///
/// Over a connection nothing depends on the source's port: the response goes back on the connection, and what the Via leaves
/// open is 0.
///
/// DEVIATION: `maddr` is not followed. Whoever could choose it could have us send to a third party.
pub(crate) fn reply_address(via: &Via<'_>, transport: Transport) -> Option<SocketAddr> {
    let ip = match via.received {
        Some(received) => parse_address(received)?,
        None => via.host.address()?,
    };
    let port = match via.rport {
        _ if transport.is_stream() => via.port.unwrap_or(0),
        Some(Some(port)) => port,
        _ => via.port.unwrap_or(default_port(transport)),
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// Where the response to a request from `source` with top Via `via`, as received, is sent. Equal to [`reply_address`] of
/// the marked Via.
pub(crate) fn reply_address_of_request(via: &Via<'_>, source: SocketAddr, transport: Transport) -> SocketAddr {
    let port = match via.rport {
        _ if transport.is_stream() => via.port.unwrap_or(0),
        Some(_) => source.port(),
        None => via.port.unwrap_or(default_port(transport)),
    };
    SocketAddr::new(source.ip().to_canonical(), port)
}

/// The Via values that a response to a request of ours carries.
pub(crate) struct Returned<'b> {
    /// Ours.
    pub ours: Ours,
    /// The one below it: the upstream element's. `None`: the request was our own.
    pub upstream: Option<Via<'b>>,
    /// What is to be done to its `keep`.
    pub keep: Option<Keep>,
}

/// Step 2 ("find the Via"): reads the two top Via values; `None` if the top one is not ours.
pub(crate) fn returned<'b>(message: &Message<'b>, listeners: &[Listener]) -> Option<Returned<'b>> {
    let mut vias = message.vias();
    let top = vias.next()?.ok()?;
    let ours = Ours::read(top.branch?)?;
    if !listeners.iter().any(|listener| listener.is(&top.host, top.port)) {
        return None;
    }
    let upstream = match vias.next() {
        None => None,
        Some(via) => Some(via.ok()?),
    };
    let status = message.status().unwrap_or_default();
    let keep = upstream.as_ref().and_then(|upstream| Keep::read(&top, upstream, status));
    Some(Returned { ours, upstream, keep })
}

/// Checks the MAC and writes the edit that takes our Via off. Returns where the response goes.
pub(crate) fn forward(
    message: &Message<'_>,
    returned: &Returned<'_>,
    upstream: &Via<'_>,
    listeners: &[Listener],
    keys: &Keys,
    scratch: &mut Vec<u8>,
    edits: &mut Edits,
) -> Option<Path> {
    let ours = &returned.ours;
    let listener = listeners.get(usize::from(ours.listener.0))?;
    let reply_to = reply_address(upstream, listener.transport)?;
    let origin = origin(message, upstream, reply_to, ours)?;
    if !ours.is_authentic(keys, &origin, scratch) {
        return None;
    }
    edits.clear();
    edits.remove(message.elements(HeaderId::VIA).next()?.removal_range());
    if let Some(keep) = &returned.keep {
        keep.write(listener.keep, edits);
    }
    frame(message, listener.transport, edits);
    Some(Path { transport: listener.transport, listener: ours.listener, connection: ours.connection, peer: reply_to })
}

/// What the branch of a message's forward is made of. `None` when a field that it needs cannot be read.
fn origin<'b>(message: &Message<'b>, via: &Via<'b>, reply_to: SocketAddr, ours: &Ours) -> Option<Origin<'b>> {
    Some(Origin {
        branch: via.branch.unwrap_or_default(),
        sent_by: via.sent_by(),
        from_tag: message.from().ok()?.tag().unwrap_or_default(),
        call_id: message.call_id().ok()?,
        cseq: message.cseq().ok()?.number,
        reply_to,
        listener: ours.listener,
        connection: ours.connection,
    })
}
