//! The branch of a forward, and how its response is known again. RFC 3261 §16.6 step 8, §16.11, RFC 5393 §4.2.
//!
//! A branch is `z9hG4bKdp` KIND LISTENER [CONNECTION] MAC LOOP [FORK]. CONNECTION is there when the request came by one,
//! on which its response must go back; FORK when a transaction is kept. The MAC covers what §16.11 makes the same for each retransmission
//! and what a response carries back: the next Via's branch, Call-ID, CSeq number, and where the request came from. So a
//! response is forwarded only if it answers a request that we forwarded, and only to where that request came from, whether or
//! not its transaction is still kept: the worker that kept it may have died. The MAC of a branch with a transaction covers FORK
//! too, and so is a word that names the branch.

use crate::keys::Keys;
use crate::path::{ConnectionId, ListenerId};
use crate::text::{WORD, push_base32, read_base32};
use std::net::{IpAddr, SocketAddr};

/// RFC 3261 §8.1.1.7.
pub(crate) const MAGIC_COOKIE: &[u8] = b"z9hG4bK";
/// What each branch of ours begins with; KIND follows.
const MARK: &[u8] = b"z9hG4bKdp";
const KIND: usize = 1;
const LISTENER: usize = 2;
const LOOP: usize = 8;
const FORK: usize = 2;

/// What makes a forwarded request unique and comes back in its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'b> {
    /// Branch of the Via that the request arrived with; empty if it has none.
    pub branch: &'b [u8],
    /// sent-by of that Via.
    pub sent_by: &'b [u8],
    /// From tag; RFC 2543 clients have no branch that is unique.
    pub from_tag: &'b [u8],
    /// Call-ID.
    pub call_id: &'b [u8],
    /// Number in CSeq; the method is left out, so that CANCEL and ACK get the branch of their INVITE.
    pub cseq: u32,
    /// Where responses go (RFC 3261 §18.2.2, RFC 3581 §4).
    pub reply_to: SocketAddr,
    /// Listener that the request came in by.
    pub listener: ListenerId,
    /// Connection that it came in by; 0 for a datagram.
    pub connection: ConnectionId,
}

/// Appends the branch for a request with this origin; `fork` is its number if a transaction is kept, `loop_hash` the
/// [`loop_hash`] of the request. Returns the MAC, which names the branch.
pub(crate) fn push(
    keys: &Keys,
    origin: &Origin<'_>,
    fork: Option<u8>,
    loop_hash: u64,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> u64 {
    let connected = origin.connection != ConnectionId(0);
    out.extend_from_slice(MARK);
    out.push(match (fork, connected) {
        (None, false) => b's',
        (None, true) => b'c',
        (Some(_), false) => b't',
        (Some(_), true) => b'u',
    });
    push_base32(origin.listener.0.into(), LISTENER, out);
    if connected {
        push_base32(origin.connection.0, WORD, out);
    }
    let word = mac(keys, origin, fork, scratch);
    push_base32(word, WORD, out);
    push_base32(loop_hash, LOOP, out);
    if let Some(fork) = fork {
        push_base32(fork.into(), FORK, out);
    }
    word
}

/// A branch that has the shape of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ours {
    /// Listener that the request came in by.
    pub listener: ListenerId,
    /// Number of the branch, if its transaction was kept.
    pub fork: Option<u8>,
    /// Connection that it came in by; 0 for a datagram.
    pub connection: ConnectionId,
    mac: u64,
    looping: u64,
}

