//! Hosts and ports. RFC 3261 §25.1 (`host`), RFC 5118 §4, RFC 5954 §4 (the corrected IPv6 grammar).

use crate::chars::{decimal, octet, slice};
use crate::scan::{self, Scanner, task};
use crate::text::Text;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `host = hostname / IPv4address / IPv6reference`.
#[derive(Clone, Copy, Debug)]
pub enum Host<'b> {
    /// A host name as received; compare without case.
    Name(&'b [u8]),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The address of an IPv6 reference.
    V6(Ipv6Addr),
}

impl<'b> Host<'b> {
    /// Parses a host; IPv6 in brackets. `None` when it is none: `hostname = *( domainlabel "." ) toplabel [ "." ]` has at most 255 octets and no label
    /// that is empty or begins or ends with `-`.
    ///
    /// DEVIATION: `_` is read in host names; container and Windows networks use it, and DNS carries it. The last label may begin with a digit: devices
    /// send broken IPv4 addresses such as `1192.0.2.20` in URIs that nobody resolves, and whoever resolves one finds no such name.
    #[must_use]
    pub fn parse(host: &'b [u8]) -> Option<Self> {
        scan::run(Parse { host })
    }

    /// The host that begins at `start`, and where it ends.
    #[inline(always)]
    pub(crate) fn parse_in<S: Scanner>(text: Text<'b>, start: usize) -> Option<(Self, usize)> {
        if text.octet(start) == b'[' {
            return reference(text, start);
        }
        let end = text.host_name::<S>(start)?;
        let host = text.slice(start, end);
        if text.octet(start).is_ascii_digit()
            && let Some(address) = parse_v4(without_dot(host))
        {
            // With a final dot it is neither an address nor a name.
            return (!host.ends_with(b".")).then_some((Self::V4(address), end));
        }
        (host.len() <= 255).then_some((Self::Name(host), end))
    }

    /// The address, unless it is a name.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// Whether both name the same host: names without case and without a final dot, addresses by value (RFC 5118 §4.1: many texts, one
    /// address). A name never equals an address (RFC 3261 §19.1.4).
    #[must_use]
    pub fn matches(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(a), Host::Name(b)) => without_dot(a).eq_ignore_ascii_case(without_dot(b)),
            (Self::V4(a), Host::V4(b)) => a == b,
            (Self::V6(a), Host::V6(b)) => a == b,
            _ => false,
        }
    }

    /// Appends the canonical text: names in lower case without a final dot, IPv6 compressed and in brackets (RFC 5952 §4).
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Name(name) => out.extend(without_dot(name).iter().map(u8::to_ascii_lowercase)),
            Self::V4(address) => write_v4(*address, out),
            Self::V6(address) => {
                out.push(b'[');
                write_v6(*address, out);
                out.push(b']');
            }
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl Eq for Host<'_> {}

/// Whether two sent-by values name the same element: hosts as [`Host::matches`], an absent port as `default_port`
/// (RFC 3261 §18.1.2, §18.2.2).
#[must_use]
pub fn sent_by_matches(a: (&Host<'_>, Option<u16>), b: (&Host<'_>, Option<u16>), default_port: u16) -> bool {
    a.1.unwrap_or(default_port) == b.1.unwrap_or(default_port) && a.0.matches(b.0)
}

/// Appends an address without brackets.
pub fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => write_v4(address, out),
        IpAddr::V6(address) => write_v6(address, out),
    }
}

/// Appends an address as a host, IPv6 in brackets.
pub fn write_host(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => Host::V4(address).write(out),
        IpAddr::V6(address) => Host::V6(address).write(out),
    }
}

/// An address parameter such as `received`: IPv4, or IPv6 with or without brackets (RFC 5118 §4.5).
#[must_use]
pub fn parse_address(text: &[u8]) -> Option<IpAddr> {
    match text {
        [b'[', inner @ .., b']'] => parse_v6(inner).map(IpAddr::V6),
        _ if text.contains(&b':') => parse_v6(text).map(IpAddr::V6),
        _ => parse_v4(text).map(IpAddr::V4),
    }
}

/// `IPv6reference = "[" IPv6address "]"`.
#[inline(never)]
fn reference<'b>(text: Text<'b>, start: usize) -> Option<(Host<'b>, usize)> {
    // The longest IPv6 text has 45 octets; a search without a bound would read a hostile value twice.
    let window = text.slice(start + 1, text.end().min(start + 64));
    let length = window.iter().position(|byte| *byte == b']')?;
    Some((Host::V6(parse_v6(slice(window, 0, length))?), start + length + 2))
}

task!(Parse<'b> { host: &'b [u8] } -> Option<Host<'b>>, {
    Host::parse_in::<S>(Text::whole(host), 0).filter(|(_, end)| *end == host.len()).map(|(host, _)| host)
});

/// `port = 1*DIGIT`, at most 65535.
#[inline(always)]
pub(crate) fn parse_port(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 5 {
        return decimal(text).and_then(|number| u16::try_from(number).ok());
    }
    let mut number = 0u32;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u32::from(digit);
    }
    u16::try_from(number).ok()
}

/// `1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT`, each at most 255, decimal also with leading zeros.
#[inline(always)]
fn parse_v4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut address = 0;
    let mut at = 0;
    for part in 0..4 {
        let start = at;
        let mut number = 0;
        while at < start + 3 {
            let digit = octet(text, at).wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number * 10 + u32::from(digit);
            at += 1;
        }
        if at == start || number > 255 || (part < 3 && octet(text, at) != b'.') {
            return None;
        }
        address = address << 8 | number;
        at += usize::from(part < 3);
    }
    (at == text.len()).then_some(Ipv4Addr::from(address))
}

/// The text of an IPv6 address without brackets.
///
/// DEVIATION: the `:::` that the grammar of RFC 3261 lets through before an IPv4 tail is read as `::` (RFC 5118 §4.10).
fn parse_v6(text: &[u8]) -> Option<Ipv6Addr> {
    if text.len() > 45 {
        return None;
    }
    let text = core::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (head, tail) = text.split_once(":::")?;
    let mut fixed = [0u8; 48];
    let (head, tail) = (head.as_bytes(), tail.as_bytes());
    let length = head.len() + 2 + tail.len();
    let mut parts = head.iter().chain(b"::").chain(tail);
    for slot in fixed.get_mut(..length)? {
        *slot = *parts.next()?;
    }
    core::str::from_utf8(slice(&fixed, 0, length)).ok()?.parse().ok()
}

fn without_dot(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

fn write_v4(address: Ipv4Addr, out: &mut Vec<u8>) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        crate::chars::write_decimal(u64::from(octet), out);
    }
}

fn write_v6(address: Ipv6Addr, out: &mut Vec<u8>) {
    let text = alloc::format!("{address}");
    out.extend_from_slice(text.as_bytes());
}
