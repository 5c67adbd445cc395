//! From a value in a message to the set of rules whose condition holds for it: exact texts, hosts, networks.
//!
//! Keys come from the configuration and values from peers, so no peer can make a table grow or its chains long.

use crate::routing::prefix::RuleIndex;
use crate::routing::sets::{RuleSetsBuilder, SetId};
use crate::routing::texts::TextMap;
use dialplane_syntax::Host;
use dialplane_syntax::uri::unescaped;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Rules by value, while a table is built. A rule without values has no such condition, which holds always.
#[derive(Debug)]
pub(super) struct Gather<K> {
    always: Vec<RuleIndex>,
    by_value: Vec<(K, RuleIndex)>,
}

impl<K> Gather<K> {
    pub(super) fn new() -> Self {
        Self { always: Vec::new(), by_value: Vec::new() }
    }

    /// Adds the condition of one rule.
    pub(super) fn add(&mut self, rule: RuleIndex, values: Vec<K>) {
        if values.is_empty() {
            self.always.push(rule);
        }
        self.by_value.extend(values.into_iter().map(|value| (value, rule)));
    }
}

impl<K: Ord> Gather<K> {
    /// The set of each value, and that of all others.
    fn finish(self, sets: &mut RuleSetsBuilder) -> (Vec<(K, SetId)>, SetId) {
        let mut rules: BTreeMap<K, Vec<RuleIndex>> = BTreeMap::new();
        for (value, rule) in self.by_value {
            rules.entry(value).or_default().push(rule);
        }
        let found = rules.into_iter().map(|(value, rules)| (value, sets.union([&self.always, &rules[..]]))).collect();
        (found, sets.union([&self.always[..]]))
    }
}

/// Most octets that are copied to undo escapes; no user in the configuration is longer.
const LONGEST: usize = 255;

/// Exact texts: methods (RFC 3261 §7.1, case-sensitive) and users (§19.1.4, case-sensitive, escapes undone).
#[derive(Debug)]
pub(super) struct TextIndex {
    texts: TextMap,
    otherwise: SetId,
}

impl TextIndex {
    pub(super) fn new(values: Gather<Box<[u8]>>, sets: &mut RuleSetsBuilder) -> Self {
        let (texts, otherwise) = values.finish(sets);
        Self { texts: TextMap::new(texts), otherwise }
    }

    /// Set of rules for `text` as it is.
    #[inline]
    pub(super) fn find(&self, text: Option<&[u8]>) -> SetId {
        text.and_then(|text| self.texts.find(text)).unwrap_or(self.otherwise)
    }

    /// Set of rules for `text` with its escapes undone.
    #[inline]
    pub(super) fn find_unescaped(&self, text: Option<&[u8]>) -> SetId {
        match text {
            Some(text) if text.contains(&b'%') => self.find_escaped(text),
            text => self.find(text),
        }
    }

    #[cold]
    fn find_escaped(&self, text: &[u8]) -> SetId {
        let mut buffer = [0; LONGEST];
        let mut len = 0;
        for octet in unescaped(text) {
            let Some(place) = buffer.get_mut(len) else { return self.otherwise };
            *place = octet;
            len += 1;
        }
        self.find(Some(&buffer[..len]))
    }
}

/// A host as conditions compare it: RFC 3261 §19.1.4, case-insensitive; a final dot says nothing (§25.1 `hostname`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HostKey {
    Address(IpAddr),
    Name(Box<[u8]>),
}

impl HostKey {
    pub(super) fn new(host: Host<'_>) -> Self {
        match host {
            Host::Name(name) => Self::Name(without_dot(name).to_ascii_lowercase().into()),
            Host::V4(address) => Self::Address(address.into()),
            Host::V6(address) => Self::Address(address.into()),
        }
    }
}

/// Hosts of request URIs.
#[derive(Debug)]
pub(super) struct HostIndex {
    /// Ascending.
    addresses: Box<[(IpAddr, SetId)]>,
    names: TextMap,
    otherwise: SetId,
}

impl HostIndex {
    pub(super) fn new(values: Gather<HostKey>, sets: &mut RuleSetsBuilder) -> Self {
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        let (hosts, otherwise) = values.finish(sets);
        for (host, set) in hosts {
            match host {
                HostKey::Address(address) => addresses.push((address, set)),
                HostKey::Name(name) => names.push((name, set)),
            }
        }
        Self { addresses: addresses.into(), names: TextMap::without_case(names), otherwise }
    }

