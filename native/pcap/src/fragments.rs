//! Datagrams that came in several IP packets. RFC 791 §3.2, RFC 8200 §4.5.
//!
//! Bounded, whatever the capture holds. Fragments that overlap end the datagram (RFC 5722 §4).

use crate::ip::IpPacket;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Datagrams that wait for their parts; the oldest makes room.
const WAITING: usize = 1024;
/// RFC 8200 §4.5: 60 seconds, in nanoseconds.
const PATIENCE: u64 = 60_000_000_000;
/// The longest datagram.
const LONGEST: usize = 65_535;

type Key = (IpAddr, IpAddr, u8, u32);

/// Puts datagrams together.
#[derive(Clone, Debug, Default)]
pub struct Fragments {
    waiting: HashMap<Key, Partial>,
    /// In the order in which they began; those that are complete are still in it.
    order: VecDeque<(Key, u64)>,
    /// Tells a datagram from a later one with the same key.
    serial: u64,
    given_up: u64,
}

#[derive(Clone, Debug)]
struct Partial {
    serial: u64,
    since: u64,
    octets: Vec<u8>,
    /// Ranges that have come, in order; they do not overlap.
    ranges: Vec<(usize, usize)>,
    /// Known once the last part has come.
    length: Option<usize>,
}

impl Fragments {
    /// Datagrams that never became complete, so far.
    #[must_use]
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Takes one fragment and gives the payload of its datagram when that is complete; `None` for a packet that is no fragment.
    pub fn add(&mut self, packet: &IpPacket<'_>, time: u64) -> Option<Vec<u8>> {
        let fragment = packet.fragment?;
        let key = (packet.source, packet.destination, packet.protocol, fragment.id);
        self.forget(time);
        if packet.is_cut || fragment.offset + packet.payload.len() > LONGEST {
            self.drop(&key);
            return None;
        }
        let serial = self.serial;
        let partial = self.waiting.entry(key).or_insert_with(|| Partial {
            serial,
            since: time,
            octets: Vec::new(),
            ranges: Vec::new(),
            length: None,
        });
        if partial.serial == serial {
            self.serial += 1;
            self.order.push_back((key, serial));
        }
        if !partial.put(fragment.offset, packet.payload, fragment.more) {
            self.drop(&key);
            return None;
        }
        if partial.is_complete() { self.waiting.remove(&key).map(|partial| partial.octets) } else { None }
    }

    fn drop(&mut self, key: &Key) {
        self.given_up += u64::from(self.waiting.remove(key).is_some());
    }

    /// Forgets what waits for too long, and the oldest when there are too many.
    fn forget(&mut self, now: u64) {
        while let Some((key, serial)) = self.order.front().copied() {
            match self.waiting.get(&key).filter(|partial| partial.serial == serial) {
                None => {}
                Some(partial) if now.saturating_sub(partial.since) > PATIENCE => self.drop(&key),
                Some(_) if self.waiting.len() >= WAITING => self.drop(&key),
                Some(_) => return,
            }
            self.order.pop_front();
        }
    }
}

impl Partial {
    /// `false` when the parts contradict each other.
    fn put(&mut self, offset: usize, payload: &[u8], more: bool) -> bool {
        let end = offset + payload.len();
        if !more && self.length.replace(end).is_some_and(|length| length != end) {
            return false;
        }
        if self.ranges.contains(&(offset, end)) && self.octets.get(offset..end) == Some(payload) {
            return true; // The same once more.
        }
        if self.ranges.iter().any(|(from, to)| offset < *to && *from < end) {
            return false;
        }
        if self.octets.len() < end {
            self.octets.resize(end, 0);
        }
        if let Some(place) = self.octets.get_mut(offset..end) {
            place.copy_from_slice(payload);
        }
        let at = self.ranges.partition_point(|(from, _)| *from < offset);
        self.ranges.insert(at, (offset, end));
        true
    }

    fn is_complete(&self) -> bool {
        let mut next = 0;
        for (from, to) in &self.ranges {
            if *from != next {
                return false;
            }
            next = *to;
        }
        self.length == Some(next) && self.octets.len() == next
    }
}
