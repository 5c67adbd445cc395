//! A request leaves. RFC 3261 §16.6, its steps in order.
//!
//! The steps only name edits against the received bytes; all that we add stands at the top of the header, so that the
//! rest of the message need not move.

use super::branch::{self, Origin};
use super::flow;
use super::keep;
use super::route::{Routed, push_token};
use crate::keys::Keys;
use crate::listener::Listener;
use crate::path::{Path, Transport};
use crate::text::{push_decimal, push_ip};
use dialplane_syntax::{Edits, HeaderId, Message, Via};
use std::net::SocketAddr;

/// Max-Forwards of a request that has none. RFC 3261 §16.6 step 3.
const MAX_FORWARDS: u8 = 70;

/// What was decided about a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forward<'a> {
    /// New request URI; `None` leaves it as received.
    pub uri: Option<&'a [u8]>,
    /// What §16.4 made of its Route.
    pub routed: Routed<'a>,
    /// Route values to be put on top: a binding's Path (RFC 3327 §5.4). May be empty.
    pub path: &'a [u8],
    /// Route value that a strict router must find at the end (§16.6 step 6); empty for none.
    pub last_route: &'a [u8],
    /// Our Via up to its branch.
    pub via: &'a [u8],
    /// What it leaves by.
    pub transport: Transport,
    /// The side that it goes to.
    pub sender: Side<'a>,
    /// Listener that received, when it differs from `sender` and both must be in the route set (RFC 5658).
    pub receiver: Option<Side<'a>>,
    /// Insert Record-Route.
    pub record_route: bool,
    /// Number of the branch, if a transaction is kept.
    pub fork: Option<u8>,
    /// Whether later requests of the dialog are to be kept in transactions too: as the first was.
    pub stateful: bool,
    /// Max-Breadth of this branch (RFC 5393 §5.3.3); `None` leaves the field as it came.
    pub breadth: Option<u8>,
    /// The flow that our Path leads back to, and whether its other end is the client itself (RFC 3327, RFC 5626 §5.1).
    pub insert_path: Option<(Path, bool)>,
    /// Whether who sent it is told how often to send keep-alives (RFC 6223).
    pub keep: bool,
    /// Take off what a stranger says about who he is.
    pub strip_identity: bool,
    /// What the branch is made of.
    pub origin: Origin<'a>,
    /// See [`branch::loop_hash`].
    pub loop_hash: u64,
    /// Address that the request came from.
    pub source: SocketAddr,
}

/// One side of a forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    pub listener: &'a Listener,
    pub transport: Transport,
    /// The flow, if the peer cannot be reached otherwise.
    pub flow: Option<Path>,
}

/// Writes the edits of §16.6 steps 2 to 8 for `message`, whose top Via is `via`. Returns the word that names the branch, if
/// its transaction is kept.
pub(crate) fn edits(
    message: &Message<'_>,
    via: &Via<'_>,
    max_forwards: Option<u8>,
    forward: &Forward<'_>,
    keys: &Keys,
    scratch: &mut Vec<u8>,
    edits: &mut Edits,
) -> u64 {
    edits.clear();
    request_uri(message, forward, edits);
    let top = message.fields_start();
    let mut word = 0;
    let breadth = message.first(HeaderId::MAX_BREADTH);
    edits.insert_with(top, |out| {
        word = push_via(forward, keys, scratch, out);
        push_record_route(forward, keys, out);
        push_path(forward, keys, out);
        push_routes(forward, out);
        if max_forwards.is_none() {
            out.extend_from_slice(b"Max-Forwards: ");
            push_decimal(MAX_FORWARDS.into(), out);
            out.extend_from_slice(b"\r\n");
        }
        if let (Some(share), None) = (forward.breadth, breadth) {
            out.extend_from_slice(b"Max-Breadth: ");
            push_decimal(share.into(), out);
            out.extend_from_slice(b"\r\n");
        }
    });
    if let (Some(share), Some(field)) = (forward.breadth, breadth) {
        edits.replace_with(field.value_range(), |out| push_decimal(share.into(), out));
    }
    mark_source(via, forward.source, edits);
    // Step 3.
    if let (Some(hops), Some(field)) = (max_forwards, message.first(HeaderId::MAX_FORWARDS)) {
        edits.replace_with(field.value_range(), |out| push_decimal(hops.saturating_sub(1).into(), out));
    }
    if forward.routed.popped > 0 || forward.routed.repaired {
        let mut place = 0;
        for field in message.all(HeaderId::ROUTE) {
            place = forward.routed.removals(message, &field, place, |range| edits.remove(range));
        }
    }
    if forward.strip_identity {
        for field in message.all(HeaderId::P_ASSERTED_IDENTITY) {
            edits.remove(field.line_range());
        }
    }
    frame(message, forward.transport, edits);
    if !forward.last_route.is_empty() {
        edits.insert_with(message.fields_end(), |out| push_route(forward.last_route, out));
    }
    word
}

