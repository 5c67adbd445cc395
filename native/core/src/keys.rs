//! Keys of this host, derived from the one secret that all its processes share.
//!
//! Each purpose has a key of its own, so that a text made for one is worthless for another.

use crate::auth::nonce::NonceKey;
use crate::registrar::gruu::GruuKey;
use dialplane_transaction::Keyer;
use sha2::{Digest, Sha256};
use siphasher::sip::{SipHasher13, SipHasher24};
use siphasher::sip128;

/// Octets of the shared secret.
pub const SECRET_LEN: usize = 64;

/// The derived keys.
#[derive(Clone)]
pub struct Keys {
    /// Authenticates branches (RFC 3261 §16.11).
    pub(crate) branch: SipHasher24,
    /// Makes digests for users that do not exist (RFC 3261 §22.1).
    pub(crate) decoy: sip128::SipHasher24,
    /// Fingerprints of requests, see [`crate::store::Nonces::mark_request`].
    pub(crate) fingerprint: SipHasher13,
    /// Authenticates flow tokens (RFC 5626 §5.2).
    pub(crate) flow: SipHasher24,
    /// Seals temporary GRUUs (RFC 5627 §3.1.2).
    pub(crate) gruu: GruuKey,
    /// Recognises loops (RFC 5393 §4.2); need not withstand an attacker, so the faster rounds.
    pub(crate) looping: SipHasher13,
    /// Makes nonces (RFC 7616 §3.3).
    pub(crate) nonce: NonceKey,
    /// Authenticates the Record-Route that we insert.
    pub(crate) route: SipHasher24,
    /// Makes To tags that are the same for each retransmission (RFC 3261 §8.2.7).
    pub(crate) tag: SipHasher24,
    /// Names server transactions (RFC 3261 §17.2.3).
    pub(crate) transaction: Keyer,
}

/// Never shows a key.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Derives all keys from `secret`.
    #[must_use]
    pub fn derive(secret: &[u8; SECRET_LEN]) -> Self {
        Self {
            branch: SipHasher24::new_with_key(&key(secret, b"branch")),
            decoy: sip128::SipHasher24::new_with_key(&key(secret, b"decoy")),
            fingerprint: SipHasher13::new_with_key(&key(secret, b"fingerprint")),
            flow: SipHasher24::new_with_key(&key(secret, b"flow")),
            gruu: GruuKey::new(&key(secret, b"gruu seal"), &key(secret, b"gruu stream")),
            looping: SipHasher13::new_with_key(&key(secret, b"loop")),
            nonce: NonceKey::new(&key(secret, b"nonce")),
            route: SipHasher24::new_with_key(&key(secret, b"route")),
            tag: SipHasher24::new_with_key(&key(secret, b"tag")),
            transaction: Keyer::new(&key(secret, b"transaction")),
        }
    }
}

/// 16 octets for one purpose.
fn key(secret: &[u8; SECRET_LEN], purpose: &[u8]) -> [u8; 16] {
    let digest = Sha256::new().chain_update(b"dialplane ").chain_update(purpose).chain_update(secret).finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    key
}
