//! Credentials and challenges: Authorization, Proxy-Authorization, WWW-Authenticate, Proxy-Authenticate, Authentication-Info.
//! RFC 3261 §20.7, §25.1; RFC 7616 §3.3, §3.4; RFC 8760 §2.

use super::HeaderId;
use crate::chars::{LWS, TOKEN, octet, quoted_end, skip_lws, slice, span, strip_quotes};
use crate::error::FieldError;

/// A scheme and its parameters. Values are without their quotes; escapes are as received, which is what digests are
/// computed over (RFC 7616 §3.4.1 `unq`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs, reason = "the fields are the parameters of RFC 7616 §3.3 and §3.4")]
pub struct Digest<'b> {
    /// The scheme as received; compare without case. Parameters are only read into fields when it is `Digest`.
    pub scheme: &'b [u8],
    pub algorithm: Option<&'b [u8]>,
    pub cnonce: Option<&'b [u8]>,
    pub nc: Option<&'b [u8]>,
    pub nonce: Option<&'b [u8]>,
    pub opaque: Option<&'b [u8]>,
    pub qop: Option<&'b [u8]>,
    pub realm: Option<&'b [u8]>,
    pub response: Option<&'b [u8]>,
    pub stale: Option<&'b [u8]>,
    pub uri: Option<&'b [u8]>,
    pub userhash: Option<&'b [u8]>,
    pub username: Option<&'b [u8]>,
    params: &'b [u8],
}

/// One `auth-param`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DigestParam<'b> {
    /// The name as received; compare without case.
    pub name: &'b [u8],
    /// The value as received, a quoted string with its quotes.
    pub raw: &'b [u8],
}

impl<'b> DigestParam<'b> {
    /// The value without its quotes, escapes left.
    #[must_use]
    pub fn value(&self) -> &'b [u8] {
        strip_quotes(self.raw)
    }
}

impl<'b> Digest<'b> {
    /// Parses a field value without white space at its ends. A scheme other than Digest is not looked into: its
    /// parameters may be of any form (RFC 4475 §3.3.7 regaut01).
    ///
    /// # Errors
    /// `Malformed` (naming `header`) when the parameters are not `name=value` between commas; `Repeated` when one of the
    /// named parameters comes twice, since two readers may then see two users.
    pub fn parse(value: &'b [u8], header: HeaderId) -> Result<Self, FieldError> {
        let malformed = FieldError::malformed(header);
        let end = span(value, 0, &TOKEN);
        let start = skip_lws(value, end);
        if end == 0 || start == end && end < value.len() {
            return Err(malformed);
        }
        let mut digest =
            Self { scheme: slice(value, 0, end), params: slice(value, start, value.len()), ..Self::default() };
        if !digest.is_digest() {
            return Ok(digest);
        }
        let mut at = 0;
        while let Some((param, next)) = next_param(digest.params, at).ok_or(malformed)? {
            if let Some(slot) = digest.slot(param.name) {
                if slot.is_some() {
                    return Err(FieldError::repeated(header));
                }
                *slot = Some(param.value());
            }
            at = next;
        }
        Ok(digest)
    }

    /// Whether the scheme is `Digest`.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// The first parameter of that name, in any case, without its quotes.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&'b [u8]> {
        self.params().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value())
    }

    /// The parameters in order, up to the first that is malformed.
    #[must_use]
    pub const fn params(&self) -> DigestParams<'b> {
        DigestParams { raw: self.params, at: 0 }
    }

    /// Whether a list such as the qop of a challenge (`"auth,auth-int"`) holds the token, in any case.
    #[must_use]
    pub fn list_contains(list: &[u8], token: &[u8]) -> bool {
        list.split(|byte| *byte == b',').any(|item| crate::chars::trim(item).eq_ignore_ascii_case(token))
    }

    /// Where the value of a parameter goes. The length leaves at most three names to compare.
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'b [u8]>> {
        let is = |known: &[u8]| known.eq_ignore_ascii_case(name);
        match name.len() {
            2 if is(b"nc") => Some(&mut self.nc),
            3 if is(b"uri") => Some(&mut self.uri),
            3 if is(b"qop") => Some(&mut self.qop),
            5 if is(b"realm") => Some(&mut self.realm),
            5 if is(b"nonce") => Some(&mut self.nonce),
            5 if is(b"stale") => Some(&mut self.stale),
            6 if is(b"cnonce") => Some(&mut self.cnonce),
            6 if is(b"opaque") => Some(&mut self.opaque),
            8 if is(b"username") => Some(&mut self.username),
            8 if is(b"response") => Some(&mut self.response),
            8 if is(b"userhash") => Some(&mut self.userhash),
            9 if is(b"algorithm") => Some(&mut self.algorithm),
            _ => None,
        }
    }
}

/// See [`Digest::params`].
#[derive(Clone, Debug)]
pub struct DigestParams<'b> {
    raw: &'b [u8],
    at: usize,
}

impl<'b> Iterator for DigestParams<'b> {
    type Item = DigestParam<'b>;

    fn next(&mut self) -> Option<DigestParam<'b>> {
        let (param, next) = next_param(self.raw, self.at)??;
        self.at = next;
        Some(param)
    }
}

/// The parameter at `at` and the position behind its comma; `Some(None)` at the end, `None` for bad grammar.
/// Empty elements between commas are passed over, as RFC 7235 §1.2 asks of recipients of such lists.
#[inline]
#[allow(clippy::option_option, reason = "end and fault differ")]
fn next_param(raw: &[u8], from: usize) -> Option<Option<(DigestParam<'_>, usize)>> {
    let mut at = from;
    while octet(raw, at) == b',' || LWS.has(octet(raw, at)) {
        at += 1;
    }
    if at >= raw.len() {
        return Some(None);
    }
    let name_end = span(raw, at, &TOKEN);
    let equal = skip_lws(raw, name_end);
    if name_end == at || octet(raw, equal) != b'=' {
        return None;
    }
    let start = skip_lws(raw, equal + 1);
    let end = if octet(raw, start) == b'"' { quoted_end(raw, start)? } else { bare_end(raw, start) };
    let name = slice(raw, at, name_end);
    let after = skip_lws(raw, end);
    match octet(raw, after) {
        b',' => Some(Some((DigestParam { name, raw: slice(raw, start, end) }, after + 1))),
        _ if after >= raw.len() => Some(Some((DigestParam { name, raw: slice(raw, start, end) }, after))),
        _ => None,
    }
}

/// Unquoted values run to the comma: some devices leave the quotes off `uri` and `opaque`, whose octets are no token.
fn bare_end(raw: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(byte) = raw.get(at) {
        if matches!(byte, b',' | b'"') || LWS.has(*byte) {
            break;
        }
        at += 1;
    }
    at
}
