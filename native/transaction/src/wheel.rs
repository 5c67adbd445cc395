//! Deadlines of many transactions in a hierarchical timer wheel: setting one and taking one that is due cost the same
//! however many there are. RFC 3261 §17 (timers of 500 ms and more).
//!
//! Four levels of 64 slots; a tick is 16 ms, so a timer is at most 16 ms late and never early. Nothing is ever taken out
//! before its time: an owner with a new, earlier deadline sets a second one and recognises the old one as stale.

use crate::table::SlotId;

const TICK_BITS: u32 = 4;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 4;
/// Ticks that the levels can tell apart: about 74 hours. A deadline beyond comes when they end.
const SPAN: u64 = 1 << (SLOT_BITS * LEVELS as u32);

/// A deadline that was set, as the wheel rounds it. What [`Wheel::set`] gives and [`Wheel::poll`] brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u64);

impl Tick {
    /// The time in milliseconds.
    #[must_use]
    pub fn ms(self) -> u64 {
        self.0 << TICK_BITS
    }

    fn after(ms: u64) -> Self {
        Self(ms.div_ceil(1 << TICK_BITS))
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    owner: SlotId,
    tick: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Wheel {
    /// Every tick up to this one is done.
    now: u64,
    slots: Box<[Vec<Entry>]>,
    /// One bit for each slot that is not empty.
    occupied: [u64; LEVELS],
    due: Vec<Entry>,
    spare: Vec<Entry>,
}

impl Wheel {
    /// An empty wheel that begins at `now_ms`.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self {
            now: now_ms >> TICK_BITS,
            slots: (0..SLOTS * LEVELS).map(|_| Vec::new()).collect(),
            occupied: [0; LEVELS],
            due: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Sets a deadline.
    pub fn set(&mut self, at_ms: u64, owner: SlotId) -> Tick {
        let tick = Tick::after(at_ms).0.clamp(self.now + 1, self.now + SPAN / 2);
        self.put(Entry { owner, tick });
        Tick(tick)
    }

    /// Takes one deadline that is due at `now_ms`; call until there is none.
    pub fn poll(&mut self, now_ms: u64) -> Option<(SlotId, Tick)> {
        let target = now_ms >> TICK_BITS;
        while self.due.is_empty() {
            match self.first() {
                Some((level, slot, tick)) if tick <= target => self.take(level, slot, tick),
                _ => {
                    self.now = self.now.max(target);
                    return None;
                }
            }
        }
        self.due.pop().map(|entry| (entry.owner, Tick(entry.tick)))
    }

    /// When [`Self::poll`] should be called next, in milliseconds; it may then find nothing.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        if !self.due.is_empty() {
            return Some(self.now << TICK_BITS);
        }
        self.first().map(|(_, _, tick)| tick << TICK_BITS)
    }

    /// The slot whose entries come first, and the tick with which it begins.
    fn first(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let here = (self.now >> shift(level)) as usize & (SLOTS - 1);
        // What lies before the present slot belongs to the next round; only the top level has one.
        let ahead = self.occupied[level] >> here << here;
        let slot = if ahead == 0 { self.occupied[level].trailing_zeros() } else { ahead.trailing_zeros() } as usize;
        let round = self.now >> shift(level + 1) << shift(level + 1);
        let next_round = if slot < here { 1 << shift(level + 1) } else { 0 };
        Some((level, slot, round + next_round + ((slot as u64) << shift(level))))
    }

    /// Goes to `tick`: what is due lies in [`Self::due`], the rest of that slot on lower levels.
    fn take(&mut self, level: usize, slot: usize, tick: u64) {
        self.now = self.now.max(tick);
        self.occupied[level] &= !(1 << slot);
        let mut entries = std::mem::replace(&mut self.slots[level * SLOTS + slot], std::mem::take(&mut self.spare));
        for entry in entries.drain(..) {
            if entry.tick <= self.now {
                self.due.push(entry);
            } else {
                self.put(entry);
            }
        }
        self.spare = entries;
    }

    fn put(&mut self, entry: Entry) {
        let differs = (entry.tick ^ self.now) | 1;
        let level = ((63 - differs.leading_zeros()) / SLOT_BITS).min(LEVELS as u32 - 1) as usize;
        let slot = (entry.tick >> shift(level)) as usize & (SLOTS - 1);
        self.occupied[level] |= 1 << slot;
        self.slots[level * SLOTS + slot].push(entry);
    }
}

const fn shift(level: usize) -> u32 {
    SLOT_BITS * level as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;
    use proptest::prelude::*;

    fn owners(count: usize) -> Vec<SlotId> {
        let mut table = Table::new(count);
        (0..count).map(|n| table.insert(Box::new(n)).expect("room")).collect()
    }

    proptest! {
        /// Each deadline comes once, not early and at most a tick late, whatever the steps of time and however far ahead.
        #[test]
        fn each_comes_once_in_its_time(
            start in 0_u64..1 << 40,
            steps in prop::collection::vec((0_u64..400_000, 0_u64..300_000), 1..100),
        ) {
            let owners = owners(steps.len());
            let mut wheel = Wheel::new(start);
            let mut now = start;
            let mut wanted: Vec<(u64, SlotId)> = Vec::new();
            for (&owner, (wait, step)) in owners.iter().zip(steps) {
                wheel.set(now + wait, owner);
                wanted.push((now + wait, owner));
                now += step;
                while let Some((owner, _)) = wheel.poll(now) {
                    let place = wanted.iter().position(|(_, wanted)| *wanted == owner).expect("set, and comes once");
                    prop_assert!(wanted.swap_remove(place).0 <= now, "early");
                }
                for (at, _) in &wanted {
                    prop_assert!(at + 16 > now, "{} is late at {}", at, now);
                }
                prop_assert_eq!(wheel.next_ms().is_none(), wanted.is_empty());
                if let (Some(next), Some(first)) = (wheel.next_ms(), wanted.iter().map(|(at, _)| *at).min()) {
                    prop_assert!(next <= first + 16, "asks to be woken at {} for {}", next, first);
                }
            }
        }
    }

    #[test]
    fn it_wakes_for_what_is_there_and_not_often_for_nothing() {
        let owner = owners(1)[0];
        let mut wheel = Wheel::new(1000);
        assert_eq!(wheel.next_ms(), None);
        wheel.set(200_000, owner);
        let mut wakes = 0;
        let mut now = 1000;
        loop {
            now = wheel.next_ms().expect("something is set").max(now);
            wakes += 1;
            if wheel.poll(now).is_some() {
                break;
            }
        }
        assert!((200_000..200_016).contains(&now), "{now}");
        assert!(wakes <= 3, "{wakes}");
    }

    #[test]
    fn a_deadline_that_has_passed_comes_with_the_next_tick() {
        let owner = owners(1)[0];
        let mut wheel = Wheel::new(50_000);
        let tick = wheel.set(10, owner);
        assert!(wheel.poll(50_000).is_none());
        assert_eq!(wheel.poll(50_016), Some((owner, tick)));
    }
}
