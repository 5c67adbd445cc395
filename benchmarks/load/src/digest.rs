//! The client's side of digest authentication. RFC 7616 §3.4, RFC 8760 §2.
//!
//! Credentials are really computed for each request: a server cannot be measured with answers it would refuse.

use crate::ident::write_hex;
use md5::Md5;
use sha2::{Digest, Sha256};

/// The hash of RFC 7616 §3.3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    /// `MD5`, 32 hexadecimal digits.
    Md5,
    /// `SHA-256`, 64 hexadecimal digits.
    Sha256,
}

/// A hash in hexadecimal digits.
#[derive(Clone, Copy)]
pub struct Hex {
    digits: [u8; 64],
    len: u8,
}

impl AsRef<[u8]> for Hex {
    fn as_ref(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }
}

impl Algorithm {
    /// The token in `algorithm=`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Hash of the concatenated `parts`.
    pub fn hash(self, parts: &[&[u8]]) -> Hex {
        match self {
            Algorithm::Md5 => hex(&digest::<Md5>(parts)),
            Algorithm::Sha256 => hex(&digest::<Sha256>(parts)),
        }
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize().to_vec()
}

fn hex(bytes: &[u8]) -> Hex {
    let mut digits = [0; 64];
    for (i, chunk) in bytes.chunks_exact(8).enumerate() {
        let word = chunk.iter().fold(0, |sum, b| sum << 8 | u64::from(*b));
        write_hex(word, &mut digits[i * 16..]);
    }
    Hex { digits, len: (bytes.len() * 2) as u8 }
}

/// A challenge that we can answer.
#[derive(Debug, PartialEq)]
pub struct Challenge<'a> {
    /// The text in quotes.
    pub realm: &'a [u8],
    /// The text in quotes.
    pub nonce: &'a [u8],
    /// Echoed when the server gave one.
    pub opaque: Option<&'a [u8]>,
    /// Whether `auth` is among the offered `qop` values.
    pub qop: bool,
}

impl<'a> Challenge<'a> {
    /// Reads the value of a `WWW-Authenticate` field when it is for `algorithm`.
    pub fn read(value: &'a [u8], algorithm: Algorithm) -> Option<Self> {
        let rest = value.trim_ascii();
        let scheme = rest.get(..7)?;
        if !scheme.eq_ignore_ascii_case(b"Digest ") {
            return None;
        }
        let named = param(&rest[7..], b"algorithm").unwrap_or(b"MD5");
        if !named.eq_ignore_ascii_case(algorithm.name().as_bytes()) {
            return None;
        }
        Some(Self {
            realm: param(&rest[7..], b"realm")?,
            nonce: param(&rest[7..], b"nonce")?,
            opaque: param(&rest[7..], b"opaque"),
            qop: param(&rest[7..], b"qop")
                .is_some_and(|q| q.split(|&c| c == b',').any(|v| v.trim_ascii().eq_ignore_ascii_case(b"auth"))),
        })
    }
}

/// The value of `name`, without its quotes.
fn param<'a>(mut text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    loop {
        let equals = memchr::memchr(b'=', text)?;
        let found = text[..equals].trim_ascii();
        let rest = &text[equals + 1..];
        let (value, after) = if rest.first() == Some(&b'"') {
            let end = memchr::memchr(b'"', &rest[1..])? + 1;
            (&rest[1..end], &rest[end + 1..])
        } else {
            let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
            (rest[..end].trim_ascii(), &rest[end..])
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        let comma = memchr::memchr(b',', after)?;
        text = &after[comma + 1..];
    }
}

/// Who answers, with what.
pub struct Credentials<'a> {
    /// The hash to use.
    pub algorithm: Algorithm,
    /// The user name, as in the `username` parameter.
    pub user: &'a [u8],
    /// `H(user:realm:password)`.
    pub ha1: &'a [u8],
    /// The method of the request.
    pub method: &'a [u8],
    /// The request URI.
    pub uri: &'a [u8],
    /// Our nonce.
    pub cnonce: u64,
}

