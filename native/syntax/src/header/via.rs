//! Via values. RFC 3261 §20.42; `rport` and `received` after RFC 3581.

use super::HeaderId;
use super::params::{Param, Params, header_param};
use crate::chars::{TOKEN, decimal, octet, offset_in, skip_lws, slice, span};
use crate::error::FieldError;
use crate::uri::Host;
use crate::uri::host::{host_end, parse_port};
use core::ops::Range;

/// One `via-parm = sent-protocol LWS sent-by *( SEMI via-params )`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Via<'b> {
    /// The transport as received: `UDP`, `TCP`, `TLS`, `SCTP`, `WS`, `WSS` or another token; compare without case.
    pub transport: &'b [u8],
    /// Host of sent-by.
    pub host: Host<'b>,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// The branch parameter.
    pub branch: Option<&'b [u8]>,
    /// The received parameter, IPv6 with or without brackets (RFC 5118 §4.5).
    pub received: Option<&'b [u8]>,
    /// The rport parameter: `Some(None)` asks for symmetric responses (RFC 3581 §3).
    pub rport: Option<Option<u16>>,
    /// The maddr parameter.
    pub maddr: Option<&'b [u8]>,
    /// The ttl parameter.
    pub ttl: Option<u8>,
    sent_by: &'b [u8],
    params: Params<'b>,
    rport_name: Option<&'b [u8]>,
    whole: &'b [u8],
    offset: usize,
}

impl<'b> Via<'b> {
    /// Parses an element without white space at its ends. `offset` is where it begins in the message; give 0 when ranges do not matter.
    ///
    /// # Errors
    /// `Malformed` when the grammar is not followed (RFC 4475 §3.1.2.1 badinv01); `OutOfRange` for a port above 65535 or a ttl above
    /// 255; `Repeated` for a second branch, received, rport, maddr or ttl.
    pub fn parse(value: &'b [u8], offset: usize) -> Result<Self, FieldError> {
        let malformed = FieldError::malformed(HeaderId::VIA);
        let (transport, at) = sent_protocol(value).ok_or(malformed)?;
        let start = skip_lws(value, at);
        if start == at {
            return Err(malformed);
        }
        let end = host_end(value, start);
        let host = Host::parse(slice(value, start, end)).ok_or(malformed)?;
        let (port, end) = sent_by_port(value, end)?;
        let mut via = Self {
            transport,
            host,
            port,
            branch: None,
            received: None,
            rport: None,
            maddr: None,
            ttl: None,
            sent_by: slice(value, start, end),
            params: Params::default(),
            rport_name: None,
            whole: value,
            offset,
        };
        let mut at = skip_lws(value, end);
        via.params = Params::checked(slice(value, at, value.len()));
        while at < value.len() {
            if octet(value, at) != b';' {
                return Err(malformed);
            }
            let (param, end) = header_param(value, at).ok_or(malformed)?;
            via.take(param)?;
            at = skip_lws(value, end);
        }
        Ok(via)
    }

