//! Bodies for what stands before the parser on a connection: WebSocket frames (RFC 6455 §5, RFC 7118), the handshake that leads to them, and
//! the PROXY header.
//!
//! The files are taken in by path: the crate they are of has sockets and TLS in it, which would take minutes to build with a sanitizer.

#[allow(dead_code, missing_docs, unreachable_pub, reason = "parts of another crate")]
#[path = "../../net/src/stream/proxy_protocol.rs"]
mod proxy_protocol;
#[allow(dead_code, missing_docs, unreachable_pub, reason = "parts of another crate")]
#[path = "../../net/src/stream/upgrade.rs"]
mod upgrade;
#[allow(dead_code, missing_docs, unreachable_pub, reason = "parts of another crate")]
#[path = "../../net/src/stream/ws.rs"]
mod ws;

use upgrade::{Upgrade, handshake};
use ws::{Event, Reader, WsError};

/// Octets that a message may have here.
const LIMIT: usize = 4096;

/// Frames that come in pieces of any size say what they say in one piece, and what is written is read again.
pub fn websocket(data: &[u8]) {
    let Some((seed, octets)) = data.split_first() else { return };
    let whole = events(octets, octets.len().max(1));
    for piece in [1, 2, 3, 7 + usize::from(*seed)] {
        assert_eq!(events(octets, piece), whole, "in pieces of {piece}");
    }
    let mut frame = Vec::new();
    ws::write_message(octets, &mut frame);
    assert!(frame.ends_with(octets), "a server does not mask");
}

/// A handshake is refused or done once, whatever comes behind it; a PROXY header never reaches behind its octets.
pub fn handshakes(data: &[u8]) {
    let mut answer = Vec::new();
    match handshake(data, &mut answer) {
        Upgrade::Partial => assert!(answer.is_empty()),
        Upgrade::Done(end) => {
            assert!(data[..end].ends_with(b"\r\n\r\n") && answer.starts_with(b"HTTP/1.1 101 "));
            assert!(answer.ends_with(b"\r\n\r\n"));
            let mut alone = Vec::new();
            assert_eq!(handshake(&data[..end], &mut alone), Upgrade::Done(end));
            assert_eq!(alone, answer);
        }
        Upgrade::Refused => assert!(answer.starts_with(b"HTTP/1.1 4")),
    }
    let _ = proxy_protocol::read(data);
}

/// What a reader says of octets in such pieces.
fn events(octets: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<WsError>) {
    let mut reader = Reader::new();
    let mut said = Vec::new();
    for part in octets.chunks(piece) {
        let mut rest = part;
        loop {
            match reader.read(&mut rest, LIMIT) {
                Ok(None) => break,
                Ok(Some(Event::Message(message))) => said.push([b"message ", message].concat()),
                Ok(Some(Event::Ping(octets))) => said.push([b"ping ", octets].concat()),
                Ok(Some(Event::Pong)) => said.push(b"pong".to_vec()),
                Ok(Some(Event::Close(status))) => said.push(format!("close {status:?}").into_bytes()),
                Err(error) => return (said, Some(error)),
            }
        }
    }
    (said, None)
}