/// RFC 3261 §18.3: what is sent by a stream of octets says where it ends. Datagrams and WebSockets need not (RFC 7118 §5).
pub(crate) fn frame(message: &Message<'_>, transport: Transport, edits: &mut Edits) {
    if matches!(transport, Transport::Tcp | Transport::Tls) && !message.contains(HeaderId::CONTENT_LENGTH) {
        edits.insert_with(message.fields_end(), |out| {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(message.body().len() as u64, out);
            out.extend_from_slice(b"\r\n");
        });
    }
}

/// Step 2: the request URI.
fn request_uri(message: &Message<'_>, forward: &Forward<'_>, edits: &mut Edits) {
    let new = match forward.uri {
        Some(uri) => uri,
        None if forward.routed.repaired => forward.routed.uri,
        None => return,
    };
    if let Some(range) = message.uri_range() {
        edits.replace(range, new);
    }
}

/// Step 4: Record-Route. Both sides when the request changes from one listener to another: RFC 5658 §5.
fn push_record_route(forward: &Forward<'_>, keys: &Keys, out: &mut Vec<u8>) {
    if !forward.record_route {
        return;
    }
    for side in [Some(forward.sender), forward.receiver].into_iter().flatten() {
        out.extend_from_slice(b"Record-Route: <sip:");
        if let Some(flow) = &side.flow {
            flow::push(keys, flow, out);
            out.push(b'@');
        }
        out.extend_from_slice(&side.listener.texts(side.transport).route);
        push_token(keys, forward.origin.call_id, forward.stateful, out);
        out.extend_from_slice(b">\r\n");
    }
}

/// RFC 3327 §5.2: our URI for who registers the contact. The token in it says where the client is.
fn push_path(forward: &Forward<'_>, keys: &Keys, out: &mut Vec<u8>) {
    let Some((flow, is_first_hop)) = &forward.insert_path else { return };
    let route = &forward.sender.listener.texts(forward.sender.transport).route;
    out.extend_from_slice(b"Path: <sip:");
    flow::push(keys, flow, out);
    out.push(b'@');
    // Without the parameter that ties a Record-Route to its dialog.
    out.extend_from_slice(route.strip_suffix(b";dp=").unwrap_or(route));
    out.extend_from_slice(if *is_first_hop { b";ob>\r\n" } else { b">\r\n" });
}

/// Step 6: additional Route values.
fn push_routes(forward: &Forward<'_>, out: &mut Vec<u8>) {
    if !forward.path.is_empty() {
        push_route(forward.path, out);
    }
}

fn push_route(values: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"Route: ");
    out.extend_from_slice(values);
    out.extend_from_slice(b"\r\n");
}

/// Step 8: our Via.
fn push_via(forward: &Forward<'_>, keys: &Keys, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> u64 {
    out.extend_from_slice(forward.via);
    let word = branch::push(keys, &forward.origin, forward.fork, forward.loop_hash, scratch, out);
    if forward.keep {
        out.push(b';');
        out.extend_from_slice(keep::MARK);
    }
    out.extend_from_slice(b"\r\n");
    word
}

/// RFC 3261 §18.2.1, RFC 3581 §4: the Via it came with tells where it really came from.
fn mark_source(via: &Via<'_>, source: SocketAddr, edits: &mut Edits) {
    let ip = source.ip().to_canonical();
    let symmetric = if via.rport.is_some() { via.rport_range() } else { None };
    let received = if via.received.is_some() { via.received_range() } else { None };
    let named = via.host.address().map(|address| address.to_canonical()) == Some(ip);
    if let Some(range) = symmetric.clone() {
        edits.replace_with(range, |out| {
            out.extend_from_slice(b"rport=");
            push_decimal(source.port().into(), out);
        });
    }
    // What the sender wrote there itself is not believed: the response would follow it.
    if let Some(range) = received {
        edits.replace_with(range, |out| {
            out.extend_from_slice(b"received=");
            push_ip(ip, out);
        });
    } else if symmetric.is_some() || !named {
        edits.insert_with(via.range().end, |out| {
            out.extend_from_slice(b";received=");
            push_ip(ip, out);
        });
    }
}
