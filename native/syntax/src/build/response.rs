//! Responses to a request. RFC 3261 §8.2.6; received and rport RFC 3261 §18.2.1, RFC 3581 §4.

use super::fields::{Fields, blank_line_ends};
use crate::chars::{slice, write_decimal};
use crate::header::{HeaderId, Via};
use crate::message::Message;
use crate::uri::host::write_address;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Appends a response to `request`, which came from `source`: status line, the Vias with received and rport on the top one (as they are when the
/// source is `None`), From, To (with
/// `to_tag` when it has no tag and the status is not 100), Call-ID and CSeq as received, then what `extra` writes, Content-Length and body.
///
/// Fields that cannot be read are copied as they are, so that a request that [`validate`](crate::validate()) refused can be answered too.
/// An empty `reason` gives the usual phrase.
#[allow(clippy::too_many_arguments, reason = "each is a part of the response and has no sensible default")]
pub fn write_response(
    request: &Message<'_>,
    status: u16,
    reason: &[u8],
    to_tag: Option<&[u8]>,
    source: impl Into<Option<SocketAddr>>,
    extra: impl FnOnce(&mut Fields<'_>),
    body: &[u8],
    out: &mut Vec<u8>,
) {
    // Room for what is copied and for the few fields of most responses, so that the buffer grows once.
    out.reserve(request.fields_end().min(2048) + body.len() + 256);
    out.extend_from_slice(b"SIP/2.0 ");
    write_decimal(u64::from(status), out);
    out.push(b' ');
    if reason.is_empty() {
        out.extend_from_slice(super::reason_phrase(status).as_bytes());
    } else {
        let start = out.len();
        out.extend_from_slice(reason);
        blank_line_ends(out.get_mut(start..).unwrap_or_default());
    }
    out.extend_from_slice(b"\r\n");
    vias(request, source.into(), out);
    copy(request, HeaderId::FROM, b"From: ", out);
    if copy(request, HeaderId::TO, b"To: ", out)
        && let (Some(tag), 101..) = (to_tag, status)
        && request.to().is_ok_and(|to| to.tag().is_none())
    {
        out.truncate(out.len() - 2);
        out.extend_from_slice(b";tag=");
        out.extend_from_slice(tag);
        out.extend_from_slice(b"\r\n");
    }
    copy(request, HeaderId::CALL_ID, b"Call-ID: ", out);
    copy(request, HeaderId::CSEQ, b"CSeq: ", out);
    let mut fields = Fields::new(out);
    extra(&mut fields);
    fields.finish(body);
}

/// The first field of that name, if there is one.
#[inline(always)]
fn copy(request: &Message<'_>, id: HeaderId, name: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(field) = request.first(id) else { return false };
    out.extend_from_slice(name);
    out.extend_from_slice(field.value);
    out.extend_from_slice(b"\r\n");
    true
}

/// All Via fields in order, the first element with the address it came from.
fn vias(request: &Message<'_>, source: Option<SocketAddr>, out: &mut Vec<u8>) {
    let mut fields = request.all(HeaderId::VIA);
    if let Some(source) = source
        && let Ok(via) = request.top_via()
        && let Some(field) = fields.next()
    {
        out.extend_from_slice(b"Via: ");
        write_via(request, &via, source, out);
        out.extend_from_slice(slice(request.bytes(), via.range().end, field.value_range().end));
        out.extend_from_slice(b"\r\n");
    }
    for field in fields {
        out.extend_from_slice(b"Via: ");
        out.extend_from_slice(field.value);
        out.extend_from_slice(b"\r\n");
    }
}

/// The element with `received` when sent-by is not the source address, or always with rport (RFC 3581 §4), and with the value of rport. What the
/// sender had put there is dropped.
fn write_via(request: &Message<'_>, via: &Via<'_>, source: SocketAddr, out: &mut Vec<u8>) {
    let (received, rport) = (via.received_range(), via.rport_range());
    let received_first = received.as_ref().map(|range| range.start) < rport.as_ref().map(|range| range.start);
    let stale = if received_first { [received, rport] } else { [rport, received] };
    let mut at = via.range().start;
    for range in stale.into_iter().flatten() {
        let before = slice(request.bytes(), at, range.start);
        // The semicolon before the parameter goes with it.
        let semicolon = before.iter().rposition(|byte| *byte == b';').unwrap_or(before.len());
        out.extend_from_slice(slice(before, 0, semicolon));
        at = range.end;
    }
    out.extend_from_slice(slice(request.bytes(), at, via.range().end));
    if via.rport.is_some() || via.host.address() != Some(source.ip()) {
        out.extend_from_slice(b";received=");
        write_address(source.ip(), out);
    }
    if via.rport.is_some() {
        out.extend_from_slice(b";rport=");
        write_decimal(u64::from(source.port()), out);
    }
}
