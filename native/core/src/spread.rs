//! Which worker a call belongs to: the messages of one Call-ID (RFC 3261 §8.1.1.4) meet in one worker, which keeps what
//! there is to keep of it.
//!
//! The kernel's program (`supervisor/spread.py`) divides datagrams by the same hash where it finds the field. It looks at few places,
//! and does not know the compact form; so what it says is a good guess, and [`Spread::owner`] decides.

use crate::path::WorkerId;
use dialplane_syntax::{Message, Method};

/// The workers of a host, as one of them sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    me: WorkerId,
    workers: u32,
}

impl Spread {
    /// `None` for a worker that is alone.
    #[must_use]
    pub fn new(me: WorkerId, workers: u16) -> Option<Self> {
        (workers > 1).then_some(Self { me, workers: workers.into() })
    }

    /// Whose call the message belongs to, if not ours. A REGISTER belongs to nobody: whoever reads it answers it.
    #[must_use]
    pub fn owner(&self, message: &Message<'_>) -> Option<WorkerId> {
        if message.method() == Some(Method::Register) {
            return None;
        }
        let owner = worker(message.call_id().ok()?, self.workers);
        (owner != self.me).then_some(owner)
    }
}

/// The worker of a Call-ID: FNV-1a over its first octets, the high half folded into the low one.
fn worker(call_id: &[u8], workers: u32) -> WorkerId {
    const HASHED: usize = 30;
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let octets = call_id.iter().take(HASHED);
    let hash = octets.fold(BASIS, |hash, &octet| (hash ^ u32::from(octet)).wrapping_mul(PRIME));
    WorkerId(((hash ^ (hash >> 15)) % workers) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialplane_syntax::{Index, Limits, parse};

    fn owner(text: &str, me: u16, workers: u16) -> Option<u16> {
        let mut index = Index::new();
        let message = parse(text.as_bytes(), &mut index, &Limits::default()).expect("a message");
        Spread::new(WorkerId(me), workers)?.owner(&message).map(|worker| worker.0)
    }

    #[test]
    fn the_octets_of_the_call_id_decide() {
        for (name, call_id, expected) in [
            ("Call-ID", "4711@192.0.2.1", 829),
            ("i", "4711@192.0.2.1", 829),
            ("CALL-ID ", "\t4711@192.0.2.1 ", 829),
            ("Call-ID", "a84b4c76e66710@pc33.atlanta.com", 40),
            ("Call-ID", "a84b4c76e66710@pc33.atlanta.commmm", 40),
        ] {
            let text = format!("BYE sip:a@b SIP/2.0\r\nTo: <sip:b>;tag=callee\r\n{name}: {call_id}\r\n\r\n");
            assert_eq!(owner(&text, 999, 1000), Some(expected), "{name}: {call_id}");
            assert_eq!(owner(&text, expected, 1000), None, "ours");
            assert_eq!(owner(&text, 0, 1), None, "alone");
        }
        assert_eq!(owner("REGISTER sip:a SIP/2.0\r\nCall-ID: 4711@192.0.2.1\r\n\r\n", 999, 1000), None);
        assert_eq!(owner("BYE sip:a@b SIP/2.0\r\n\r\n", 999, 1000), None);
    }
}
