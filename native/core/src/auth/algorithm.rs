//! Digest algorithms and what is computed with them. RFC 7616 §3.4.1–§3.4.3, §6.1; RFC 8760 §2.1.
//!
//! Session variants (`-sess`) and `auth-int` are not offered and so not here: they hash the same password over and
//! over, or the body as well, and neither protects a SIP request better than `auth` does.

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};
use subtle::ConstantTimeEq as _;

/// A digest algorithm that we can check. RFC 7616 §6.1 (registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, RFC 1321: for phones that know no other.
    Md5,
    /// `SHA-256`, FIPS 180-4.
    Sha256,
    /// `SHA-512-256`, FIPS 180-4: SHA-512 with its own initial value, cut to 256 bits.
    Sha512_256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 3] = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256];

    /// Reads the name as it stands in `algorithm=`; tokens are compared without case (RFC 3261 §7.3.1).
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes()))
    }

    /// Name in the registry of RFC 7616 §6.1.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512_256 => "SHA-512-256",
        }
    }

    /// Octets of a digest, before it is written in hexadecimal.
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha256 | Algorithm::Sha512_256 => 32,
        }
    }

    /// H(data).
    #[must_use]
    pub fn hash(self, data: &[u8]) -> Hash {
        let mut octets = [0; MAX_DIGEST];
        match self {
            Algorithm::Md5 => octets[..16].copy_from_slice(&Md5::digest(data)),
            Algorithm::Sha256 => octets = Sha256::digest(data).into(),
            Algorithm::Sha512_256 => octets = Sha512_256::digest(data).into(),
        }
        Hash { octets, len: self.digest_len() as u8 }
    }

    /// H(A1) of a user, the only thing about a password that is ever stored. RFC 7616 §3.4.2.
    #[must_use]
    pub fn ha1(self, username: &[u8], realm: &[u8], password: &[u8]) -> Hash {
        self.hash(&[username, b":", realm, b":", password].concat())
    }

    /// The request-digest. RFC 7616 §3.4.1 with qop `auth`, §3.4.3.
    ///
    /// `text` is working space, so that nothing is allocated once it has grown.
    #[must_use]
    pub fn response(self, ha1: &[u8], request: &Hashed<'_>, text: &mut Vec<u8>) -> Hash {
        text.clear();
        push(text, &[request.method, b":", request.uri]);
        let ha2 = self.hash(text);
        text.clear();
        push_hex(ha1, text);
        push(text, &[b":", request.nonce, b":", request.nc, b":", request.cnonce, b":auth:"]);
        push_hex(ha2.as_bytes(), text);
        self.hash(text)
    }
}

/// The parts of a request that its digest covers, as they stand in the message, without quotes.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names of RFC 7616 §3.4")]
pub struct Hashed<'b> {
    pub method: &'b [u8],
    pub uri: &'b [u8],
    pub nonce: &'b [u8],
    pub nc: &'b [u8],
    pub cnonce: &'b [u8],
}

/// A digest of 16 or 32 octets.
#[derive(Clone, Copy)]
pub struct Hash {
    octets: [u8; MAX_DIGEST],
    len: u8,
}

impl Hash {
    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// Whether `hex` is this digest in hexadecimal. The time depends on the length alone.
    #[must_use]
    pub fn is_hex(&self, hex: &[u8]) -> bool {
        if hex.len() != 2 * usize::from(self.len) {
            return false;
        }
        let mut octets = [0; MAX_DIGEST];
        let mut wrong = 0;
        for (octet, pair) in octets.iter_mut().zip(hex.chunks_exact(2)) {
            // The RFC says lower case; some phones write upper case, and it is the same number.
            let (high, low) = (NIBBLE[usize::from(pair[0])], NIBBLE[usize::from(pair[1])]);
            wrong |= (high | low) & NOT_HEX;
            *octet = high << 4 | low & 0xf;
        }
        bool::from(octets[..usize::from(self.len)].ct_eq(self.as_bytes())) && wrong == 0
    }
}

/// Shows nothing: a digest of a password is as good as the password.
impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hash({} octets)", self.len)
    }
}

