//! The record of the credentials table: `user@realm` → H(A1) of each algorithm. RFC 7616 §3.4.2.
//!
//! Only digests are stored. A table that comes from Kamailio has MD5 alone (columns `ha1` and `ha1b`) and stays useful:
//! see [`crate::auth`] for what happens to a phone that answers with SHA-256.

use super::algorithm::Algorithm;
use crate::store::StoreError;

/// How the phone writes its user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `alice`, Kamailio's `ha1`.
    User,
    /// `alice@example.com`, Kamailio's `ha1b`: some phones put the whole address-of-record into `username`.
    UserAtDomain,
}

/// The digests of one user, as they are made when a user is added.
///
/// [`Form::UserAtDomain`] is kept for MD5 only, as in Kamailio: a phone that answers so with a stronger algorithm is
/// asked again with MD5 (see [`crate::auth`]), and each user is 64 octets smaller.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digests {
    /// MD5 with the plain user name.
    pub md5: Option<[u8; 16]>,
    /// MD5 with `user@domain`.
    pub md5_domain: Option<[u8; 16]>,
    /// SHA-256 with the plain user name.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512-256 with the plain user name.
    pub sha512_256: Option<[u8; 32]>,
}

impl Digests {
    /// All digests of a password. `domain` is what a phone would write behind the `@`, mostly the realm.
    #[must_use]
    pub fn from_password(user: &str, domain: &str, realm: &str, password: &str) -> Self {
        let ha1 = |algorithm: Algorithm, user: &str| {
            algorithm.ha1(user.as_bytes(), realm.as_bytes(), password.as_bytes()).as_bytes().to_vec()
        };
        Self {
            md5: array(&ha1(Algorithm::Md5, user)),
            md5_domain: array(&ha1(Algorithm::Md5, &format!("{user}@{domain}"))),
            sha256: array(&ha1(Algorithm::Sha256, user)),
            sha512_256: array(&ha1(Algorithm::Sha512_256, user)),
        }
    }

    /// Reads a record of the table.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not what [`Self::write`] writes.
    pub fn read(record: &[u8]) -> Result<Self, StoreError> {
        let record = Credential::read(record)?;
        Ok(Self {
            md5: record.ha1(Algorithm::Md5, Form::User).and_then(array),
            md5_domain: record.ha1(Algorithm::Md5, Form::UserAtDomain).and_then(array),
            sha256: record.ha1(Algorithm::Sha256, Form::User).and_then(array),
            sha512_256: record.ha1(Algorithm::Sha512_256, Form::User).and_then(array),
        })
    }

    /// Appends the record of the table: a version, a set of flags, the digests that are there.
    pub fn write(&self, record: &mut Vec<u8>) {
        let digests = [
            self.md5.as_ref().map(|digest| digest.as_slice()),
            self.md5_domain.as_ref().map(|digest| digest.as_slice()),
            self.sha256.as_ref().map(|digest| digest.as_slice()),
            self.sha512_256.as_ref().map(|digest| digest.as_slice()),
        ];
        let flags = (0..).zip(&digests).fold(0, |flags, (place, digest)| flags | u8::from(digest.is_some()) << place);
        record.extend_from_slice(&[VERSION, flags]);
        for digest in digests.into_iter().flatten() {
            record.extend_from_slice(digest);
        }
    }
}

/// Says which digests are there, never what they are.
impl std::fmt::Debug for Digests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digests")
            .field("md5", &self.md5.is_some())
            .field("md5_domain", &self.md5_domain.is_some())
            .field("sha256", &self.sha256.is_some())
            .field("sha512_256", &self.sha512_256.is_some())
            .finish()
    }
}

/// A view of one record.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    flags: u8,
    digests: &'a [u8],
}

impl<'a> Credential<'a> {
    /// Takes a record apart.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not what [`Digests::write`] writes.
    pub fn read(record: &'a [u8]) -> Result<Self, StoreError> {
        let [VERSION, flags, digests @ ..] = record else { return Err(StoreError::Corrupt) };
        let known = LAYOUT.len() as u32;
        let len: usize =
            LAYOUT.iter().enumerate().filter(|(place, _)| flags >> place & 1 == 1).map(|(_, slot)| slot.len).sum();
        if u32::from(*flags) >> known != 0 || len != digests.len() {
            return Err(StoreError::Corrupt);
        }
        Ok(Self { flags: *flags, digests })
    }