impl Ours {
    /// Takes a branch apart; `None` if it is not of our shape.
    pub(crate) fn read(branch: &[u8]) -> Option<Self> {
        let (&kind, rest) = branch.strip_prefix(MARK)?.split_first()?;
        let (connection, fork) = match kind {
            b's' => (0, 0),
            b'c' => (WORD, 0),
            b't' => (0, FORK),
            b'u' => (WORD, FORK),
            _ => return None,
        };
        if branch.len() != MARK.len() + KIND + LISTENER + connection + WORD + LOOP + fork {
            return None;
        }
        let (listener, rest) = rest.split_at_checked(LISTENER)?;
        let (connection, rest) = rest.split_at_checked(connection)?;
        let (mac, rest) = rest.split_at_checked(WORD)?;
        let (looping, fork) = rest.split_at_checked(LOOP)?;
        let fork = if fork.is_empty() { None } else { Some(u8::try_from(read_base32(fork)?).ok()?) };
        Some(Self {
            listener: ListenerId(u8::try_from(read_base32(listener)?).ok()?),
            fork,
            connection: ConnectionId(read_base32(connection)?),
            mac: read_base32(mac)?,
            looping: read_base32(looping)?,
        })
    }

    /// Whether we made this branch for a request with this origin.
    pub(crate) fn is_authentic(&self, keys: &Keys, origin: &Origin<'_>, scratch: &mut Vec<u8>) -> bool {
        // One comparison of two words: nothing of the MAC leaks through time.
        self.mac == mac(keys, origin, self.fork, scratch)
    }

    /// What [`push`] returned.
    pub(crate) fn word(&self) -> u64 {
        self.mac
    }

    /// Whether the request that this branch was made for had the same [`loop_hash`].
    pub(crate) fn looped(&self, loop_hash: u64) -> bool {
        self.looping == loop_hash
    }
}

/// Hash of what decides where a request goes: request URI and remaining Route (RFC 5393 §4.2.2). Call-ID, From tag and
/// CSeq need no place in it: within one message they are the same for each pass.
pub(crate) fn loop_hash<'b>(
    keys: &Keys,
    uri: &[u8],
    routes: impl Iterator<Item = &'b [u8]>,
    scratch: &mut Vec<u8>,
) -> u64 {
    scratch.clear();
    scratch.extend_from_slice(uri);
    for route in routes {
        scratch.push(b' ');
        scratch.extend_from_slice(route);
    }
    keys.looping.hash(scratch) & ((1 << (5 * LOOP)) - 1)
}