    /// Set of rules for the host of a URI; `None` for a URI that has none.
    #[inline]
    pub(super) fn find(&self, host: Option<Host<'_>>) -> SetId {
        let found = match host {
            None => None,
            Some(Host::Name(name)) => self.names.find(without_dot(name)),
            Some(Host::V4(address)) => self.find_address(address.into()),
            Some(Host::V6(address)) => self.find_address(address.into()),
        };
        found.unwrap_or(self.otherwise)
    }

    fn find_address(&self, address: IpAddr) -> Option<SetId> {
        let place = self.addresses.binary_search_by_key(&address, |(address, _)| *address).ok()?;
        self.addresses.get(place).map(|(_, set)| *set)
    }
}

fn without_dot(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

/// Networks that requests come from. All networks that hold an address count, not only the smallest.
#[derive(Debug)]
pub(super) struct SourceIndex {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl SourceIndex {
    pub(super) fn new(values: Gather<IpNet>, sets: &mut RuleSetsBuilder) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, rule) in values.by_value {
            match network {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits(), rule)),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits(), rule)),
            }
        }
        Self { v4: Ranges::new(v4, &values.always, sets), v6: Ranges::new(v6, &values.always, sets) }
    }

    /// Set of rules for an address. An IPv4 address in an IPv6 one (RFC 4291 §2.5.5.2) is an IPv4 address.
    #[inline]
    pub(super) fn find(&self, source: IpAddr) -> SetId {
        match source.to_canonical() {
            IpAddr::V4(v4) => self.v4.find(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.find(v6.to_bits()),
        }
    }
}

/// The address space cut where a network begins or ends.
#[derive(Debug)]
struct Ranges<A> {
    /// First address of each piece but the first, ascending.
    cuts: Box<[A]>,
    /// Set of each piece; one more than cuts.
    sets: Box<[SetId]>,
}

/// An address as a number.
trait Bits: Copy + Ord {
    fn after(self) -> Option<Self>;
}

