//! ACK and CANCEL for the next hop, made from the INVITE that was sent there. RFC 3261 §17.1.1.3, §9.1.

use dialplane_syntax::chars::write_decimal;
use dialplane_syntax::{HeaderId, Message};

/// Appends the ACK for a final response other than 2xx.
pub fn push_ack(invite: &Message<'_>, response: &Message<'_>, out: &mut Vec<u8>) {
    push(invite, b"ACK", response, b"", out);
}

/// Appends the CANCEL. `lines` are complete: Reason (RFC 3326).
pub fn push_cancel(invite: &Message<'_>, lines: &[u8], out: &mut Vec<u8>) {
    push(invite, b"CANCEL", invite, lines, out);
}

/// "A request with the Call-ID, From, request URI, top Via, Route and CSeq number of the INVITE"; To is that of `to`.
fn push(invite: &Message<'_>, method: &[u8], to: &Message<'_>, lines: &[u8], out: &mut Vec<u8>) {
    out.reserve(512);
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(invite.uri().unwrap_or_default());
    out.extend_from_slice(b" SIP/2.0\r\nVia: ");
    out.extend_from_slice(invite.elements(HeaderId::VIA).next().map_or(&[][..], |via| via.value));
    out.extend_from_slice(b"\r\n");
    for route in invite.all(HeaderId::ROUTE) {
        out.extend_from_slice(b"Route: ");
        out.extend_from_slice(route.value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"Max-Forwards: 70\r\n");
    for (name, message, id) in
        [("From: ", invite, HeaderId::FROM), ("To: ", to, HeaderId::TO), ("Call-ID: ", invite, HeaderId::CALL_ID)]
    {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(message.first(id).map_or(&[][..], |field| field.value));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"CSeq: ");
    write_decimal(invite.cseq().map_or(0, |cseq| cseq.number).into(), out);
    out.push(b' ');
    out.extend_from_slice(method);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(lines);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialplane_syntax::{Index, Limits, parse};

    const INVITE: &str = "INVITE sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKours, SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
        Route: <sip:p2;lr>\r\nRoute: <sip:p3;lr>\r\nf: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\ni: c@x\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn both_have_what_names_their_invite() {
        let response = "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKours\r\nTo: <sip:b@x>;tag=2\r\n\r\n";
        let (mut index, mut other, limits) = (Index::new(), Index::new(), Limits::default());
        let invite = parse(INVITE.as_bytes(), &mut index, &limits).expect("SIP");
        let response = parse(response.as_bytes(), &mut other, &limits).expect("SIP");
        let (mut ack, mut cancel) = (Vec::new(), Vec::new());
        push_ack(&invite, &response, &mut ack);
        push_cancel(&invite, b"Reason: SIP;cause=200\r\n", &mut cancel);
        let expected = |method: &str, to: &str, lines: &str| {
            format!(
                "{method} sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKours\r\nRoute: <sip:p2;lr>\r\nRoute: <sip:p3;lr>\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:a@x>;tag=1\r\nTo: {to}\r\nCall-ID: c@x\r\nCSeq: 7 {method}\r\n{lines}Content-Length: 0\r\n\r\n"
            )
        };
        assert_eq!(String::from_utf8_lossy(&ack), expected("ACK", "<sip:b@x>;tag=2", ""));
        assert_eq!(String::from_utf8_lossy(&cancel), expected("CANCEL", "<sip:b@x>", "Reason: SIP;cause=200\r\n"));
    }
}
