//! Via values. RFC 3261 §20.42; `rport` and `received` after RFC 3581.

use super::HeaderId;
use super::params::{HeaderParam, Params, header_param, plain_param, word_of};
use crate::chars::{TOKEN, decimal, offset_in};
use crate::error::FieldError;
use crate::field::Values;
use crate::scan::{self, Scanner, task};
use crate::text::Text;
use crate::uri::Host;
use crate::uri::host::parse_port;
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
    /// The first keep parameter and its value: `Some(None)` offers keep-alives (RFC 6223 §4.3).
    pub keep: Option<Option<&'b [u8]>>,
    sent_by: &'b [u8],
    params: Params<'b>,
    whole: &'b [u8],
    offset: usize,
    /// Where received, rport and keep lie, counted from the first octet of the element; empty when they are not there.
    received_at: Place,
    rport_at: Place,
    keep_at: Place,
}

/// A range of an element.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Place {
    start: u32,
    end: u32,
}

impl<'b> Via<'b> {
    /// Parses an element without white space at its ends. `offset` is where it begins in the message; give 0 when ranges do not matter.
    ///
    /// # Errors
    /// `Malformed` when the grammar is not followed (RFC 4475 §3.1.2.1 badinv01); `OutOfRange` for a port above 65535 or a ttl above
    /// 255; `Repeated` for a second branch, received, rport, maddr or ttl.
    pub fn parse(value: &'b [u8], offset: usize) -> Result<Self, FieldError> {
        let via = scan::run(Parse { value })?;
        Ok(Self { offset, ..via })
    }

    /// The element that begins at `start`, and where the comma or the end behind it is. Its offset counts from the first octet of the text.
    #[inline(always)]
    pub(crate) fn parse_in<S: Scanner>(text: Text<'b>, start: usize) -> Result<(Self, usize), FieldError> {
        let malformed = FieldError::malformed(HeaderId::VIA);
        let (transport, transport_end) = sent_protocol::<S>(text, start).ok_or(malformed)?;
        let host_start = text.skip_lws(transport_end);
        if host_start == transport_end {
            return Err(malformed);
        }
        let (host, host_end) = Host::parse_in::<S>(text, host_start).ok_or(malformed)?;
        let (port, sent_by_end) = sent_by_port(text, host_end)?;
        let mut end = sent_by_end;
        let mut at = text.skip_lws(sent_by_end);
        let params_start = at;
        let mut via = Self {
            transport,
            host,
            port,
            branch: None,
            received: None,
            rport: None,
            maddr: None,
            ttl: None,
            keep: None,
            sent_by: text.slice(host_start, sent_by_end),
            params: Params::default(),
            whole: &[],
            offset: start,
            received_at: Place::default(),
            rport_at: Place::default(),
            keep_at: Place::default(),
        };
        while text.octet(at) == b';' {
            let param = match plain_param::<S>(text, at, is_known) {
                Some(param) => param,
                None => header_param::<S>(text, at).ok_or(malformed)?,
            };
            end = param.end;
            at = text.skip_lws(param.end);
            via.take(param, start)?;
        }
        if at != text.end() && text.octet(at) != b',' {
            return Err(malformed);
        }
        via.params = Params::checked(text.slice(params_start, end));
        via.whole = text.slice(start, end);
        Ok((via, at))
    }

