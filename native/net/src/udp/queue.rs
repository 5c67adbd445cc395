//! Datagrams that wait to be sent, and which of them leave in one send: those of one length to one address, which the kernel cuts
//! apart at the very end of their way (UDP_SEGMENT).
//!
//! They need not have been queued one after the other. A call's messages keep their order, and those of other calls may pass
//! them, as datagrams may anyway.

use super::LARGEST;
use std::net::SocketAddr;

/// Datagrams that are arranged at one time.
pub(super) const MOST: usize = 128;
/// Datagrams that the kernel cuts from one send (UDP_MAX_SEGMENTS of older kernels).
const SEGMENTS: usize = 64;
/// Hashes of calls that are told apart; calls that share one only stay in order too.
const CALLS: usize = 1024;

/// Where the octets of a datagram are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Frame { start: usize, len: usize },
    Own { start: usize, len: usize },
}

/// One datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub place: Place,
    /// Number of the socket that it leaves by.
    pub socket: u8,
    /// See [`super::Batch::order`].
    pub call: u32,
    pub to: SocketAddr,
}

impl Queued {
    pub(super) fn len(&self) -> usize {
        match self.place {
            Place::Frame { len, .. } | Place::Own { len, .. } => len,
        }
    }

    /// What those that leave together have in common: address, port and length, of an IPv6 address only a part.
    fn key(&self) -> u64 {
        let host = match self.to {
            SocketAddr::V4(v4) => u32::from(*v4.ip()),
            SocketAddr::V6(v6) => u128::from(*v6.ip()) as u32,
        };
        u64::from(host) << 32 | u64::from(self.to.port()) << 16 | (self.len() as u64 & 0xffff)
    }
}

/// Datagrams of one send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Place of its first datagram in the queue.
    pub first: usize,
    /// How many it has.
    pub count: usize,
    /// Datagrams in the groups before it.
    pub before: usize,
}

/// See the module.
pub(super) struct Groups {
    groups: [Group; MOST],
    keys: [u64; MOST],
    /// Group of each datagram.
    of: [u8; MOST],
    len: usize,
    /// One more than the group of the latest datagram of the calls with one hash.
    latest: Box<[u8; CALLS]>,
}

impl Groups {
    pub(super) fn new() -> Self {
        let groups = [Group::default(); MOST];
        Self { groups, keys: [0; MOST], of: [0; MOST], len: 0, latest: Box::new([0; CALLS]) }
    }

    /// Arranges at most [`MOST`] datagrams. With `alone`, each is left to itself.
    pub(super) fn arrange(&mut self, queue: &[Queued], alone: bool) {
        self.len = 0;
        self.latest.fill(0);
        // What belongs to no call passes nothing and is not passed.
        let mut wall = 0;
        for (place, queued) in queue.iter().take(MOST).enumerate() {
            let latest = queued.call as usize % CALLS;
            let from = match queued.call {
                _ if alone => self.len,
                0 => self.len.saturating_sub(1),
                _ => wall.max(usize::from(self.latest[latest]).saturating_sub(1)),
            };
            let key = queued.key();
            let mut alike = (from..self.len).filter(|&group| self.keys[group] == key);
            let group = alike.find(|&group| self.has_room(group, queue, queued)).unwrap_or(self.len);
            if group == self.len {
                self.keys[group] = key;
                self.groups[group] = Group { first: place, count: 0, before: 0 };
                self.len += 1;
            }
            self.groups[group].count += 1;
            self.of[place] = group as u8;
            match queued.call {
                0 => wall = group,
                _ => self.latest[latest] = group as u8 + 1,
            }
        }
        let mut before = 0;
        for group in &mut self.groups[..self.len] {
            group.before = before;
            before += group.count;
        }
    }

