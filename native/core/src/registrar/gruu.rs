//! Globally routable URIs of one instance of a user (GRUU). RFC 5627 §3.1, §5, Appendix A.
//!
//! A public GRUU is the address-of-record with the instance in its parameter `gr`. A temporary one tells nobody whose it
//! is: its user part is a sealed token that holds the address-of-record, and what its binding must still be like. So nothing is kept
//! for either, any worker can resolve both, and §5.1 (another Call-ID makes temporary ones void) and §5.3 (so does the end of
//! the last contact) hold because the binding they were made from is then gone.
//!
//! ```text
//! token = seal(16) ciphertext
//! plain = cseq(4) epoch(8) address-of-record
//! ```
//!
//! The seal is a keyed hash of the plain text and the start of the key stream (synthetic IV: Rogaway, Shrimpton, 2006), so
//! each registration has a token of its own, a repetition the same again, and no two can be told to be one user's.

use super::lookup::instance_id;
use super::record::Binding;
use super::split_aor;
use crate::text::{push_base32, read_base32};
use dialplane_syntax::uri::{unescaped, write_escaped_user};
use sha2::{Digest, Sha256};
use std::hash::Hasher as _;

/// Keys of temporary GRUUs.
#[derive(Clone)]
pub(crate) struct GruuKey {
    seal: siphasher::sip128::SipHasher24,
    stream: [u8; 16],
}

impl GruuKey {
    pub(crate) fn new(seal: &[u8; 16], stream: &[u8; 16]) -> Self {
        Self { seal: siphasher::sip128::SipHasher24::new_with_key(seal), stream: *stream }
    }

    fn seal(&self, plain: &[u8]) -> [u8; SEAL] {
        let mut hasher = self.seal;
        hasher.write(plain);
        siphasher::sip128::Hasher128::finish128(&hasher).as_u128().to_be_bytes()
    }

    /// Encrypts and decrypts.
    fn cover(&self, seal: &[u8; SEAL], text: &mut [u8]) {
        for (number, block) in text.chunks_mut(32).enumerate() {
            let digest = Sha256::new()
                .chain_update(self.stream)
                .chain_update(seal)
                .chain_update((number as u32).to_be_bytes())
                .finalize();
            block.iter_mut().zip(digest).for_each(|(octet, key)| *octet ^= key);
        }
    }
}

/// Never shows a key.
impl std::fmt::Debug for GruuKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GruuKey")
    }
}

const SEAL: usize = 16;
const CSEQ: usize = 4;
const EPOCH: usize = 8;
/// What the user part of a temporary GRUU begins with.
const TEMPORARY: &[u8] = b"tgruu.";

/// Appends the Contact parameters `pub-gruu` and `temp-gruu` of a binding, if it has an instance. RFC 5627 §5.2.
pub(super) fn push_params(key: &GruuKey, aor: &[u8], is_secure: bool, binding: &Binding<'_>, lines: &mut Vec<u8>) {
    let Some(instance) = instance_id(binding) else { return };
    let (user, host) = split_aor(aor);
    let scheme: &[u8] = if is_secure { b"sips:" } else { b"sip:" };
    lines.extend_from_slice(b";pub-gruu=\"");
    lines.extend_from_slice(scheme);
    write_escaped_user(user, lines);
    lines.push(b'@');
    lines.extend_from_slice(host);
    lines.extend_from_slice(b";gr=");
    push_value(instance, lines);
    lines.extend_from_slice(b"\";temp-gruu=\"");
    lines.extend_from_slice(scheme);
    push_temporary(key, aor, binding, lines);
    lines.push(b'@');
    lines.extend_from_slice(host);
    lines.extend_from_slice(b";gr\"");
}

/// What the URI of a request says of the instance that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// That instance; valid as long as the user is.
    Public(Vec<u8>),
    /// Those with a binding of this epoch.
    Temporary {
        /// Whose it is.
        aor: Vec<u8>,
        epoch: u64,
    },
}

impl Named {
    /// Reads the parameter `gr` of a URI with this user part. `None` for a token that we did not make.
    pub(crate) fn read(key: &GruuKey, user: &[u8], gr: Option<&[u8]>) -> Option<Self> {
        if let Some(value) = gr {
            return Some(Self::Public(unescaped(value).collect()));
        }
        let token = read_octets(user.strip_prefix(TEMPORARY)?)?;
        let (seal, text) = token.split_first_chunk::<SEAL>()?;
        let mut plain = text.to_vec();
        key.cover(seal, &mut plain);
        if key.seal(&plain) != *seal {
            return None;
        }
        let (epoch, aor) = plain.get(CSEQ..)?.split_first_chunk::<EPOCH>()?;
        Some(Self::Temporary { aor: aor.to_vec(), epoch: u64::from_be_bytes(*epoch) })
    }

