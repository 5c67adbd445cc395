//! IPv4 (RFC 791 §3.1) and IPv6 (RFC 8200 §3, §4) headers, UDP (RFC 768) and TCP (RFC 9293 §3.1).

use crate::octets::{from, net16, net32};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// UDP's protocol number.
pub const UDP: u8 = 17;
/// TCP's protocol number.
pub const TCP: u8 = 6;

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPacket<'a> {
    /// Where it came from.
    pub source: IpAddr,
    /// Where it went.
    pub destination: IpAddr,
    /// What the payload is.
    pub protocol: u8,
    /// Which part of a datagram the payload is; `None` when it is all of it.
    pub fragment: Option<Fragment>,
    /// The payload.
    pub payload: &'a [u8],
    /// Whether the capture holds less of the payload than was sent.
    pub is_cut: bool,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// What its parts share.
    pub id: u32,
    /// Where the part begins.
    pub offset: usize,
    /// Whether more follows.
    pub more: bool,
}

impl<'a> IpPacket<'a> {
    /// Reads the headers; `None` when they are no IP headers.
    #[inline]
    #[must_use]
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::v4(packet),
            6 => Self::v6(packet),
            _ => None,
        }
    }

    #[inline(always)]
    fn v4(packet: &'a [u8]) -> Option<Self> {
        let header = packet.first_chunk::<20>()?;
        let header_length = usize::from(header[0] & 0x0F) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header_length < 20 || (total != 0 && total < header_length) {
            return None;
        }
        let address = |at: usize| net32(packet, at).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        let flags = u16::from_be_bytes([header[6], header[7]]);
        let (more, offset) = (flags & 0x2000 != 0, usize::from(flags & 0x1FFF) * 8);
        let fragment = (more || offset != 0).then(|| Fragment {
            id: u32::from(u16::from_be_bytes([header[4], header[5]])),
            offset,
            more,
        });
        // 0 is what a network card that cuts segments itself leaves.
        let end = if total == 0 { packet.len() } else { total };
        Some(Self {
            source: address(12)?,
            destination: address(16)?,
            protocol: header[9],
            fragment,
            payload: packet.get(header_length..end.min(packet.len()))?,
            is_cut: end > packet.len(),
        })
    }

    fn v6(packet: &'a [u8]) -> Option<Self> {
        let header = packet.first_chunk::<40>()?;
        let address =
            |at: usize| from(packet, at).first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)));
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let end = if length == 0 { packet.len() } else { 40 + length };
        let mut payload = packet.get(40..end.min(packet.len()))?;
        let mut protocol = header[6];
        let mut fragment = None;
        // RFC 8200 §4.1: each extension header at most once, but for the destination options.
        for _ in 0..8 {
            let length = match protocol {
                // Hop-by-hop options, routing, destination options, mobility.
                0 | 43 | 60 | 135 => usize::from(*payload.get(1)?) * 8 + 8,
                // RFC 4302 §2.2.
                51 => usize::from(*payload.get(1)?) * 4 + 8,
                44 => {
                    let place = net16(payload, 2)?;
                    let (offset, more) = (usize::from(place & 0xFFF8), place & 1 != 0);
                    if more || offset != 0 {
                        fragment = Some(Fragment { id: net32(payload, 4)?, offset, more });
                    }
                    8
                }
                _ => break,
            };
            protocol = *payload.first()?;
            payload = payload.get(length..)?;
            if fragment.is_some_and(|fragment| fragment.offset != 0) {
                break;
            }
        }
        let is_cut = end > packet.len();
        Some(Self { source: address(8)?, destination: address(24)?, protocol, fragment, payload, is_cut })
    }
}

/// Ports and payload of a UDP datagram; the payload ends where the header says.
#[inline]
#[must_use]
pub fn udp(datagram: &[u8]) -> Option<(u16, u16, &[u8])> {
    let header = datagram.first_chunk::<8>()?;
    let number = |at: usize| net16(header, at);
    let length = usize::from(number(4)?);
    let end = if length < 8 { datagram.len() } else { length.min(datagram.len()) };
    Some((number(0)?, number(2)?, datagram.get(8..end)?))
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// Sequence number of its first octet.
    pub sequence: u32,
    /// Whether the connection begins here.
    pub syn: bool,
    /// Whether it ends, with FIN or RST.
    pub ends: bool,
    /// The octets of the stream.
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Reads the header.
    #[inline]
    #[must_use]
    pub fn parse(segment: &'a [u8]) -> Option<Self> {
        let header = segment.first_chunk::<20>()?;
        let payload = segment.get(usize::from(header[12] >> 4) * 4..)?;
        Some(Self {
            ports: (net16(header, 0)?, net16(header, 2)?),
            sequence: net32(header, 4)?,
            syn: header[13] & 2 != 0,
            ends: header[13] & 5 != 0,
            payload: if header[12] >> 4 < 5 { &[] } else { payload },
        })
    }
}
