//! Who sends, as far as an attacker cannot choose it freely: an IPv4 address, or the first 64 bits of an IPv6 address, all
//! of which a customer gets (RFC 6177 §2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A source of messages. IPv4 addresses stand among the prefixes that RFC 4291 §2.5.5 keeps from use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(u64);

/// Before an IPv4 address.
const V4: u64 = 0xffff << 32;
/// In the place of the prefix `::/64`, as 0 marks what is free. No message comes from `ffff:…`, which is for multicast.
const ZERO: u64 = u64::MAX;

impl Source {
    /// The source that an address belongs to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(V4 | u64::from(v4.to_bits())),
            IpAddr::V6(v6) => match (v6.to_bits() >> 64) as u64 {
                0 => Self(ZERO),
                prefix => Self(prefix),
            },
        }
    }

    /// As one word, never 0.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0
    }

    /// Back from its word; `None` for 0.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        (word != 0).then_some(Self(word))
    }
}

/// `192.0.2.1`, `2001:db8::/64`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ZERO => f.write_str("::/64"),
            word if word >> 32 == V4 >> 32 => write!(f, "{}", Ipv4Addr::from_bits(word as u32)),
            prefix => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(prefix) << 64)),
        }
    }
}

/// An address, or what [`Display`](fmt::Display) wrote.
impl FromStr for Source {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_suffix("/64").unwrap_or(text).parse().map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_are_one_source() {
        for (address, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("255.255.255.255", "255.255.255.255"),
            ("0.0.0.0", "0.0.0.0"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
            ("fe80::1", "fe80::/64"),
            ("::1", "::/64"),
        ] {
            let source: Source = address.parse().expect(address);
            assert_eq!(source.to_string(), shown);
            assert_eq!(shown.parse(), Ok(source));
            assert_eq!(Source::from_word(source.word()), Some(source));
        }
        assert_ne!(Source::of("0.0.0.0".parse().expect("an address")), Source::of("::1".parse().expect("an address")));
        assert!("customer".parse::<Source>().is_err());
    }
}