fn mac(keys: &Keys, origin: &Origin<'_>, fork: Option<u8>, scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    scratch.push(origin.listener.0);
    scratch.extend_from_slice(&origin.reply_to.port().to_be_bytes());
    match origin.reply_to.ip() {
        IpAddr::V4(v4) => scratch.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => scratch.extend_from_slice(&v6.octets()),
    }
    if origin.connection != ConnectionId(0) {
        scratch.extend_from_slice(&origin.connection.0.to_be_bytes());
    }
    scratch.extend_from_slice(&origin.cseq.to_be_bytes());
    scratch.extend_from_slice(origin.call_id);
    scratch.push(b' ');
    scratch.extend_from_slice(origin.branch);
    let unique = origin.branch.len() > MAGIC_COOKIE.len() && origin.branch.starts_with(MAGIC_COOKIE);
    if !unique {
        scratch.push(b' ');
        scratch.extend_from_slice(origin.sent_by);
        scratch.push(b' ');
        scratch.extend_from_slice(origin.from_tag);
    }
    if let Some(fork) = fork {
        scratch.extend_from_slice(&[0, fork]);
    }
    keys.branch.hash(scratch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SECRET_LEN;

    fn origin() -> Origin<'static> {
        Origin {
            branch: b"z9hG4bK776asdhds",
            sent_by: b"pc33.atlanta.com",
            from_tag: b"1928301774",
            call_id: b"a84b4c76e66710@pc33.atlanta.com",
            cseq: 314_159,
            reply_to: "192.0.2.1:5060".parse().expect("an address"),
            listener: ListenerId(3),
            connection: ConnectionId(0),
        }
    }

    fn made(origin: &Origin<'_>) -> Ours {
        let keys = Keys::derive(&[7; SECRET_LEN]);
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        push(&keys, origin, None, 0x12_3456_789a, &mut scratch, &mut out);
        Ours::read(&out).expect("our own shape")
    }

    #[test]
    fn the_same_request_gets_the_same_branch() {
        assert_eq!(made(&origin()), made(&origin()));
        assert_eq!(made(&origin()).listener, ListenerId(3));
        let connection = ConnectionId(0x1234_5678_9abc_def0);
        assert_eq!(made(&Origin { connection, ..origin() }).connection, connection);
    }

    #[test]
    fn an_answer_must_fit_in_all_that_it_carries_back() {
        let keys = Keys::derive(&[7; SECRET_LEN]);
        let ours = made(&origin());
        let mut scratch = Vec::new();
        assert!(ours.is_authentic(&keys, &origin(), &mut scratch));
        let others = [
            Origin { branch: b"z9hG4bK776asdhdt", ..origin() },
            Origin { call_id: b"another", ..origin() },
            Origin { cseq: 314_160, ..origin() },
            Origin { reply_to: "192.0.2.2:5060".parse().expect("an address"), ..origin() },
            Origin { reply_to: "192.0.2.1:5061".parse().expect("an address"), ..origin() },
            Origin { reply_to: "[::ffff:192.0.2.1]:5060".parse().expect("an address"), ..origin() },
            Origin { listener: ListenerId(4), ..origin() },
            Origin { connection: ConnectionId(5), ..origin() },
        ];
        for other in others {
            assert!(!ours.is_authentic(&keys, &other, &mut scratch), "{other:?}");
        }
        let other_host = Keys::derive(&[8; SECRET_LEN]);
        assert!(!ours.is_authentic(&other_host, &origin(), &mut scratch));
    }

    /// RFC 4475 §3.2.1 (badbranch): a bare cookie must not merge the requests of different callers.
    #[test]
    fn a_branch_that_is_not_unique_is_not_relied_on() {
        for branch in [&b"z9hG4bK"[..], b"", b"1"] {
            let one = Origin { branch, ..origin() };
            assert_eq!(made(&one), made(&one));
            assert_ne!(made(&one), made(&Origin { from_tag: b"other", ..one }), "{branch:?}");
            assert_ne!(made(&one), made(&Origin { sent_by: b"other", ..one }), "{branch:?}");
        }
    }

    #[test]
    fn each_fork_has_a_word_of_its_own() {
        let keys = Keys::derive(&[7; SECRET_LEN]);
        let (mut scratch, mut words) = (Vec::new(), vec![made(&origin()).word()]);
        for fork in [0, 1, 255] {
            let mut out = Vec::new();
            let word = push(&keys, &origin(), Some(fork), 0x12_3456_789a, &mut scratch, &mut out);
            let ours = Ours::read(&out).expect("our own shape");
            assert_eq!((ours.word(), ours.fork), (word, Some(fork)));
            assert!(ours.is_authentic(&keys, &origin(), &mut scratch) && ours.looped(0x12_3456_789a));
            assert!(!words.contains(&word), "{fork}");
            words.push(word);
            let mut other = out.clone();
            *other.last_mut().expect("a digit") = b'5';
            assert!(!Ours::read(&other).expect("the shape").is_authentic(&keys, &origin(), &mut scratch));
        }
    }

    #[test]
    fn a_loop_is_known_by_what_routes() {
        let keys = Keys::derive(&[7; SECRET_LEN]);
        let mut scratch = Vec::new();
        let mut hash = |uri: &[u8], routes: &[&[u8]]| loop_hash(&keys, uri, routes.iter().copied(), &mut scratch);
        assert_eq!(hash(b"sip:a@x", &[]), hash(b"sip:a@x", &[]));
        assert_ne!(hash(b"sip:a@x", &[]), hash(b"sip:b@x", &[]), "a spiral, not a loop");
        assert_ne!(hash(b"sip:a@x", &[]), hash(b"sip:a@x", &[b"<sip:p1;lr>"]));
        assert!(made(&origin()).looped(0x12_3456_789a));
    }

    #[test]
    fn foreign_branches_are_not_ours() {
        for branch in [&b"z9hG4bK776asdhds"[..], b"z9hG4bKdps", b"", b"z9hG4bKdps00!!!!!!!!!!!!!00000000"] {
            assert_eq!(Ours::read(branch), None);
        }
    }
}