    #[inline(always)]
    fn take(&mut self, param: HeaderParam<'b>, offset: usize) -> Result<(), FieldError> {
        let place = Place { start: (param.start - offset) as u32, end: (param.end - offset) as u32 };
        match param.name {
            BRANCH => set(&mut self.branch, param.value),
            KEEP if self.keep.is_none() => {
                self.keep_at = place;
                self.keep = Some(param.value);
                Ok(())
            }
            MADDR => set(&mut self.maddr, param.value),
            RECEIVED => {
                self.received_at = place;
                set(&mut self.received, param.value)
            }
            RPORT if self.rport.is_some() => Err(FieldError::repeated(HeaderId::VIA)),
            RPORT => {
                self.rport_at = place;
                self.rport = Some(match param.value {
                    None => None,
                    Some(value) => Some(parse_port(value).ok_or(FieldError::out_of_range(HeaderId::VIA))?),
                });
                Ok(())
            }
            TTL if self.ttl.is_some() => Err(FieldError::repeated(HeaderId::VIA)),
            TTL => {
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
    pub const fn rport_range(&self) -> Option<Range<usize>> {
        self.range_at(self.rport_at)
    }

    /// Where the name and the value of received lie in the message.
    #[must_use]
    pub const fn received_range(&self) -> Option<Range<usize>> {
        self.range_at(self.received_at)
    }

    /// Where the name and the value, if any, of keep lie in the message.
    #[must_use]
    pub const fn keep_range(&self) -> Option<Range<usize>> {
        self.range_at(self.keep_at)
    }

    /// Whether the branch begins with `z9hG4bK` (RFC 3261 §8.1.1.7) and more follows (RFC 4475 §3.2.1 badbranch).
    #[must_use]
    pub fn has_cookie(&self) -> bool {
        self.branch.is_some_and(|branch| {
            branch.len() > 7 && branch.get(..7).is_some_and(|cookie| cookie.eq_ignore_ascii_case(b"z9hG4bK"))
        })
    }

    const fn range_at(&self, place: Place) -> Option<Range<usize>> {
        if place.end == 0 {
            return None;
        }
        Some(self.offset + place.start as usize..self.offset + place.end as usize)
    }
}

const BRANCH: u64 = word_of("branch");
const KEEP: u64 = word_of("keep");
const MADDR: u64 = word_of("maddr");
const RECEIVED: u64 = word_of("received");
const RPORT: u64 = word_of("rport");
const TTL: u64 = word_of("ttl");

/// Whether the name is that of a parameter with a field of its own.
#[inline(always)]
const fn is_known(name: u64) -> bool {
    matches!(name, BRANCH | KEEP | MADDR | RECEIVED | RPORT | TTL)
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
fn sent_protocol<'b, S: Scanner>(text: Text<'b>, start: usize) -> Option<(&'b [u8], usize)> {
    if text.slice(start, start + 8) == b"SIP/2.0/" {
        let end = text.span::<S>(start + 8, &TOKEN);
        if end > start + 8 {
            return Some((text.slice(start + 8, end), end));
        }
    }
    let name_end = text.span::<S>(start, &TOKEN);
    let version = after_slash(text, name_end)?;
    let version_end = text.span::<S>(version, &TOKEN);
    let transport = after_slash(text, version_end)?;
    let end = text.span::<S>(transport, &TOKEN);
    let sip = text.slice(start, name_end).eq_ignore_ascii_case(b"SIP") && text.slice(version, version_end) == b"2.0";
    (sip && end > transport).then_some((text.slice(transport, end), end))
}

fn after_slash(text: Text<'_>, at: usize) -> Option<usize> {
    let slash = text.skip_lws(at);
    (text.octet(slash) == b'/').then(|| text.skip_lws(slash + 1))
}

/// `[ COLON port ]` after the host at `at`, white space allowed around the colon; the port and the end of sent-by.
#[inline(always)]
fn sent_by_port(text: Text<'_>, at: usize) -> Result<(Option<u16>, usize), FieldError> {
    let colon = text.skip_lws(at);
    if text.octet(colon) != b':' {
        return Ok((None, at));
    }
    let start = text.skip_lws(colon + 1);
    let (port, end) = text.number(start);
    if end == start {
        return Err(FieldError::malformed(HeaderId::VIA));
    }
    let port = u16::try_from(port).map_err(|_| FieldError::out_of_range(HeaderId::VIA))?;
    Ok((Some(port), end))
}

task!(Parse<'b> { value: &'b [u8] } -> Result<Via<'b>, FieldError>, match Via::parse_in::<S>(Text::whole(value), 0)? {
    (via, end) if end == value.len() => Ok(via),
    _ => Err(FieldError::malformed(HeaderId::VIA)),
});

/// The Vias of a message in order. One that cannot be read is an error, and the next one follows.
#[derive(Clone, Debug)]
pub struct Vias<'b> {
    values: Values<'b>,
}

impl<'b> Vias<'b> {
    pub(crate) const fn new(values: Values<'b>) -> Self {
        Self { values }
    }
}

impl<'b> Iterator for Vias<'b> {
    type Item = Result<Via<'b>, FieldError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        scan::run(Next { values: &mut self.values })
    }
}

task!(Next<'a, 'b> { values: &'a mut Values<'b> } -> Option<Result<Via<'b>, FieldError>>, values.next_with::<S, _>(Via::parse_in::<S>));
