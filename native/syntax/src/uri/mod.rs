//! URIs: sip, sips (RFC 3261 §19.1), tel (RFC 3966) and others kept as they are.
//!
//! Views over the received octets; escapes are left in place, decoded on demand and exactly once.

pub mod aor;
pub mod equal;
pub mod escape;
pub mod host;
mod sip;
mod tel;

pub use aor::{write_aor, write_canonical_user};
pub use equal::equal;
pub use escape::{Unescaped, unescape, unescaped, write_escaped_user};
pub use host::Host;
pub use sip::SipUri;
pub use tel::{TelUri, write_digits};

use crate::chars::{URIC, octet, slice, span};
use crate::scan::{self, Scanner, Then, task};
use crate::text::Text;
use core::fmt;

/// A URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Uri<'b> {
    /// Any other scheme, whose grammar is not checked beyond its octets. A proxy answers 416 (RFC 3261 §16.3 step 2).
    Other {
        /// The scheme as received.
        scheme: &'b [u8],
        /// What follows the colon.
        rest: &'b [u8],
    },
    /// `sip:` or `sips:`.
    Sip(SipUri<'b>),
    /// `tel:`.
    Tel(TelUri<'b>),
}

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UriError {
    /// A `%` that is not followed by two hexadecimal digits.
    Escape,
    /// A headers part that is not `name=value` with `&` between, or has octets it may not.
    Headers,
    /// The host is no hostname, IPv4 address or IPv6 reference (RFC 5118 §4.2).
    Host,
    /// Parameters with octets they may not have, or with an empty name.
    Params,
    /// A port that is empty or above 65535.
    Port,
    /// No scheme.
    Scheme,
    /// A number of tel: without a digit, or a local one without a context.
    Telephone,
    /// A user or password with octets it may not have, or an empty user before `@`.
    User,
}

impl<'b> Uri<'b> {
    /// Parses a URI without white space at its ends and without angle brackets.
    ///
    /// # Errors
    /// The first part that breaks its grammar.
    pub fn parse(uri: &'b [u8]) -> Result<Self, UriError> {
        scan::run(Parse { uri })
    }

    /// What `map` makes of [`Uri::parse`], without a copy of the value in between.
    pub fn map<T>(uri: &'b [u8], map: impl FnOnce(Result<Self, UriError>) -> T) -> T {
        scan::run(Then { task: Parse { uri }, map })
    }

    /// Parses from `start` to the end of the text.
    #[inline(always)]
    pub(crate) fn parse_in<S: Scanner>(text: Text<'b>, start: usize) -> Result<Self, UriError> {
        // "sip:" and "sips:" in any case; the other schemes come seldom.
        let scheme = [start, start + 1, start + 2].map(|at| text.octet(at) | 0x20);
        if scheme == *b"sip" {
            match [text.octet(start + 3), text.octet(start + 4)] {
                [b':', _] => return SipUri::parse_in::<S>(text, start + 4, false).map(Self::Sip),
                [b's' | b'S', b':'] => return SipUri::parse_in::<S>(text, start + 5, true).map(Self::Sip),
                _ => {}
            }
        }
        Self::parse_other(text.slice(start, text.end()))
    }

    #[inline(never)]
    fn parse_other(uri: &'b [u8]) -> Result<Self, UriError> {
        let end = uri
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'))
            .unwrap_or(uri.len());
        if !octet(uri, 0).is_ascii_alphabetic() || octet(uri, end) != b':' {
            return Err(UriError::Scheme);
        }
        let (scheme, rest) = (slice(uri, 0, end), slice(uri, end + 1, uri.len()));
        if scheme.eq_ignore_ascii_case(b"tel") {
            return TelUri::parse_rest(rest).map(Self::Tel);
        }
        if rest.is_empty() || span(rest, 0, &URIC) != rest.len() {
            return Err(UriError::Scheme);
        }
        Ok(Self::Other { scheme, rest })
    }

    /// The sip or sips URI, if it is one.
    #[must_use]
    pub const fn as_sip(&self) -> Option<&SipUri<'b>> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Other { .. } | Self::Tel(_) => None,
        }
    }

    /// The scheme in lower case for those we know, else as received.
    #[must_use]
    pub const fn scheme(&self) -> &'b [u8] {
        match self {
            Self::Other { scheme, .. } => scheme,
            Self::Sip(uri) if uri.secure => b"sips",
            Self::Sip(_) => b"sip",
            Self::Tel(_) => b"tel",
        }
    }
}

task!(pub(crate) ParseUri<'b> { text: Text<'b>, start: usize } -> Result<Uri<'b>, UriError>, Uri::parse_in::<S>(text, start));
task!(Parse<'b> { uri: &'b [u8] } -> Result<Uri<'b>, UriError>, Uri::parse_in::<S>(Text::whole(uri), 0));

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Escape => "bad escape",
            Self::Headers => "bad headers part",
            Self::Host => "bad host",
            Self::Params => "bad parameters",
            Self::Port => "bad port",
            Self::Scheme => "bad scheme",
            Self::Telephone => "bad telephone number",
            Self::User => "bad user",
        })
    }
}

impl core::error::Error for UriError {}