impl Credentials<'_> {
    /// Appends an `Authorization` line that answers `challenge`, with nonce count 1.
    pub fn write(&self, challenge: &Challenge, out: &mut Vec<u8>) {
        let mut cnonce = [0; 16];
        write_hex(self.cnonce, &mut cnonce);
        let ha2 = self.algorithm.hash(&[self.method, b":", self.uri]);
        let response = if challenge.qop {
            self.algorithm.hash(&[self.ha1, b":", challenge.nonce, b":00000001:", &cnonce, b":auth:", ha2.as_ref()])
        } else {
            self.algorithm.hash(&[self.ha1, b":", challenge.nonce, b":", ha2.as_ref()])
        };
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|p| out.extend_from_slice(p));
        put(&[b"Authorization: Digest username=\"", self.user, b"\", realm=\"", challenge.realm, b"\", nonce=\""]);
        put(&[challenge.nonce, b"\", uri=\"", self.uri, b"\", response=\"", response.as_ref()]);
        put(&[b"\", algorithm=", self.algorithm.name().as_bytes()]);
        if let Some(opaque) = challenge.opaque {
            put(&[b", opaque=\"", opaque, b"\""]);
        }
        if challenge.qop {
            put(&[b", qop=auth, nc=00000001, cnonce=\"", &cnonce, b"\""]);
        }
        put(&[b"\r\n"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7616 §3.9.1, with the `auth` quality of protection.
    const NONCE: &[u8] = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const CNONCE: &[u8] = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn response(algorithm: Algorithm) -> Vec<u8> {
        let ha1 = algorithm.hash(&[b"Mufasa:http-auth@example.org:Circle of Life"]);
        let ha2 = algorithm.hash(&[b"GET:/dir/index.html"]);
        algorithm.hash(&[ha1.as_ref(), b":", NONCE, b":00000001:", CNONCE, b":auth:", ha2.as_ref()]).as_ref().to_vec()
    }

    #[test]
    fn hashes_are_those_of_the_rfc() {
        assert_eq!(response(Algorithm::Md5), b"8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(response(Algorithm::Sha256), b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    #[test]
    fn challenge_is_read_for_its_algorithm_only() {
        let value = br#"Digest realm="a, b=c", nonce="n", qop="auth-int, auth", algorithm=SHA-256, opaque="o""#;
        let challenge = Challenge::read(value, Algorithm::Sha256).unwrap();
        assert_eq!(challenge, Challenge { realm: b"a, b=c", nonce: b"n", opaque: Some(b"o"), qop: true });
        assert_eq!(Challenge::read(value, Algorithm::Md5), None);
        let plain = Challenge::read(br#"Digest realm="r", nonce="n""#, Algorithm::Md5).unwrap();
        assert!(!plain.qop && plain.opaque.is_none());
        assert_eq!(Challenge::read(b"Basic realm=\"r\"", Algorithm::Md5), None);
    }

    #[test]
    fn credentials_hold_what_the_server_needs() {
        let challenge = Challenge { realm: b"r", nonce: b"n", opaque: None, qop: true };
        let ha1 = Algorithm::Md5.hash(&[b"u:r:p"]);
        let credentials = Credentials {
            algorithm: Algorithm::Md5,
            user: b"u",
            ha1: ha1.as_ref(),
            method: b"REGISTER",
            uri: b"sip:r",
            cnonce: 1,
        };
        let mut out = Vec::new();
        credentials.write(&challenge, &mut out);
        let text = String::from_utf8(out).unwrap();
        let ha2 = Algorithm::Md5.hash(&[b"REGISTER:sip:r"]);
        let right =
            Algorithm::Md5.hash(&[ha1.as_ref(), b":n:00000001:0000000000000001:auth:", ha2.as_ref()]).as_ref().to_vec();
        assert!(text.contains(&format!("response=\"{}\"", String::from_utf8(right).unwrap())), "{text}");
        assert!(text.ends_with("qop=auth, nc=00000001, cnonce=\"0000000000000001\"\r\n"), "{text}");
    }
}