    /// In the order in which they are sent.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups[..self.len]
    }

    /// Place of each datagram among all in that order.
    pub(super) fn places(&self, queue: &[Queued], mut see: impl FnMut(usize, &Queued)) {
        let mut next = [0; MOST];
        for (group, next) in self.groups().iter().zip(&mut next) {
            *next = group.before;
        }
        for (&group, queued) in self.of.iter().zip(queue) {
            let place = &mut next[usize::from(group)];
            see(*place, queued);
            *place += 1;
        }
    }

    fn has_room(&self, group: usize, queue: &[Queued], queued: &Queued) -> bool {
        let (group, len) = (&self.groups[group], queued.len());
        let same = queue[group.first].to == queued.to && queue[group.first].len() == len;
        same && len > 0 && group.count < SEGMENTS && (group.count + 1) * len <= LARGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(datagrams: &[(u16, usize, u32)]) -> Vec<Queued> {
        let queued = |&(port, len, call)| Queued {
            place: Place::Own { start: 0, len },
            socket: 0,
            call,
            to: if port % 2 == 0 { ([127, 0, 0, 1], port).into() } else { ([0; 16], port).into() },
        };
        datagrams.iter().map(queued).collect()
    }

    /// What is sent, group by group: places in the queue.
    fn sent(datagrams: &[(u16, usize, u32)], alone: bool) -> Vec<Vec<usize>> {
        let queue = queue(datagrams);
        let mut groups = Groups::new();
        // What was arranged before leaves no trace.
        groups.arrange(&queue[queue.len() / 2..], false);
        groups.arrange(&queue, alone);
        let mut order = vec![usize::MAX; queue.len()];
        let mut place = 0;
        groups.places(&queue, |at, _| {
            order[at] = place;
            place += 1;
        });
        groups.groups().iter().map(|group| order[group.before..group.before + group.count].to_vec()).collect()
    }

    #[test]
    fn alike_go_together_and_calls_keep_their_order() {
        for (name, datagrams, expected) in [
            ("one size", &[(2, 9, 1), (2, 9, 2), (2, 9, 3)][..], &[&[0, 1, 2][..]][..]),
            ("two sizes", &[(2, 9, 1), (2, 8, 2), (2, 9, 3), (2, 8, 4)], &[&[0, 2], &[1, 3]]),
            ("two addresses", &[(2, 9, 1), (4, 9, 2), (2, 9, 3)], &[&[0, 2], &[1]]),
            ("IPv6", &[(3, 9, 1), (5, 9, 2), (3, 9, 3)], &[&[0, 2], &[1]]),
            ("one call", &[(2, 9, 1), (2, 8, 1), (2, 9, 1)], &[&[0], &[1], &[2]]),
            ("one call again", &[(2, 9, 1), (2, 9, 1), (2, 8, 1)], &[&[0, 1], &[2]]),
            ("two calls", &[(2, 9, 1), (2, 8, 1), (2, 9, 2), (2, 8, 2)], &[&[0, 2], &[1, 3]]),
            ("no call", &[(2, 9, 1), (2, 8, 0), (2, 9, 2), (2, 9, 0), (2, 9, 3)], &[&[0], &[1], &[2, 3, 4]]),
            ("empty", &[(2, 0, 1), (2, 0, 2)], &[&[0], &[1]]),
            ("large", &[(2, 40_000, 1), (2, 40_000, 2)], &[&[0], &[1]]),
        ] {
            assert_eq!(sent(datagrams, false), expected, "{name}");
        }
        assert_eq!(sent(&[(2, 9, 1), (2, 9, 2)], true), [[0], [1]]);
    }

    proptest! {
        /// Each goes once, with others of its length to its address, and never before an older one of its call.
        #[test]
        fn nothing_is_lost_or_overtaken(
            datagrams in prop::collection::vec((2_u16..6, prop::sample::select(vec![0_usize, 5, 700, 701, 30_000]), 0_u32..20), 0..MOST),
        ) {
            let groups = sent(&datagrams, false);
            let order: Vec<usize> = groups.iter().flatten().copied().collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert!(sorted.iter().copied().eq(0..datagrams.len()));
            for group in &groups {
                let alike = |&place: &usize| (datagrams[place].0, datagrams[place].1);
                prop_assert!(group.iter().all(|place| alike(place) == alike(&group[0])));
                prop_assert!(group.len() == 1 || group.len() <= SEGMENTS && group.len() * datagrams[group[0]].1 <= LARGEST);
            }
            for (at, &late) in order.iter().enumerate() {
                for &early in &order[at + 1..] {
                    let (one, other) = (datagrams[early].2, datagrams[late].2);
                    prop_assert!(early > late || one != other && one != 0 && other != 0, "{early} is passed by {late}");
                }
            }
        }
    }
}
