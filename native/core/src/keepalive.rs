//! What is no SIP but keeps a flow open: line ends, and STUN Binding requests, which are answered. RFC 5626 §3.5, §5.4, §8.
//!
//! The parser has refused it before, so SIP pays nothing for it.
//!
//! DEVIATION from the rule that a stranger is sent no more octets than he sent: the answer to a request without attributes has 12
//! more (32 for 20), 24 over IPv6. With IP and UDP headers that is 1.25 and 1.35 times as much; no answer could be shorter, and who
//! asks for an OPTIONS gets up to 64 more. A stranger gets as many answers in a minute as he may send messages that come to
//! nothing (`guard.refused`); unlike with those, more is not answered and nobody is banned, for a NAT may have many telephones
//! behind it.

use crate::counter::Counter;
use crate::engine::Work;
use crate::guard::{Bucket, act};
use crate::path::{Path, Transport};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::time::Now;
use dialplane_syntax::stun::{self, Stun};

/// Takes a message that is no SIP. Whether an answer to its sender was appended to `out`.
pub(crate) fn handle<S: Store>(
    snapshot: &Snapshot,
    store: &S,
    work: &mut Work,
    path: &Path,
    bytes: &[u8],
    now: Now,
    out: &mut Vec<u8>,
) -> bool {
    if is_line_end(bytes) {
        work.counters.count(Counter::KeepAlives);
        return false;
    }
    // RFC 5626 §4.4.2: it "MUST NOT be used for connection-oriented transports".
    match if path.transport == Transport::Udp { stun::read(bytes) } else { None } {
        Some(Stun::Request(request)) if act::may_be_told(snapshot, store, work, path.peer.ip(), now) => {
            stun::write_answer(&request, path.peer, out);
            work.counters.count(Counter::StunAnswered);
            work.note(|| "a STUN Binding request: told where it came from".into());
            return true;
        }
        Some(Stun::Request(_)) => work.note(|| "a STUN Binding request: too many of them".into()),
        Some(Stun::Indication) => work.counters.count(Counter::KeepAlives),
        Some(Stun::Response) | None => {
            work.counters.count(Counter::Malformed);
            act::charge(snapshot, store, work, path.peer.ip(), now, Bucket::Refused);
        }
    }
    false
}

/// RFC 5626 §3.5.1, and what else clients send to keep a binding in a NAT open: CRLF, NUL, blanks.
fn is_line_end(bytes: &[u8]) -> bool {
    bytes.len() <= 8 && bytes.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0 | b' '))
}