    /// Leaves the bindings of the instance, the one refreshed last first (RFC 5627 §6.1). `false` when there is no such GRUU
    /// (any more).
    pub(crate) fn select<'a>(&self, key: &GruuKey, bindings: &mut smallvec::SmallVec<[Binding<'a>; 4]>) -> bool {
        let wanted: &[u8] = match self {
            Self::Public(instance) => instance,
            Self::Temporary { epoch: wanted, .. } => {
                let is_its = |binding: &&Binding<'a>| instance_id(binding).is_some() && epoch(key, binding) == *wanted;
                match bindings.iter().find(is_its).and_then(instance_id) {
                    Some(instance) => instance,
                    None => return false,
                }
            }
        };
        bindings.retain(|binding| instance_id(binding) == Some(wanted));
        bindings.sort_by_key(|binding| std::cmp::Reverse(binding.modified));
        true
    }
}

fn push_temporary(key: &GruuKey, aor: &[u8], binding: &Binding<'_>, out: &mut Vec<u8>) {
    let mut token = vec![0; SEAL];
    token.extend_from_slice(&binding.cseq.to_be_bytes());
    token.extend_from_slice(&epoch(key, binding).to_be_bytes());
    token.extend_from_slice(aor);
    let (seal, text) = token.split_at_mut(SEAL);
    seal.copy_from_slice(&key.seal(text));
    let mut start = [0; SEAL];
    start.copy_from_slice(seal);
    key.cover(&start, text);
    out.extend_from_slice(TEMPORARY);
    push_octets(&token, out);
}

/// What stays the same as long as a client refreshes one registration (§5.1: its Call-ID).
fn epoch(key: &GruuKey, binding: &Binding<'_>) -> u64 {
    let mut hasher = key.seal;
    for part in [instance_id(binding).unwrap_or_default(), binding.call_id] {
        hasher.write(&(part.len() as u64).to_be_bytes());
        hasher.write(part);
    }
    hasher.write(&binding.registered.to_be_bytes());
    siphasher::sip128::Hasher128::finish128(&hasher).h1
}

/// Appends a value of a URI parameter (RFC 3261 §25.1, `paramchar`), escaped where it has to be.
fn push_value(value: &[u8], out: &mut Vec<u8>) {
    for &octet in value {
        if octet.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&octet) {
            out.push(octet);
        } else {
            out.extend_from_slice(format!("%{octet:02X}").as_bytes());
        }
    }
}

/// Octets in groups of five, each of eight characters; fewer for the last.
fn push_octets(octets: &[u8], out: &mut Vec<u8>) {
    for group in octets.chunks(5) {
        let value = group.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
        push_base32(value, (group.len() * 8).div_ceil(5), out);
    }
}