impl Bits for u32 {
    fn after(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Bits for u128 {
    fn after(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl<A: Bits> Ranges<A> {
    /// `networks`: first and last address and the rule.
    fn new(networks: Vec<(A, A, RuleIndex)>, always: &[RuleIndex], sets: &mut RuleSetsBuilder) -> Self {
        // Networks nest or are apart, so those that hold an address are a stack while we walk through the space.
        let mut by_network: Vec<(A, A, Vec<RuleIndex>)> = Vec::new();
        let mut networks = networks;
        networks.sort_by_key(|&(first, last, rule)| (first, std::cmp::Reverse(last), rule));
        for (first, last, rule) in networks {
            match by_network.last_mut() {
                Some((f, l, rules)) if (*f, *l) == (first, last) => rules.push(rule),
                _ => by_network.push((first, last, vec![rule])),
            }
        }
        let outside = sets.union([always]);
        let mut ranges = Cut { cuts: Vec::new(), sets: vec![outside] };
        let mut open: Vec<(A, SetId, Vec<RuleIndex>)> = Vec::new();
        for (first, last, mut rules) in by_network {
            ranges.close(&mut open, outside, |end| end < first);
            rules.extend(open.last().map(|(_, _, outer)| &outer[..]).unwrap_or(always));
            let set = sets.union([&rules[..]]);
            ranges.cut(first, set);
            open.push((last, set, rules));
        }
        ranges.close(&mut open, outside, |_| true);
        Self { cuts: ranges.cuts.into(), sets: ranges.sets.into() }
    }

    #[inline]
    fn find(&self, address: A) -> SetId {
        let piece = self.cuts.partition_point(|&cut| cut <= address);
        self.sets.get(piece).copied().unwrap_or_default()
    }
}

struct Cut<A> {
    cuts: Vec<A>,
    sets: Vec<SetId>,
}

impl<A: Bits> Cut<A> {
    /// From `first` on it is `set`.
    fn cut(&mut self, first: A, set: SetId) {
        if self.cuts.last() == Some(&first) {
            self.sets.pop();
            self.cuts.pop();
        }
        self.cuts.push(first);
        self.sets.push(set);
    }

    /// Closes the innermost networks as long as `ends` says so of their last address.
    fn close(&mut self, open: &mut Vec<(A, SetId, Vec<RuleIndex>)>, outside: SetId, ends: impl Fn(A) -> bool) {
        while let Some((last, _, _)) = open.pop_if(|(last, _, _)| ends(*last)) {
            let around = open.last().map_or(outside, |(_, set, _)| *set);
            if let Some(next) = last.after() {
                self.cut(next, around);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::sets::{RuleSets, contains};
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const RULES: u32 = 9;

    fn rules(sets: &RuleSets, set: SetId) -> Vec<RuleIndex> {
        (0..RULES).filter(|&rule| contains(sets.bits(set), rule)).collect()
    }

    #[test]
    fn hosts_are_compared_as_rfc_3261_says() {
        let mut values = Gather::new();
        let host = |text: &str| HostKey::new(Host::parse(text.as_bytes()).expect("a host"));
        values.add(0, vec![]);
        values.add(1, vec![host("Example.COM"), host("192.0.2.1")]);
        values.add(2, vec![host("example.com."), host("[2001:DB8::1]")]);
        let mut sets = RuleSetsBuilder::new(RULES as usize);
        let index = HostIndex::new(values, &mut sets);
        let sets = sets.finish();
        for (host, expected) in [
            (Some("example.com"), &[0, 1, 2][..]),
            (Some("EXAMPLE.com."), &[0, 1, 2]),
            (Some("www.example.com"), &[0]),
            (Some("192.0.2.1"), &[0, 1]),
            (Some("192.0.2.2"), &[0]),
            (Some("[2001:db8:0:0::1]"), &[0, 2]),
            (None, &[0]),
        ] {
            let parsed = host.map(|host| Host::parse(host.as_bytes()).expect("a host"));
            assert_eq!(rules(&sets, index.find(parsed)), expected, "{host:?}");
        }
    }

    #[test]
    fn users_are_compared_with_escapes_undone() {
        let mut values = Gather::new();
        values.add(3, vec![b"alice"[..].into(), b"a b"[..].into()]);
        let mut sets = RuleSetsBuilder::new(RULES as usize);
        let index = TextIndex::new(values, &mut sets);
        let sets = sets.finish();
        for (user, expected) in [
            (Some("alice"), &[3][..]),
            (Some("%61lice"), &[3]), // RFC 3261 §19.1.4
            (Some("a%20b"), &[3]),
            (Some("Alice"), &[]),
            (Some(&"%41".repeat(300)), &[]),
            (None, &[]),
        ] {
            assert_eq!(rules(&sets, index.find_unescaped(user.map(str::as_bytes))), expected, "{user:?}");
        }
    }

    #[test]
    fn the_ends_of_the_address_space() {
        let mut values = Gather::new();
        let net = |text: &str| text.parse::<IpNet>().expect("a network");
        values.add(0, vec![net("0.0.0.0/0")]);
        values.add(1, vec![net("255.255.255.255/32"), net("0.0.0.0/32")]);
        values.add(2, vec![net("::/0")]);
        let mut sets = RuleSetsBuilder::new(RULES as usize);
        let index = SourceIndex::new(values, &mut sets);
        let sets = sets.finish();
        for (source, expected) in [
            ("0.0.0.0", &[0, 1][..]),
            ("0.0.0.1", &[0]),
            ("255.255.255.255", &[0, 1]),
            ("::ffff:255.255.255.255", &[0, 1]),
            ("::1", &[2]),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[2]),
        ] {
            assert_eq!(rules(&sets, index.find(source.parse().expect("an address"))), expected, "{source}");
        }
    }

    proptest! {
        #[test]
        fn networks_hold_what_they_contain(
            networks in proptest::collection::vec((any::<[bool; 6]>(), 0u8..=6, 0..RULES), 0..20),
            source: [bool; 6],
        ) {
            // Addresses that differ in their first six bits only, so that networks often nest and touch.
            let bits = |bits: [bool; 6]| {
                Ipv4Addr::from_bits(bits.iter().enumerate().map(|(place, bit)| u32::from(*bit) << (31 - place)).sum())
            };
            let mut values = Gather::new();
            let mut expected = Vec::new();
            for (address, len, rule) in networks {
                let net = IpNet::new(bits(address).into(), len).expect("up to 32").trunc();
                if net.contains(&IpAddr::V4(bits(source))) {
                    expected.push(rule);
                }
                values.add(rule, vec![net]);
            }
            expected.sort_unstable();
            expected.dedup();
            let mut sets = RuleSetsBuilder::new(RULES as usize);
            let index = SourceIndex::new(values, &mut sets);
            prop_assert_eq!(rules(&sets.finish(), index.find(bits(source).into())), expected);
        }
    }
}
