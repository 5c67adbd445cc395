//! The nonce of a challenge: a keyed token that carries its own age. RFC 7616 §3.3 (nonce), §5.4, RFC 3261 §22.
//!
//! Nothing is stored when a nonce is issued, so a flood of requests without credentials costs no memory. A token is 48
//! bits of time, a serial number of 32 bits and 88 bits of a keyed hash (SipHash-2-4) over both and the realm, in 28 characters
//! of base64url: no character of it needs a quote or an escape anywhere, and some phones cut a nonce after 32. Whether
//! a count of the nonce was used before is not told here but by [`crate::store::Nonces`].

use crate::store::NonceId;
use crate::time::Now;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::hash::Hasher as _;
use subtle::ConstantTimeEq as _;

/// Characters of a token.
pub const TOKEN_LEN: usize = 28;

/// A token as it stands in `nonce="..."`.
pub type Token = [u8; TOKEN_LEN];

/// What a token that came back is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Not made by us for this realm.
    Forged,
    /// Ours and young enough.
    Fresh(NonceId),
    /// Ours, but too old: the client may try again with a new one (RFC 7616 §3.3, stale).
    Stale,
}

/// Makes tokens and knows them again. All processes of a host have the same key.
#[derive(Clone)]
pub struct NonceKey {
    hasher: SipHasher24,
}

impl NonceKey {
    /// From 16 octets that are used for nothing else.
    #[must_use]
    pub fn new(key: &[u8; 16]) -> Self {
        Self { hasher: SipHasher24::new_with_key(key) }
    }

    /// A new token for `realm`. `serial` makes two tokens of one millisecond differ.
    #[must_use]
    pub fn issue(&self, realm: &[u8], now: Now, serial: u32) -> Token {
        let mut plain = [0; PLAIN_LEN];
        plain[..TIME_LEN].copy_from_slice(&now.unix_ms.to_be_bytes()[8 - TIME_LEN..]);
        plain[TIME_LEN..HEAD_LEN].copy_from_slice(&serial.to_be_bytes());
        let mac = self.mac(&plain[..HEAD_LEN], realm);
        plain[HEAD_LEN..].copy_from_slice(&mac);
        let mut token = [0; TOKEN_LEN];
        URL_SAFE_NO_PAD.encode_slice(plain, &mut token).expect("21 octets are 28 characters of base64");
        token
    }

    /// Tells whether `token` is ours for `realm`, and its age at most `lifetime` seconds.
    #[must_use]
    pub fn verify(&self, token: &[u8], realm: &[u8], now: Now, lifetime: u32) -> Freshness {
        let mut plain = [0; PLAIN_LEN];
        // The length is asked first so that a token of 16 KiB costs nothing.
        if token.len() != TOKEN_LEN || URL_SAFE_NO_PAD.decode_slice(token, &mut plain) != Ok(PLAIN_LEN) {
            return Freshness::Forged;
        }
        let (head, mac) = plain.split_at(HEAD_LEN);
        if !bool::from(self.mac(head, realm).ct_eq(mac)) {
            return Freshness::Forged;
        }
        let issued_ms = head[..TIME_LEN].iter().fold(0, |time, &octet| time << 8 | u64::from(octet));
        let serial = head[TIME_LEN..].iter().fold(0, |serial, &octet| serial << 8 | u32::from(octet));
        // A clock that was set back makes a nonce seem to come from the future; that is bounded like its age.
        if now.unix_ms.abs_diff(issued_ms) > u64::from(lifetime) * 1000 {
            return Freshness::Stale;
        }
        Freshness::Fresh(NonceId { issued_ms, serial })
    }

    fn mac(&self, head: &[u8], realm: &[u8]) -> [u8; MAC_LEN] {
        let mut hasher = self.hasher;
        // The head has a fixed length, so nothing of it can be taken for a part of the realm.
        hasher.write(head);
        hasher.write(realm);
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(&hasher.finish128().as_bytes()[..MAC_LEN]);
        mac
    }
}

/// Never shows the key.
impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceKey")
    }
}

const TIME_LEN: usize = 6;
const HEAD_LEN: usize = TIME_LEN + 4;
const MAC_LEN: usize = 11;
const PLAIN_LEN: usize = HEAD_LEN + MAC_LEN;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: [u8; 16] = *b"sixteen octets!!";
    const REALM: &[u8] = b"biloxi.example.com";

    fn at(unix_ms: u64) -> Now {
        Now { monotonic_ms: 0, unix_ms }
    }

    #[test]
    fn a_token_ages() {
        let key = NonceKey::new(&KEY);
        let token = key.issue(REALM, at(1_000_000), 7);
        let fresh = Freshness::Fresh(NonceId { issued_ms: 1_000_000, serial: 7 });
        for (now, expected) in [
            (1_000_000, fresh),
            (1_300_000, fresh),
            (1_300_001, Freshness::Stale),
            (u64::MAX, Freshness::Stale),
            (999_000, fresh),
            (699_999, Freshness::Stale),
        ] {
            assert_eq!(key.verify(&token, REALM, at(now), 300), expected, "at {now}");
        }
    }

    #[test]
    fn a_token_is_for_one_realm_and_one_key() {
        let token = NonceKey::new(&KEY).issue(REALM, at(5), 1);
        assert_eq!(NonceKey::new(&KEY).verify(&token, b"atlanta.example.com", at(5), 300), Freshness::Forged);
        assert_eq!(NonceKey::new(b"another 16 octet").verify(&token, REALM, at(5), 300), Freshness::Forged);
    }

    #[test]
    fn the_debug_text_shows_no_key() {
        assert_eq!(format!("{:?}", NonceKey::new(&KEY)), "NonceKey");
    }

    proptest! {
        #[test]
        fn a_token_comes_back_as_it_was_issued(ms in 0_u64..1 << 48, serial: u32, realm: Vec<u8>) {
            let key = NonceKey::new(&KEY);
            let token = key.issue(&realm, at(ms), serial);
            prop_assert!(token.iter().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(c)));
            let id = NonceId { issued_ms: ms, serial };
            prop_assert_eq!(key.verify(&token, &realm, at(ms), 0), Freshness::Fresh(id));
        }

        #[test]
        fn one_changed_bit_is_a_forgery(serial: u32, place in 0..TOKEN_LEN, bit in 0..8_u8) {
            let key = NonceKey::new(&KEY);
            let mut token = key.issue(REALM, at(9), serial);
            token[place] ^= 1 << bit;
            prop_assert_eq!(key.verify(&token, REALM, at(9), 300), Freshness::Forged);
        }

        #[test]
        fn any_text_is_a_forgery(text: Vec<u8>) {
            prop_assert_eq!(NonceKey::new(&KEY).verify(&text, REALM, at(9), u32::MAX), Freshness::Forged);
        }
    }
}