    #[inline(always)]
    fn take(&mut self, param: Param<'b>) -> Result<(), FieldError> {
        // The first letter and the length decide almost always; extension parameters pass through.
        match (param.name.len(), octet(param.name, 0) | 0x20) {
            (6, b'b') if param.name.eq_ignore_ascii_case(b"branch") => set(&mut self.branch, param.value),
            (8, b'r') if param.name.eq_ignore_ascii_case(b"received") => set(&mut self.received, param.value),
            (5, b'm') if param.name.eq_ignore_ascii_case(b"maddr") => set(&mut self.maddr, param.value),
            (5, b'r') if param.name.eq_ignore_ascii_case(b"rport") => {
                if self.rport.is_some() {
                    return Err(FieldError::repeated(HeaderId::VIA));
                }
                self.rport_name = Some(param.name);
                self.rport = match param.value {
                    None => Some(None),
                    Some(value) => Some(Some(parse_port(value).ok_or(FieldError::out_of_range(HeaderId::VIA))?)),
                };
                Ok(())
            }
            (3, b't') if param.name.eq_ignore_ascii_case(b"ttl") => {
                if self.ttl.is_some() {
                    return Err(FieldError::repeated(HeaderId::VIA));
                }
                let number = param.value.and_then(decimal).ok_or(FieldError::malformed(HeaderId::VIA))?;
                self.ttl = Some(u8::try_from(number).map_err(|_| FieldError::out_of_range(HeaderId::VIA))?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// `host [ ":" port ]` as received.
    #[must_use]
    pub const fn sent_by(&self) -> &'b [u8] {
        self.sent_by
    }

    /// All parameters, extensions too.
    #[must_use]
    pub const fn params(&self) -> Params<'b> {
        self.params
    }

    /// Where the element lies in the message. A parameter is appended at its end.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.whole.len()
    }

    /// Where sent-by lies in the message.
    #[must_use]
    pub fn sent_by_range(&self) -> Range<usize> {
        let start = self.offset + offset_in(self.whole, self.sent_by);
        start..start + self.sent_by.len()
    }

    /// Where the name and the value, if any, of rport lie in the message. With an empty rport `=port` is inserted at the end (RFC 3581 §4).
    #[must_use]
    pub fn rport_range(&self) -> Option<Range<usize>> {
        self.named_range(self.rport_name?)
    }

    /// Where the name and the value of received lie in the message.
    #[must_use]
    pub fn received_range(&self) -> Option<Range<usize>> {
        let param = self.params.iter().find(|param| param.name.eq_ignore_ascii_case(b"received"))?;
        self.named_range(param.name)
    }

    /// Whether the branch begins with `z9hG4bK` (RFC 3261 §8.1.1.7) and more follows (RFC 4475 §3.2.1 badbranch).
    #[must_use]
    pub fn has_cookie(&self) -> bool {
        self.branch.is_some_and(|branch| {
            branch.len() > 7 && branch.get(..7).is_some_and(|cookie| cookie.eq_ignore_ascii_case(b"z9hG4bK"))
        })
    }

    fn named_range(&self, name: &'b [u8]) -> Option<Range<usize>> {
        let param = self.params.iter().find(|param| core::ptr::eq(param.name, name))?;
        let last = param.value.unwrap_or(param.name);
        let start = offset_in(self.whole, name);
        let end = offset_in(self.whole, last) + last.len();
        Some(self.offset + start..self.offset + end)
    }
}

#[inline(always)]
fn set<'b>(slot: &mut Option<&'b [u8]>, value: Option<&'b [u8]>) -> Result<(), FieldError> {
    if slot.is_some() {
        return Err(FieldError::repeated(HeaderId::VIA));
    }
    *slot = Some(value.ok_or(FieldError::malformed(HeaderId::VIA))?);
    Ok(())
}

/// `protocol-name SLASH protocol-version SLASH transport`: the transport and the position behind it.
#[inline(always)]
fn sent_protocol(value: &[u8]) -> Option<(&[u8], usize)> {
    if value.starts_with(b"SIP/2.0/") {
        let end = span(value, 8, TOKEN);
        if end > 8 {
            return Some((slice(value, 8, end), end));
        }
    }
    let name_end = span(value, 0, TOKEN);
    let version = after_slash(value, name_end)?;
    let version_end = span(value, version, TOKEN);
    let transport = after_slash(value, version_end)?;
    let end = span(value, transport, TOKEN);
    let sip = slice(value, 0, name_end).eq_ignore_ascii_case(b"SIP") && slice(value, version, version_end) == b"2.0";
    (sip && end > transport).then_some((slice(value, transport, end), end))
}

fn after_slash(value: &[u8], at: usize) -> Option<usize> {
    let slash = skip_lws(value, at);
    (octet(value, slash) == b'/').then(|| skip_lws(value, slash + 1))
}

/// `[ COLON port ]` after the host at `at`, white space allowed around the colon; the port and the end of sent-by.
#[inline(always)]
fn sent_by_port(value: &[u8], at: usize) -> Result<(Option<u16>, usize), FieldError> {
    let colon = skip_lws(value, at);
    if octet(value, colon) != b':' {
        return Ok((None, at));
    }
    let start = skip_lws(value, colon + 1);
    let end = span(value, start, crate::chars::DIGIT);
    if end == start {
        return Err(FieldError::malformed(HeaderId::VIA));
    }
    let port = parse_port(slice(value, start, end)).ok_or(FieldError::out_of_range(HeaderId::VIA))?;
    Ok((Some(port), end))
}
