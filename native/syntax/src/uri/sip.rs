//! `sip:` and `sips:` URIs. RFC 3261 §19.1.1, §25.1.

use super::UriError;
use super::host::{Host, host_end, parse_port};
use crate::chars::{DIGIT, HEX, PASSWORD, URI_HEADER, URI_PARAM, USER, is, octet, slice, span};
use crate::header::Params;

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
    /// Parses what follows the scheme and its colon.
    #[inline]
    pub(super) fn parse_rest(rest: &'b [u8], secure: bool) -> Result<Self, UriError> {
        let (user, password, start) = userinfo(rest)?;
        let mut at = host_end(rest, start);
        let host = Host::parse(slice(rest, start, at)).ok_or(UriError::Host)?;
        let mut port = None;
        if octet(rest, at) == b':' {
            let end = span(rest, at + 1, DIGIT);
            port = Some(parse_port(slice(rest, at + 1, end)).ok_or(UriError::Port)?);
            at = end;
        }
        let hostport = slice(rest, start, at);
        let params_end = params_end(rest, at)?;
        let params = Params::checked(slice(rest, at, params_end));
        let headers = headers(rest, params_end)?;
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
/// No part of a SIP URI but userinfo's end may hold a bare `@`, so what looks like a user and is not followed by one was the host.
#[inline(always)]
fn userinfo(rest: &[u8]) -> Result<UserInfo<'_>, UriError> {
    let user_end = escaped_span(rest, 0, USER)?;
    match octet(rest, user_end) {
        b'@' if user_end > 0 => Ok((Some(slice(rest, 0, user_end)), None, user_end + 1)),
        b':' => {
            let end = escaped_span(rest, user_end + 1, PASSWORD)?;
            if octet(rest, end) == b'@' && user_end > 0 {
                return Ok((Some(slice(rest, 0, user_end)), Some(slice(rest, user_end + 1, end)), end + 1));
            }
            without_user(rest)
        }
        _ => without_user(rest),
    }
}

#[inline]
fn without_user(rest: &[u8]) -> Result<UserInfo<'_>, UriError> {
    if rest.contains(&b'@') { Err(UriError::User) } else { Ok((None, None, 0)) }
}

/// `*( ";" pname [ "=" pvalue ] )` from `at`; its end.
#[inline(always)]
fn params_end(rest: &[u8], at: usize) -> Result<usize, UriError> {
    if octet(rest, at) != b';' {
        return Ok(at);
    }
    let end = escaped_span(rest, at, URI_PARAM)?;
    let list = slice(rest, at + 1, end);
    let mut name = true;
    for byte in list {
        match byte {
            b';' | b'=' if name => return Err(UriError::Params),
            b';' => name = true,
            _ => name = false,
        }
    }
    if name { Err(UriError::Params) } else { Ok(end) }
}

/// `[ "?" header *( "&" header ) ]` from `at` to the end, without the `?`.
#[inline(always)]
fn headers(rest: &[u8], at: usize) -> Result<&[u8], UriError> {
    if at >= rest.len() {
        return Ok(&[]);
    }
    if octet(rest, at) != b'?' {
        return Err(if octet(rest, at) == b';' { UriError::Params } else { UriError::Host });
    }
    let end = escaped_span(rest, at + 1, URI_HEADER)?;
    let headers = slice(rest, at + 1, end);
    let legal = headers
        .split(|byte| *byte == b'&')
        .all(|pair| pair.iter().position(|byte| *byte == b'=').is_some_and(|equal| equal > 0));
    if end != rest.len() || !legal { Err(UriError::Headers) } else { Ok(headers) }
}

/// As [`span`], with `escaped = "%" HEXDIG HEXDIG` allowed as well.
#[inline(always)]
fn escaped_span(bytes: &[u8], from: usize, class: crate::chars::Class) -> Result<usize, UriError> {
    let mut at = from;
    loop {
        at = span(bytes, at, class);
        if octet(bytes, at) != b'%' {
            return Ok(at);
        }
        if !is(octet(bytes, at + 1), HEX) || !is(octet(bytes, at + 2), HEX) {
            return Err(UriError::Escape);
        }
        at += 3;
    }
}
