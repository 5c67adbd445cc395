//! Which message belongs to which transaction. RFC 3261 §17.1.3, §17.2.3.
//!
//! A key is a 64-bit keyed hash of what the RFC compares, so that nobody outside can make two keys meet, and finding a
//! transaction compares one word.

use dialplane_syntax::{Essentials, Message, Method};
use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

/// Name of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

impl Key {
    /// Key of a client transaction whose branch holds this word: a keyed hash that is different for each branch of ours,
    /// so that nothing need be hashed again when the response brings it back. CANCEL has the branch of its INVITE, and
    /// only the method in CSeq tells them apart (§17.1.3).
    #[must_use]
    pub fn client(word: u64, method: Method) -> Self {
        match method {
            Method::Cancel => Self(!word),
            Method::Ack
            | Method::Bye
            | Method::Info
            | Method::Invite
            | Method::Message
            | Method::Notify
            | Method::Options
            | Method::Other
            | Method::Prack
            | Method::Publish
            | Method::Refer
            | Method::Register
            | Method::Subscribe
            | Method::Update => Self(word),
        }
    }

    /// The word itself, for a hash map that need not hash it again.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0
    }
}

/// Makes the keys of server transactions.
#[derive(Clone)]
pub struct Keyer {
    hasher: SipHasher13,
}

/// Never shows the key.
impl std::fmt::Debug for Keyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyer")
    }
}

impl Keyer {
    /// A keyer with a secret of 16 octets.
    #[must_use]
    pub fn new(secret: &[u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(secret) }
    }

    /// Key of the server transaction that `request` makes or belongs to: for ACK and CANCEL that of the INVITE (§17.2.3, §9.2).
    ///
    /// A branch with the magic cookie, the sent-by and the method are enough. Without the cookie, RFC 2543 matches by request
    /// URI, tags, Call-ID, CSeq and top Via; the To tag is left out, because that of an ACK is the response's.
    #[must_use]
    pub fn server(&self, request: &Message<'_>, essentials: &Essentials<'_>) -> Key {
        let mut hasher = self.hasher;
        let via = &essentials.via;
        let method = match essentials.cseq.method {
            Method::Ack | Method::Cancel => Method::Invite.name().as_bytes(),
            _ => essentials.cseq.method_name,
        };
        part(&mut hasher, method);
        part(&mut hasher, via.sent_by());
        match via.branch {
            Some(branch) if via.has_cookie() => part(&mut hasher, branch),
            branch => {
                part(&mut hasher, branch.unwrap_or_default());
                part(&mut hasher, request.uri().unwrap_or_default());
                part(&mut hasher, essentials.from.tag().unwrap_or_default());
                part(&mut hasher, essentials.call_id);
                hasher.write_u32(essentials.cseq.number);
            }
        }
        Key(hasher.finish())
    }

    /// Key under which a request is found again that came a second time by another way: the same From tag, Call-ID and CSeq
    /// (RFC 3261 §8.2.2.2), and the same `target` (a hash of what decides where it goes).
    #[must_use]
    pub fn merged(&self, essentials: &Essentials<'_>, target: u64) -> Key {
        let mut hasher = self.hasher;
        part(&mut hasher, b"\0");
        part(&mut hasher, essentials.from.tag().unwrap_or_default());
        part(&mut hasher, essentials.call_id);
        part(&mut hasher, essentials.cseq.method_name);
        hasher.write_u32(essentials.cseq.number);
        hasher.write_u64(target);
        Key(hasher.finish())
    }
}

/// A part and an octet that no part holds behind it: "ab" and "c" are not "a" and "bc".
fn part(hasher: &mut SipHasher13, octets: &[u8]) {
    hasher.write(octets);
    hasher.write_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialplane_syntax::{Index, Limits, check, parse};

    fn key(text: &str) -> Key {
        let text = text.replace('\n', "\r\n");
        let mut index = Index::new();
        let limits = Limits::default();
        let message = parse(text.as_bytes(), &mut index, &limits).expect("SIP");
        let essentials = check(&message, &limits).expect("valid");
        Keyer::new(&[3; 16]).server(&message, &essentials)
    }

    fn request(method: &str) -> String {
        format!(
            "{method} sip:bob@biloxi.com SIP/2.0\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\n\
             From: <sip:alice@atlanta.com>;tag=1928301774\nTo: <sip:bob@biloxi.com>\nCall-ID: a84b4c76e66710\n\
             CSeq: 314159 {method}\n\n"
        )
    }

    fn old(method: &str) -> String {
        request(method).replace(";branch=z9hG4bK776asdhds", ";branch=1")
    }

    #[test]
    fn an_invite_its_ack_and_its_cancel_are_one() {
        for make in [request, old] {
            let invite = key(&make("INVITE"));
            assert_eq!(key(&make("INVITE")), invite);
            assert_eq!(key(&make("ACK").replace("biloxi.com>\n", "biloxi.com>;tag=x\n")), invite, "its To has a tag");
            assert_eq!(key(&make("CANCEL")), invite);
            assert_ne!(key(&make("BYE")), invite);
            assert_ne!(key(&make("PRACK")), key(&make("UPDATE")));
        }
    }

    /// §17.2.3: (change, whether it makes another transaction with the cookie, and without).
    #[test]
    fn what_makes_another_transaction() {
        for (from, to, with_cookie, without) in [
            ("pc33.atlanta.com;", "pc34.atlanta.com;", true, true),
            ("pc33.atlanta.com;", "pc33.atlanta.com:5061;", true, true),
            ("branch=", "branch=z9hG4bKx", true, true),
            ("sip:bob@biloxi.com SIP", "sip:carol@biloxi.com SIP", false, true),
            ("tag=1928301774", "tag=other", false, true),
            ("a84b4c76e66710", "other", false, true),
            ("314159", "314160", false, true),
        ] {
            for (make, other) in [(request as fn(&str) -> String, with_cookie), (old, without)] {
                let (one, two) = (key(&make("INVITE")), key(&make("INVITE").replace(from, to)));
                assert_eq!(one != two, other, "{from} → {to}: {}", make("INVITE"));
            }
        }
    }

    /// RFC 4475 §3.2.1 (badbranch): a cookie alone is no branch.
    #[test]
    fn a_bare_cookie_is_not_relied_on() {
        let bare = |call_id: &str| {
            key(&request("INVITE").replace("z9hG4bK776asdhds", "z9hG4bK").replace("a84b4c76e66710", call_id))
        };
        assert_ne!(bare("one"), bare("two"));
    }

    #[test]
    fn a_cancel_is_told_from_its_invite_by_the_method() {
        assert_eq!(Key::client(7, Method::Invite), Key::client(7, Method::Ack));
        assert_ne!(Key::client(7, Method::Invite), Key::client(7, Method::Cancel));
        assert_ne!(Key::client(7, Method::Invite), Key::client(8, Method::Invite));
    }
}