fn read_octets(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() * 5 / 8);
    for group in text.chunks(8) {
        let length = group.len() * 5 / 8;
        let value = read_base32(group)?;
        // Each token is written in one way only.
        if (length * 8).div_ceil(5) != group.len() || value >> (length * 8) != 0 {
            return None;
        }
        octets.extend_from_slice(value.to_be_bytes().get(8 - length..)?);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Keys, SECRET_LEN};

    const AOR: &[u8] = b"alice@example.com";
    const UUID: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn key() -> GruuKey {
        Keys::derive(&[3; SECRET_LEN]).gruu
    }

    fn binding<'a>(params: &'a str, call_id: &'a str, cseq: u32) -> Binding<'a> {
        Binding {
            contact: b"sip:alice@192.0.2.7",
            params: params.as_bytes(),
            q: None,
            expires: 2000,
            registered: 1000,
            modified: 1000 + u64::from(cseq),
            call_id: call_id.as_bytes(),
            cseq,
            path: b"",
            received: None,
            user_agent: b"",
        }
    }

    fn instance(id: &str) -> String {
        format!(";+sip.instance=\"<{id}>\"")
    }

    /// Both GRUUs of a binding.
    fn made(binding: &Binding<'_>) -> (String, String) {
        let mut line = Vec::new();
        push_params(&key(), AOR, false, binding, &mut line);
        let line = String::from_utf8(line).expect("text");
        let quoted: Vec<_> = line.split('"').collect();
        assert_eq!((quoted[0], quoted[2]), (";pub-gruu=", ";temp-gruu="));
        (quoted[1].to_owned(), quoted[3].to_owned())
    }

    fn user(uri: &str) -> &[u8] {
        let rest = uri.strip_prefix("sip:").expect("a SIP URI");
        rest.split('@').next().expect("a user").as_bytes()
    }

    #[test]
    fn the_public_one_shows_the_instance() {
        let params = instance(UUID);
        let (public, _) = made(&binding(&params, "a", 1));
        assert_eq!(public, format!("sip:alice@example.com;gr={UUID}"));
        let params = instance("odd; id\u{e9}");
        let (public, _) = made(&binding(&params, "a", 1));
        assert_eq!(public, "sip:alice@example.com;gr=odd%3B%20id%C3%A9");
        let named = Named::read(&key(), b"alice", Some(b"odd%3B%20id%C3%A9"));
        assert_eq!(named, Some(Named::Public("odd; id\u{e9}".into())));
        let mut line = Vec::new();
        push_params(&key(), AOR, false, &binding(";other=1", "a", 1), &mut line);
        assert!(line.is_empty(), "no instance, no GRUU");
    }

    #[test]
    fn a_temporary_one_leads_back_and_shows_nothing() {
        let params = instance(UUID);
        let (_, first) = made(&binding(&params, "a", 1));
        let (_, second) = made(&binding(&params, "a", 2));
        assert_eq!(made(&binding(&params, "a", 1)).1, first, "a repetition gets the same");
        assert!(first.starts_with("sip:tgruu.") && first.ends_with("@example.com;gr"), "{first}");
        assert!(!first.contains("alice") && first[..40] != second[..40], "{first} {second}");
        let [one, other] = [&first, &second].map(|uri| Named::read(&key(), user(uri), None).expect("ours"));
        assert_eq!(one, other, "both are the same registration's");
        assert!(matches!(one, Named::Temporary { ref aor, .. } if aor == AOR));
    }

    #[test]
    fn what_we_did_not_make_is_not_ours() {
        let params = instance(UUID);
        let (_, good) = made(&binding(&params, "a", 1));
        let good = user(&good);
        for place in TEMPORARY.len()..good.len() {
            let mut bad = good.to_vec();
            bad[place] = if bad[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(Named::read(&key(), &bad, None), None, "{place}");
        }
        for bad in [&good[..good.len() - 1], b"alice", b"tgruu.", b"tgruu.!", b""] {
            assert_eq!(Named::read(&key(), bad, None), None);
        }
        assert_eq!(Named::read(&Keys::derive(&[4; SECRET_LEN]).gruu, good, None), None, "another host's");
    }

    #[test]
    fn the_instance_is_selected_as_long_as_its_registration_lives() {
        let (one, two) = (instance(UUID), instance("urn:uuid:other"));
        let (first, again) = (binding(&one, "a", 1), binding(&one, "b", 9));
        let other = binding(&two, "c", 5);
        let token = made(&first).1;
        let temporary = Named::read(&key(), user(&token), None).expect("ours");
        let selected = |named: &Named, bindings: &[Binding<'_>]| {
            let mut found: smallvec::SmallVec<[Binding<'_>; 4]> = bindings.iter().copied().collect();
            named.select(&key(), &mut found).then(|| found.iter().map(|it| it.cseq).collect::<Vec<_>>())
        };
        assert_eq!(selected(&temporary, &[first, other]), Some(vec![1]));
        assert_eq!(selected(&temporary, &[first, other, again]), Some(vec![9, 1]), "the youngest first");
        assert_eq!(selected(&temporary, &[other]), None, "the last contact is gone");
        assert_eq!(selected(&temporary, &[again, other]), None, "another Call-ID");
        assert_eq!(selected(&temporary, &[Binding { registered: 1500, ..first }]), None, "ended, and begun anew");
        assert_eq!(selected(&temporary, &[Binding { cseq: 7, ..first }]), Some(vec![7]), "refreshed");
        let public = Named::Public(UUID.into());
        assert_eq!(selected(&public, &[first, other]), Some(vec![1]));
        assert_eq!(selected(&public, &[other]), Some(vec![]), "valid, and nobody there");
    }
}
