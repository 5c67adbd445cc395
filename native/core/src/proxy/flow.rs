//! Flow tokens: the way back to a client that nobody can connect to, kept by the messages themselves. RFC 5626 §5.2, §5.3.
//!
//! A token stands as user part in our Record-Route. It says by which listener and connection, or to which address, the other
//! side of the dialog is reached, and a keyed hash proves that we wrote it. So a request inside a dialog finds a browser, or a
//! telephone behind a NAT, whatever its Contact says; clients need not know of RFC 5626.

use crate::keys::Keys;
use crate::path::{ConnectionId, ListenerId, Path, Transport};
use crate::text::{WORD, push_base32, read_base32};
use dialplane_syntax::Via;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Transport, listener and port; connection; address in two halves; proof.
const WORDS: usize = 5;
const LEN: usize = WORDS * WORD;

const TRANSPORTS: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

/// Whether whoever sent this can be reached by its flow only: it opened a connection, or a NAT changed its address.
pub(crate) fn is_needed(path: &Path, via: &Via<'_>) -> bool {
    path.transport.is_stream()
        || via.host.address().is_some_and(|named| named.to_canonical() != path.peer.ip().to_canonical())
}

/// Appends the token of a flow.
pub(crate) fn push(keys: &Keys, flow: &Path, out: &mut Vec<u8>) {
    let words = words(flow);
    for word in words {
        push_base32(word, WORD, out);
    }
    push_base32(proof(keys, words), WORD, out);
}

/// Reads a token; `None` for anything that we did not write.
pub(crate) fn read(keys: &Keys, token: &[u8]) -> Option<Path> {
    if token.len() != LEN {
        return None;
    }
    let mut read = [0; WORDS];
    for (word, text) in read.iter_mut().zip(token.chunks_exact(WORD)) {
        *word = read_base32(text)?;
    }
    let [head, connection, high, low, found] = read;
    if found != proof(keys, [head, connection, high, low]) {
        return None;
    }
    let ip = Ipv6Addr::from(u128::from(high) << 64 | u128::from(low)).to_canonical();
    let [.., transport, listener, port_high, port_low] = head.to_be_bytes();
    Some(Path {
        transport: *TRANSPORTS.get(usize::from(transport))?,
        listener: ListenerId(listener),
        connection: ConnectionId(connection),
        peer: SocketAddr::new(ip, u16::from_be_bytes([port_high, port_low])),
    })
}

fn words(flow: &Path) -> [u64; WORDS - 1] {
    let ip = match flow.peer.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let ip = u128::from(ip);
    let head = u64::from(flow.transport as u8) << 24 | u64::from(flow.listener.0) << 16 | u64::from(flow.peer.port());
    [head, flow.connection.0, (ip >> 64) as u64, ip as u64]
}

fn proof(keys: &Keys, words: [u64; WORDS - 1]) -> u64 {
    let mut octets = [0; 8 * (WORDS - 1)];
    for (place, word) in octets.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    keys.flow.hash(&octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SECRET_LEN;
    use crate::path::WorkerId;

    fn flow(transport: Transport, peer: &str) -> Path {
        Path {
            transport,
            listener: ListenerId(2),
            connection: ConnectionId::new(WorkerId(1), u32::MAX, 77),
            peer: peer.parse().expect("an address"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let keys = Keys::derive(&[1; SECRET_LEN]);
        for transport in TRANSPORTS {
            for peer in ["192.0.2.1:5060", "[2001:db8::1]:65535"] {
                let mut token = Vec::new();
                push(&keys, &flow(transport, peer), &mut token);
                assert_eq!(token.len(), LEN);
                assert_eq!(read(&keys, &token), Some(flow(transport, peer)));
                assert_eq!(read(&Keys::derive(&[2; SECRET_LEN]), &token), None, "another host wrote it");
            }
        }
    }

    #[test]
    fn no_character_can_be_changed() {
        let keys = Keys::derive(&[1; SECRET_LEN]);
        let mut token = Vec::new();
        push(&keys, &flow(Transport::Tcp, "192.0.2.1:5060"), &mut token);
        for place in 0..LEN {
            let mut other = token.clone();
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(read(&keys, &other), None, "{place}");
        }
        for other in [&token[1..], b"", b"alice", &[&token[..], b"0"].concat()] {
            assert_eq!(read(&keys, other), None);
        }
    }
}
