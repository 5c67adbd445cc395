//! The opening handshake of a WebSocket, server's side. RFC 6455 §4.2, RFC 7118 §4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Octets of the request, at most: a browser sends its cookies along.
pub const LARGEST: usize = 16 * 1024;
/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What became of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// The request is not whole.
    Partial,
    /// It took that many octets; frames follow.
    Done(usize),
    /// It is refused: close the connection once the answer is sent.
    Refused,
}

/// Looks at the octets of a connection that began with `GET`; appends the answer to `out` once there is one.
pub fn handshake(octets: &[u8], out: &mut Vec<u8>) -> Upgrade {
    let head = &octets[..octets.len().min(LARGEST)];
    let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
        if octets.len() < LARGEST {
            return Upgrade::Partial;
        }
        refuse("431 Request Header Fields Too Large", "", out);
        return Upgrade::Refused;
    };
    let Ok(head) = std::str::from_utf8(&head[..end]) else {
        refuse("400 Bad Request", "", out);
        return Upgrade::Refused;
    };
    match accept(head) {
        Ok(accept) => {
            out.extend_from_slice(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Accept: ",
            );
            out.extend_from_slice(accept.as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            Upgrade::Done(end + 4)
        }
        Err((status, field)) => {
            refuse(status, field, out);
            Upgrade::Refused
        }
    }
}

/// Checks the request as RFC 6455 §4.2.1 asks; the value of Sec-WebSocket-Accept, or status and field of the refusal.
fn accept(head: &str) -> Result<String, (&'static str, &'static str)> {
    const BAD: (&str, &str) = ("400 Bad Request", "");
    let mut lines = head.split("\r\n");
    let mut start = lines.next().unwrap_or_default().split(' ');
    if start.next() != Some("GET") {
        return Err(("405 Method Not Allowed", "Allow: GET\r\n"));
    }
    if start.nth(1).is_none_or(|version| !version.starts_with("HTTP/1.") || version == "HTTP/1.0") {
        return Err(BAD);
    }
    let (mut host, mut upgrade, mut connection, mut sip) = (false, false, false, false);
    let (mut key, mut version) = (None, None);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(BAD)?;
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" => host = true,
            "upgrade" => upgrade |= has(value, "websocket"),
            "connection" => connection |= has(value, "upgrade"),
            "sec-websocket-key" => key = Some(value),
            "sec-websocket-version" => version = Some(value),
            "sec-websocket-protocol" => sip |= has(value, "sip"),
            _ => {}
        }
    }
    if !upgrade || !connection {
        return Err(("426 Upgrade Required", "Upgrade: websocket\r\nConnection: Upgrade\r\n"));
    }
    if version != Some("13") {
        return Err(("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n"));
    }
    // RFC 7118 §4: the subprotocol must be agreed on, or what is sent would not be SIP.
    if !host || !sip {
        return Err(BAD);
    }
    let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)).ok_or(BAD)?;
    Ok(STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize()))
}

/// Whether a list of tokens has this one.
fn has(list: &str, token: &str) -> bool {
    list.split(',').any(|one| one.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
}

fn refuse(status: &str, field: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(
        format!("HTTP/1.1 {status}\r\n{field}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request of RFC 7118 §8.1, and its answer.
    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://www.example.com\r\n\
        Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn answer(request: &str) -> (Upgrade, String) {
        let mut out = Vec::new();
        let upgrade = handshake(request.as_bytes(), &mut out);
        (upgrade, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn the_example_of_the_rfc() {
        let (upgrade, text) = answer(REQUEST);
        assert_eq!(upgrade, Upgrade::Done(REQUEST.len()));
        assert!(text.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        for line in ["Sec-WebSocket-Protocol: sip", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn frames_behind_the_request_are_left() {
        let request = format!("{REQUEST}frames");
        assert_eq!(answer(&request).0, Upgrade::Done(REQUEST.len()));
    }

    #[test]
    fn every_beginning_is_partial() {
        for end in 0..REQUEST.len() {
            assert_eq!(answer(&REQUEST[..end]), (Upgrade::Partial, String::new()), "{end}");
        }
    }

    #[test]
    fn names_and_lists_as_browsers_write_them() {
        let request = REQUEST
            .replace("Upgrade: websocket", "upgrade:\tWebSocket")
            .replace("Connection: Upgrade", "CONNECTION: keep-alive, upgrade")
            .replace("Protocol: sip", "Protocol: msrp, SIP");
        assert!(matches!(answer(&request).0, Upgrade::Done(_)));
    }

    #[test]
    fn refusals() {
        for (from, to, status) in [
            ("GET ", "POST ", "405"),
            ("HTTP/1.1", "HTTP/1.0", "400"),
            (" HTTP/1.1", "", "400"),
            ("Host: sip-ws.example.com\r\n", "", "400"),
            ("Upgrade: websocket\r\n", "", "426"),
            ("Connection: Upgrade\r\n", "", "426"),
            ("Version: 13", "Version: 8", "426"),
            ("Protocol: sip", "Protocol: soap", "400"),
            ("Sec-WebSocket-Protocol: sip\r\n", "", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "!", "400"),
            ("Origin: ", "Origin ", "200"),
            ("Origin: http:", "Origin http", "400"),
        ] {
            let (upgrade, text) = answer(&REQUEST.replace(from, to));
            if status == "200" {
                assert!(matches!(upgrade, Upgrade::Done(_)), "{from}");
                continue;
            }
            assert_eq!(upgrade, Upgrade::Refused, "{from}");
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{from}: {text}");
        }
    }

    #[test]
    fn a_head_without_an_end_is_refused() {
        let request = format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(LARGEST));
        let (upgrade, text) = answer(&request);
        assert_eq!(upgrade, Upgrade::Refused);
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
        let mut out = Vec::new();
        assert_eq!(handshake(b"GET / HTTP/1.1\r\n\xff: x\r\n\r\n", &mut out), Upgrade::Refused);
    }
}
