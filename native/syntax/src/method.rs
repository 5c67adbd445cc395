//! Request methods. RFC 3261 §7.1, §25.1; methods compare case-sensitively.

use crate::scan;
use core::fmt;

macro_rules! methods {
    ($($variant:ident $name:literal $reference:literal,)*) => {
        /// A request method with a meaning of its own; every other token is [`Method::Other`], whose name the start line keeps.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`, ", $reference, ".")] $variant,)*
            /// Any other token; a proxy forwards it (RFC 3261 §16.3 step 1).
            Other,
        }

        impl Method {
            /// Every method with a name of its own, alphabetically.
            pub const ALL: &'static [Method] = &[$(Method::$variant,)*];

            /// The method of that name. Case counts: `invite` is [`Method::Other`].
            #[inline]
            #[must_use]
            pub fn from_name(name: &[u8]) -> Self {
                $(if name == $name.as_bytes() { return Self::$variant; })*
                Self::Other
            }

            /// As [`Method::from_name`] for a name of at most seven octets in the low octets of a little-endian word.
            #[inline(always)]
            fn from_word(word: u64) -> Self {
                $(
                    if $name.len() < 8 && word == word_of($name) {
                        return Self::$variant;
                    }
                )*
                Self::Other
            }

            /// The name as written on the wire; empty for [`Method::Other`].
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other => "",
                }
            }
        }
    };
}

methods! {
    Ack "ACK" "RFC 3261 §13",
    Bye "BYE" "RFC 3261 §15",
    Cancel "CANCEL" "RFC 3261 §9",
    Info "INFO" "RFC 6086 §3",
    Invite "INVITE" "RFC 3261 §13",
    Message "MESSAGE" "RFC 3428 §2",
    Notify "NOTIFY" "RFC 6665 §3.2",
    Options "OPTIONS" "RFC 3261 §11",
    Prack "PRACK" "RFC 3262 §6",
    Publish "PUBLISH" "RFC 3903 §4",
    Refer "REFER" "RFC 3515 §2",
    Register "REGISTER" "RFC 3261 §10",
    Subscribe "SUBSCRIBE" "RFC 6665 §3.1",
    Update "UPDATE" "RFC 3311 §4",
}

impl Method {
    /// The method of at most seven octets that begins at `at` and is followed by a blank or a control character, with its length.
    #[inline(always)]
    pub(crate) fn short_at(bytes: &[u8], at: usize) -> Option<(Self, usize)> {
        let word = u64::from_le_bytes(*scan::window(bytes, at)?);
        // The high bit of the first octet below 0x21; those of octets behind it may be wrong.
        let ends = word.wrapping_sub(0x2121_2121_2121_2121) & !word & 0x8080_8080_8080_8080;
        if ends == 0 {
            return None;
        }
        let bits = ends.trailing_zeros() & 56;
        match Self::from_word(word & !(u64::MAX << bits)) {
            Self::Other => None,
            method => Some((method, bits as usize / 8)),
        }
    }
}

/// The name as a little-endian word, 0 for one that does not fit.
const fn word_of(name: &str) -> u64 {
    let name = name.as_bytes();
    let mut word = 0;
    let mut at = 0;
    while at < name.len() && name.len() < 8 {
        word |= (name[at] as u64) << (8 * at);
        at += 1;
    }
    word
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Other { "other" } else { self.name() })
    }
}