/// Appends `octets` in lower-case hexadecimal (RFC 8760 §2.2).
pub(crate) fn push_hex(octets: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * octets.len(), 0);
    for (pair, &octet) in out[start..].chunks_exact_mut(2).zip(octets) {
        pair.copy_from_slice(&HEX[usize::from(octet)]);
    }
}

fn push(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

const MAX_DIGEST: usize = 32;
/// Mark of a character that is no hexadecimal digit, in [`NIBBLE`].
const NOT_HEX: u8 = 0x80;

static HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = [digits[octet >> 4], digits[octet & 0xf]];
        octet += 1;
    }
    table
};

static NIBBLE: [u8; 256] = {
    let mut table = [NOT_HEX; 256];
    let mut digit = 0;
    while digit < 16_u8 {
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        table[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 7616 §3.9.1.
    const MUFASA: Hashed<'static> = Hashed {
        method: b"GET",
        uri: b"/dir/index.html",
        nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        nc: b"00000001",
        cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    };
    /// RFC 7616 §3.9.2. The response printed there is wrong (reported as erratum 4897); the test expects what is
    /// computed from the printed parameters by §3.4.1.
    const JASON: Hashed<'static> = Hashed {
        method: b"GET",
        uri: b"/doe.json",
        nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        nc: b"00000001",
        cnonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    };

    #[test]
    fn examples_of_rfc_7616() {
        let mufasa: (&[u8], &[u8], &[u8]) = (b"Mufasa", b"http-auth@example.org", b"Circle of Life");
        let jason: (&[u8], &[u8], &[u8]) = ("J\u{e4}s\u{f8}n Doe".as_bytes(), b"api@example.org", b"Secret, or not?");
        for (algorithm, (user, realm, password), hashed, expected) in [
            (Algorithm::Md5, mufasa, MUFASA, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, mufasa, MUFASA, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            (Algorithm::Sha512_256, jason, JASON, "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"),
        ] {
            let ha1 = algorithm.ha1(user, realm, password);
            let response = algorithm.response(ha1.as_bytes(), &hashed, &mut Vec::new());
            assert!(response.is_hex(expected.as_bytes()), "{algorithm:?}");
        }
    }

    #[test]
    fn empty_hashes() {
        for (algorithm, expected) in [
            // RFC 1321 §A.5
            (Algorithm::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
            // RFC 8760 §2.6
            (Algorithm::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            // FIPS 180-4 example values
            (Algorithm::Sha512_256, "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"),
        ] {
            let mut hex = Vec::new();
            push_hex(algorithm.hash(b"").as_bytes(), &mut hex);
            assert_eq!(String::from_utf8_lossy(&hex), expected);
        }
    }

    #[test]
    fn names() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name().to_lowercase().as_bytes()), Some(algorithm));
        }
        for unknown in ["MD5-sess", "SHA-256-sess", "MD4", "SHA-512", "AKAv1-MD5", ""] {
            assert_eq!(Algorithm::from_name(unknown.as_bytes()), None, "{unknown}");
        }
    }

    #[test]
    fn what_is_not_the_digest() {
        let hash = Algorithm::Md5.hash(b"");
        assert!(hash.is_hex(b"D41D8CD98F00B204E9800998ECF8427E"), "upper case");
        for (case, hex) in [
            ("empty", ""),
            ("short", "d41d8cd98f00b204e9800998ecf8427"),
            ("long", "d41d8cd98f00b204e9800998ecf8427e00"),
            ("other", "d41d8cd98f00b204e9800998ecf8427f"),
            ("not hexadecimal", "g41d8cd98f00b204e9800998ecf8427e"),
        ] {
            assert!(!hash.is_hex(hex.as_bytes()), "{case}");
        }
        assert!(!Hash { octets: [0; 32], len: 16 }.is_hex(&[b'x'; 32]), "letters that count as zero");
        assert_eq!(format!("{hash:?}"), "Hash(16 octets)");
    }

    proptest! {
        #[test]
        fn hexadecimal_is_that_of_the_formatter(octets: [u8; 32]) {
            let mut hex = Vec::new();
            push_hex(&octets, &mut hex);
            let expected: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            prop_assert_eq!(&hex, expected.as_bytes());
            let hash = Hash { octets, len: 32 };
            prop_assert!(hash.is_hex(&hex));
        }
    }
}