    /// H(A1) for this algorithm and form of the user name, if the record has it.
    #[must_use]
    pub fn ha1(&self, algorithm: Algorithm, form: Form) -> Option<&'a [u8]> {
        let mut digests = self.digests;
        for (place, slot) in LAYOUT.iter().enumerate() {
            if self.flags >> place & 1 == 0 {
                continue;
            }
            let (digest, rest) = digests.split_at_checked(slot.len)?;
            if slot.algorithm == algorithm && slot.form == form {
                return Some(digest);
            }
            digests = rest;
        }
        None
    }
}

/// Appends the key of the credentials table.
///
/// The realm is taken as it is in the challenge, the user as it is in `username`: both are compared octet by octet,
/// since the digest covers them so (RFC 7616 §3.4.2).
pub fn key(user: &[u8], realm: &[u8], key: &mut Vec<u8>) {
    key.extend_from_slice(user);
    key.push(b'@');
    key.extend_from_slice(realm);
}

fn array<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    octets.try_into().ok()
}

struct Slot {
    algorithm: Algorithm,
    form: Form,
    len: usize,
}

const fn slot(algorithm: Algorithm, form: Form, len: usize) -> Slot {
    Slot { algorithm, form, len }
}

/// Bit of the flags and order of the digests.
static LAYOUT: [Slot; 4] = [
    slot(Algorithm::Md5, Form::User, 16),
    slot(Algorithm::Md5, Form::UserAtDomain, 16),
    slot(Algorithm::Sha256, Form::User, 32),
    slot(Algorithm::Sha512_256, Form::User, 32),
];
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digests_of_a_password() {
        // RFC 7616 §3.9.1; the values of H(A1) are those that make its responses come out right.
        let digests = Digests::from_password("Mufasa", "example.org", "http-auth@example.org", "Circle of Life");
        let hex = |digest: &[u8]| digest.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        assert_eq!(hex(&digests.md5.expect("good")), "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(
            hex(&digests.sha256.expect("good")),
            "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
        );
        let domain = Algorithm::Md5.hash(b"Mufasa@example.org:http-auth@example.org:Circle of Life");
        assert_eq!(digests.md5_domain.expect("good"), domain.as_bytes());
        assert_eq!(
            digests.sha512_256.expect("good"),
            Algorithm::Sha512_256.hash(b"Mufasa:http-auth@example.org:Circle of Life").as_bytes()
        );
    }

    #[test]
    fn a_record_of_kamailio_has_md5_alone() {
        let mut record = Vec::new();
        Digests { md5: Some([7; 16]), ..Digests::default() }.write(&mut record);
        assert_eq!(record.len(), 18);
        let view = Credential::read(&record).expect("good");
        assert_eq!(view.ha1(Algorithm::Md5, Form::User), Some([7; 16].as_slice()));
        assert_eq!(view.ha1(Algorithm::Md5, Form::UserAtDomain), None);
        assert_eq!(view.ha1(Algorithm::Sha256, Form::User), None);
    }

    #[test]
    fn what_is_no_record() {
        let mut whole = Vec::new();
        Digests::from_password("a", "b", "b", "c").write(&mut whole);
        for (case, record) in [
            ("empty", &[][..]),
            ("no flags", &[VERSION]),
            ("another version", &[VERSION + 1, 0]),
            ("unknown flag", &[VERSION, 0x10]),
            ("digest missing", &[VERSION, 1]),
            ("octet missing", &whole[..whole.len() - 1]),
            ("octet behind", &[VERSION, 0, 0]),
        ] {
            assert_eq!(Digests::read(record).err(), Some(StoreError::Corrupt), "{case}");
        }
    }

    #[test]
    fn the_debug_text_shows_no_digest() {
        let text = format!("{:?}", Digests { md5: Some([0xab; 16]), ..Digests::default() });
        assert_eq!(text, "Digests { md5: true, md5_domain: false, sha256: false, sha512_256: false }");
    }

    proptest! {
        #[test]
        fn a_record_survives(
            md5: Option<[u8; 16]>,
            md5_domain: Option<[u8; 16]>,
            sha256: Option<[u8; 32]>,
            sha512_256: Option<[u8; 32]>,
        ) {
            let digests = Digests { md5, md5_domain, sha256, sha512_256 };
            let mut record = Vec::new();
            digests.write(&mut record);
            prop_assert_eq!(Digests::read(&record), Ok(digests));
        }

        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            if let Ok(digests) = Digests::read(&octets) {
                let mut record = Vec::new();
                digests.write(&mut record);
                prop_assert_eq!(record, octets);
            }
        }
    }
}
