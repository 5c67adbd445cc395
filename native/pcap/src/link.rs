//! From a frame to its IP packet: link types of the registry of tcpdump.org, IEEE 802.1Q, RFC 2516.

use crate::octets::{from, net16};

/// A link type (`LINKTYPE_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link(pub u16);

impl Link {
    /// BSD loopback: the address family in four octets.
    pub const NULL: Self = Self(0);
    /// Ethernet, also with VLAN tags and PPPoE.
    pub const ETHERNET: Self = Self(1);
    /// IP without anything before it.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback.
    pub const LOOP: Self = Self(108);
    /// Linux "any" device, `LINKTYPE_LINUX_SLL`.
    pub const LINUX_SLL: Self = Self(113);
    /// IPv4 without anything before it.
    pub const IPV4: Self = Self(228);
    /// IPv6 without anything before it.
    pub const IPV6: Self = Self(229);
    /// Linux "any" device, second version.
    pub const LINUX_SLL2: Self = Self(276);

    /// The IP packet in a frame; `None` for other protocols and links that are not known.
    #[inline]
    #[must_use]
    pub fn packet(self, frame: &[u8]) -> Option<&[u8]> {
        match self {
            Self::ETHERNET => network(net16(frame, 12)?, from(frame, 14)),
            Self::LINUX_SLL => network(net16(frame, 14)?, from(frame, 16)),
            Self::LINUX_SLL2 => network(net16(frame, 0)?, from(frame, 20)),
            Self::NULL | Self::LOOP => Some(from(frame, 4)),
            // 12 and 14 are what some systems write for raw IP.
            Self::RAW | Self::IPV4 | Self::IPV6 | Self(12 | 14) => Some(frame),
            _ => None,
        }
    }
}

/// VLAN tags that are passed over.
const TAGS: usize = 8;

/// What follows an EtherType.
fn network(kind: u16, rest: &[u8]) -> Option<&[u8]> {
    let (mut kind, mut rest) = (kind, rest);
    for _ in 0..TAGS {
        match kind {
            0x0800 | 0x86DD => return Some(rest),
            // IEEE 802.1Q, 802.1ad and what came before it.
            0x8100 | 0x88A8 | 0x9100 => (kind, rest) = (net16(rest, 2)?, from(rest, 4)),
            // A PPPoE session, RFC 2516 §4; PPP protocols 0x0021 and 0x0057 are IP.
            0x8864 if matches!(net16(rest, 6), Some(0x0021 | 0x0057)) => return Some(from(rest, 8)),
            _ => return None,
        }
    }
    None
}
