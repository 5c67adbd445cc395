//! `sip:` and `sips:` URIs. RFC 3261 §19.1.1, §25.1.

use super::UriError;
use super::host::Host;
use crate::chars::{Class, HEX, PARAM, PASSWORD, URI_HEADER, USER, slice};
use crate::header::Params;
use crate::scan::Scanner;
use crate::text::Text;

/// `SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SipUri<'b> {
    /// Whether the scheme is `sips`.
    pub secure: bool,
    /// The user as received, escapes and all; it may hold `;` and `?` (RFC 4475 §3.1.1.9 semiuri).
    pub user: Option<&'b [u8]>,
    /// The password as received.
    pub password: Option<&'b [u8]>,
    /// The host.
    pub host: Host<'b>,
    /// The port.
    pub port: Option<u16>,
    /// The URI parameters.
    pub params: Params<'b>,
    /// The headers part without its `?`; empty when there is none.
    pub headers: &'b [u8],
    hostport: &'b [u8],
}

impl<'b> SipUri<'b> {
    /// Parses what follows the scheme and its colon, to the end of the text.
    #[inline(always)]
    pub(super) fn parse_in<S: Scanner>(text: Text<'b>, start: usize, secure: bool) -> Result<Self, UriError> {
        let (user, password, host_start) = userinfo::<S>(text, start)?;
        let (host, mut end) = Host::parse_in::<S>(text, host_start).ok_or(UriError::Host)?;
        let mut port = None;
        if text.octet(end) == b':' {
            let (number, port_end) = text.number(end + 1);
            if port_end == end + 1 {
                return Err(UriError::Port);
            }
            port = Some(u16::try_from(number).map_err(|_| UriError::Port)?);
            end = port_end;
        }
        let hostport = text.slice(host_start, end);
        let params_end = params_end::<S>(text, end)?;
        let params = Params::checked(text.slice(end, params_end));
        let headers = if params_end == text.end() { &[][..] } else { headers::<S>(text, params_end)? };
        Ok(Self { secure, user, password, host, port, params, headers, hostport })
    }

    /// `host [ ":" port ]` as received.
    #[must_use]
    pub const fn hostport(&self) -> &'b [u8] {
        self.hostport
    }

    /// The value of a parameter, as [`Params::find`].
    #[must_use]
    pub fn param(&self, name: &[u8]) -> Option<Option<&'b [u8]>> {
        self.params.find(name)
    }

    /// Whether the URI names a loose router (`;lr`), RFC 3261 §19.1.1.
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.params.contains(b"lr")
    }

    /// The transport parameter as received.
    #[must_use]
    pub fn transport(&self) -> Option<&'b [u8]> {
        self.params.find(b"transport").flatten()
    }

    /// The headers part as `name`, `value` pairs, escapes left.
    pub fn headers(&self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + use<'b> {
        let headers = self.headers;
        headers.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
            let equal = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (slice(pair, 0, equal), slice(pair, equal + 1, pair.len()))
        })
    }
}

/// User, password and where they end.
type UserInfo<'b> = (Option<&'b [u8]>, Option<&'b [u8]>, usize);

/// `[ ( user / telephone-subscriber ) [ ":" password ] "@" ]`; the position of hostport comes last.
///
/// What looks like a user and is not followed by `@` was the host. An `@` further on is found there: no other part of a SIP URI may hold one.
#[inline(always)]
fn userinfo<'b, S: Scanner>(text: Text<'b>, start: usize) -> Result<UserInfo<'b>, UriError> {
    let user_end = escaped_span::<S>(text, start, &USER)?;
    let user = text.slice(start, user_end);
    match text.octet(user_end) {
        b'@' if user.is_empty() => Err(UriError::User),
        b'@' => Ok((Some(user), None, user_end + 1)),
        b':' if !user.is_empty() => {
            let end = escaped_span::<S>(text, user_end + 1, &PASSWORD)?;
            if text.octet(end) != b'@' {
                return Ok((None, None, start));
            }
            Ok((Some(user), Some(text.slice(user_end + 1, end)), end + 1))
        }
        _ => Ok((None, None, start)),
    }
}

/// `*( ";" pname [ "=" pvalue ] )` from `at`; its end.
#[inline(always)]
fn params_end<S: Scanner>(text: Text<'_>, at: usize) -> Result<usize, UriError> {
    let mut at = at;
    while text.octet(at) == b';' {
        let name_end = escaped_span::<S>(text, at + 1, &PARAM)?;
        if name_end == at + 1 {
            return Err(UriError::Params);
        }
        at = name_end;
        // More than one "=" is no grammar, but base64 in extension parameters ends with them.
        while text.octet(at) == b'=' {
            at = escaped_span::<S>(text, at + 1, &PARAM)?;
        }
    }
    Ok(at)
}

/// `"?" header *( "&" header )` from `at` to the end, without the `?`.
#[inline(never)]
fn headers<'b, S: Scanner>(text: Text<'b>, at: usize) -> Result<&'b [u8], UriError> {
    if text.octet(at) != b'?' {
        return Err(UriError::Host);
    }
    let end = escaped_span::<S>(text, at + 1, &URI_HEADER)?;
    let headers = text.slice(at + 1, end);
    let legal = |pair: &[u8]| pair.iter().position(|byte| *byte == b'=').is_some_and(|equal| equal > 0);
    if end != text.end() || !headers.split(|byte| *byte == b'&').all(legal) {
        Err(UriError::Headers)
    } else {
        Ok(headers)
    }
}

/// As [`Text::span`], with `escaped = "%" HEXDIG HEXDIG` allowed as well.
#[inline(always)]
fn escaped_span<S: Scanner>(text: Text<'_>, from: usize, class: &Class) -> Result<usize, UriError> {
    let mut at = from;
    loop {
        at = text.span::<S>(at, class);
        if text.octet(at) != b'%' {
            return Ok(at);
        }
        if !HEX.has(text.octet(at + 1)) || !HEX.has(text.octet(at + 2)) {
            return Err(UriError::Escape);
        }
        at += 3;
    }
}
