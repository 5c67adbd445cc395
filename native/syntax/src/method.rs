//! Request methods. RFC 3261 §7.1, §25.1; methods compare case-sensitively.

use crate::chars::{TOKEN, slice, span};
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
    /// The method that a request line begins with, and the length of its name. RFC 3261 §7.1.
    #[inline(always)]
    pub(crate) fn at_start(line: &[u8]) -> (Self, usize) {
        if let Some(word) = line.first_chunk().map(|octets| u64::from_le_bytes(*octets)) {
            // The high bit of the first octet that is a blank; those behind it may be wrong.
            let other = word ^ 0x2020_2020_2020_2020;
            let blanks = other.wrapping_sub(0x0101_0101_0101_0101) & !other & 0x8080_8080_8080_8080;
            if blanks != 0 {
                let bits = blanks.trailing_zeros() & 56;
                let method = Self::from_word(word & !(u64::MAX << bits));
                if method != Self::Other {
                    return (method, bits as usize / 8);
                }
            }
        }
        let end = span(line, 0, TOKEN);
        (Self::from_name(slice(line, 0, end)), end)
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
