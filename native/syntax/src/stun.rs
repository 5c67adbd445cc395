//! STUN on the SIP port: Binding requests read, their answers written. RFC 5389 §6, §7.3, §15, RFC 5626 §8.
//!
//! The "limited version of a STUN server" that RFC 5626 asks for: no credentials, no other server to go to, and nothing for
//! clients of RFC 3489, which have no magic cookie ("requires no backwards compatibility").

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A STUN message about Binding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stun<'b> {
    /// Wants no answer.
    Indication,
    /// Wants to know the address it comes from.
    Request(Request<'b>),
    /// Answers a request.
    Response,
}

/// A Binding request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request<'b> {
    transaction: &'b [u8],
    attributes: &'b [u8],
    has_fingerprint: bool,
}

/// Reads a datagram; `None` when it is no STUN message, is not about Binding, or is to be dropped without a word (RFC 5389 §7.3).
#[must_use]
pub fn read(octets: &[u8]) -> Option<Stun<'_>> {
    let (header, attributes) = octets.split_first_chunk::<HEADER>()?;
    let [kind_high, kind_low, length_high, length_low, cookie @ ..] = header;
    let kind = u16::from_be_bytes([*kind_high, *kind_low]);
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    let (cookie, transaction) = cookie.split_at(COOKIE.len());
    if kind & !CLASS != BINDING || cookie != COOKIE || length != attributes.len() || octets.len() > MOST {
        return None;
    }
    let mut has_fingerprint = false;
    let mut at = HEADER;
    let all = Attributes { rest: attributes };
    for attribute in all {
        let (name, value) = attribute?;
        // §15.5: it "MUST be the last attribute", and covers what stands before it.
        if has_fingerprint || name == FINGERPRINT && value != fingerprint(octets.get(..at)?) {
            return None;
        }
        has_fingerprint = name == FINGERPRINT;
        at += 4 + value.len().next_multiple_of(4);
    }
    Some(match kind & CLASS {
        REQUEST => Stun::Request(Request { transaction, attributes, has_fingerprint }),
        INDICATION => Stun::Indication,
        _ => Stun::Response,
    })
}

/// Appends the answer to a request that came from `source`: where that is (§7.3.1.1) or, when there is an attribute that must be
/// understood and is not, the names of all such attributes (420).
///
/// It is as short as it can be: without SOFTWARE, and without a reason phrase. To 20 octets it has 32, or 44 over IPv6.
pub fn write_answer(request: &Request<'_>, source: SocketAddr, out: &mut Vec<u8>) {
    let begin = out.len();
    let is_understood = request.unknown().next().is_none();
    let kind = BINDING | if is_understood { SUCCESS } else { ERROR };
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&COOKIE);
    out.extend_from_slice(request.transaction);
    if is_understood {
        write_mapped(request.transaction, source, out);
    } else {
        // Class and number of the error stand in octets of their own (§15.6).
        write_attribute(ERROR_CODE, &[0, 0, 4, 20], out);
        let names: Vec<u8> = request.unknown().flat_map(u16::to_be_bytes).collect();
        write_attribute(UNKNOWN_ATTRIBUTES, &names, out);
    }
    let end = if request.has_fingerprint { 8 } else { 0 };
    let length = (out.len() - begin - HEADER + end) as u16;
    if let Some(place) = out.get_mut(begin + 2..begin + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    if request.has_fingerprint {
        let value = fingerprint(out.get(begin..).unwrap_or_default());
        write_attribute(FINGERPRINT, &value, out);
    }
}

impl Request<'_> {
    /// Names of the attributes that must be understood and are not. What follows MESSAGE-INTEGRITY does not count (§15.4).
    fn unknown(&self) -> impl Iterator<Item = u16> {
        Attributes { rest: self.attributes }
            .map_while(|attribute| attribute.map(|(name, _)| name))
            .scan(false, |is_over, name| {
                let was_over = core::mem::replace(is_over, *is_over || name == MESSAGE_INTEGRITY);
                (!was_over).then_some(name)
            })
            .filter(|name| *name < OPTIONAL && !KNOWN.contains(name))
    }
}

/// Names and values; a `None` where they do not fit, and then nothing more.
struct Attributes<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Attributes<'b> {
    type Item = Option<(u16, &'b [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = core::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let read = || {
            let ([name_high, name_low, high, low], rest) = rest.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (padded, behind) = rest.split_at_checked(length.next_multiple_of(4))?;
            Some((u16::from_be_bytes([*name_high, *name_low]), padded.get(..length)?, behind))
        };
        Some(read().map(|(name, value, behind)| {
            self.rest = behind;
            (name, value)
        }))
    }
}

fn write_attribute(name: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&name.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len() + value.len().next_multiple_of(4) - value.len(), 0);
}

/// XOR-MAPPED-ADDRESS, §15.2: what a NAT that looks for addresses in octets does not find.
fn write_mapped(transaction: &[u8], source: SocketAddr, out: &mut Vec<u8>) {
    let mut value = Vec::with_capacity(20);
    let ip = source.ip().to_canonical();
    value.extend_from_slice(&[0, if ip.is_ipv4() { 1 } else { 2 }]);
    value.extend_from_slice(&source.port().to_be_bytes());
    match ip {
        IpAddr::V4(v4) => value.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => value.extend_from_slice(&v6.octets()),
    }
    let (head, address) = value.split_at_mut(4);
    let port = head.iter_mut().skip(2).zip(&COOKIE);
    let address = address.iter_mut().zip(COOKIE.iter().chain(transaction));
    port.chain(address).for_each(|(octet, mask)| *octet ^= mask);
    write_attribute(XOR_MAPPED_ADDRESS, &value, out);
}

/// §15.5: the CRC-32 of what stands before the attribute, and a constant, in case that is the CRC of another protocol.
fn fingerprint(octets: &[u8]) -> [u8; 4] {
    let crc = octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    });
    (!crc ^ 0x5354_554e).to_be_bytes()
}

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Octets of a message that passes every path over IPv4 (§7.1). Nobody has anything to say that takes more.
const MOST: usize = 548;
/// The two bits of the type that tell requests from what answers them (§6).
const CLASS: u16 = 0x0110;
const BINDING: u16 = 0x0001;
const REQUEST: u16 = 0x0000;
const INDICATION: u16 = 0x0010;
const SUCCESS: u16 = 0x0100;
const ERROR: u16 = 0x0110;

const MAPPED_ADDRESS: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;
/// The first name that need not be understood.
const OPTIONAL: u16 = 0x8000;
/// Those of RFC 5389. We ask for no credentials and look at none.
const KNOWN: [u16; 8] =
    [MAPPED_ADDRESS, USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES, REALM, NONCE, XOR_MAPPED_ADDRESS];
