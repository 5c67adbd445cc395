//! Responses to a request. RFC 3261 §8.2.6; received and rport RFC 3261 §18.2.1, RFC 3581 §4.

use super::fields::Fields;
use crate::chars::write_decimal;
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
    out.extend_from_slice(b"SIP/2.0 ");
    write_decimal(u64::from(status), out);
    out.push(b' ');
    let reason = if reason.is_empty() { super::reason_phrase(status).as_bytes() } else { reason };
    out.extend(reason.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }));
    out.extend_from_slice(b"\r\n");
    vias(request, source.into(), out);
    for id in [HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ] {
        for field in request.all(id).take(1) {
            out.extend_from_slice(id.name().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(field.value);
            if let (HeaderId::TO, Some(tag), 101..) = (id, to_tag, status)
                && request.to().is_ok_and(|to| to.tag().is_none())
            {
                out.extend_from_slice(b";tag=");
                out.extend_from_slice(tag);
            }
            out.extend_from_slice(b"\r\n");
        }
    }
    let mut fields = Fields::new(out);
    extra(&mut fields);
    fields.finish(body);
}

/// All Via fields in order, the first element with the address it came from.
fn vias(request: &Message<'_>, source: Option<SocketAddr>, out: &mut Vec<u8>) {
    let top = source.and_then(|source| Some((request.top_via().ok()?, source)));
    for (number, field) in request.all(HeaderId::VIA).enumerate() {
        out.extend_from_slice(b"Via: ");
        match &top {
            Some((via, source)) if number == 0 => {
                let rest = request.bytes().get(via.range().end..field.value_range().end).unwrap_or_default();
                write_via(request, via, *source, out);
                out.extend_from_slice(rest);
            }
            _ => out.extend_from_slice(field.value),
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The element with `received` when sent-by is not the source address, or always with rport (RFC 3581 §4), and with the value of rport. What the
/// sender had put there is dropped.
fn write_via(request: &Message<'_>, via: &Via<'_>, source: SocketAddr, out: &mut Vec<u8>) {
    let mut stale: [Option<core::ops::Range<usize>>; 2] = [via.received_range(), via.rport_range()];
    stale.sort_by_key(|range| range.as_ref().map_or(usize::MAX, |range| range.start));
    let mut at = via.range().start;
    for range in stale.into_iter().flatten() {
        let before = request.bytes().get(at..range.start).unwrap_or_default();
        // The semicolon before the parameter goes with it.
        let semicolon = before.iter().rposition(|byte| *byte == b';').unwrap_or(before.len());
        out.extend_from_slice(before.get(..semicolon).unwrap_or_default());
        at = range.end;
    }
    out.extend_from_slice(request.bytes().get(at..via.range().end).unwrap_or_default());
    if via.rport.is_some() || via.host.address() != Some(source.ip()) {
        out.extend_from_slice(b";received=");
        write_address(source.ip(), out);
    }
    if via.rport.is_some() {
        out.extend_from_slice(b";rport=");
        write_decimal(u64::from(source.port()), out);
    }
}
