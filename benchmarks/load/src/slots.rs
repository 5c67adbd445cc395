//! The exchanges that are under way: a ring, so that finding one costs one look.

/// One exchange.
#[derive(Clone, Copy, Default)]
pub struct Slot {
    /// Number of the exchange plus one; zero when free.
    owner: u64,
    /// When it began, in nanoseconds of the session's clock; when it should have begun, in open loop.
    pub began: u64,
    /// Hash of the branch that the server gave it; zero before.
    pub server_branch: u64,
    /// Messages that must still pass the UAS.
    pub passing: u8,
    /// Messages that must still come to an end.
    pub due: u8,
    /// Which message of the exchange is under way.
    pub stage: u8,
    /// What has happened in it, one bit each; the workload's.
    pub seen: u32,
}

/// All of them, found by number.
pub struct Slots {
    ring: Vec<Slot>,
    /// Numbers of one thread are this far apart.
    step: u64,
    open: usize,
}

impl Slots {
    /// Room for `capacity` exchanges, a power of two, numbered in steps of `step`.
    pub fn new(capacity: usize, step: u64) -> Self {
        assert!(capacity.is_power_of_two(), "the ring is indexed by a mask");
        Self { ring: vec![Slot::default(); capacity], step, open: 0 }
    }

    /// Exchanges under way.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Begins `id` with `copies` of its first message. True when an older exchange was still in its place: it is lost.
    pub fn begin(&mut self, id: u64, began: u64, copies: u8) -> bool {
        let place = self.place(id);
        let slot = &mut self.ring[place];
        let lost = slot.owner != 0;
        *slot = Slot { owner: id + 1, began, passing: copies, due: copies, ..Slot::default() };
        self.open += usize::from(!lost);
        lost
    }

    /// The exchange `id`, if it is under way.
    pub fn find(&mut self, id: u64) -> Option<&mut Slot> {
        let place = self.place(id);
        let slot = &mut self.ring[place];
        (slot.owner == id.wrapping_add(1) && slot.owner != 0).then_some(slot)
    }

    /// Whether `id` is under way.
    pub fn is_open(&self, id: u64) -> bool {
        let slot = &self.ring[self.place(id)];
        slot.owner != 0 && slot.owner == id.wrapping_add(1)
    }

    /// Whether `id` is under way at `stage`.
    pub fn expects(&self, id: u64, stage: u64) -> bool {
        self.is_open(id) && u64::from(self.ring[self.place(id)].stage) == stage
    }

    /// One message of `id` came to its end; returns when the exchange began. Frees the place with the last one.
    pub fn arrive(&mut self, id: u64) -> Option<u64> {
        let slot = self.find(id)?;
        let began = slot.began;
        slot.due = slot.due.saturating_sub(1);
        if slot.due == 0 {
            *slot = Slot::default();
            self.open -= 1;
        }
        Some(began)
    }

    /// Gives up what began before `before`; returns how many exchanges that were.
    pub fn expire(&mut self, before: u64) -> u64 {
        let mut lost = 0;
        for slot in &mut self.ring {
            if slot.owner != 0 && slot.began < before {
                *slot = Slot::default();
                lost += 1;
            }
        }
        self.open -= lost as usize;
        lost
    }

    fn place(&self, id: u64) -> usize {
        (id / self.step) as usize & (self.ring.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_ends_with_its_last_copy() {
        let mut slots = Slots::new(4, 1);
        assert!(!slots.begin(5, 100, 2));
        assert!(slots.expects(5, 0) && !slots.expects(5, 1) && !slots.expects(1, 0));
        assert_eq!(slots.arrive(5), Some(100));
        assert_eq!(slots.open(), 1);
        assert_eq!(slots.arrive(5), Some(100));
        assert_eq!((slots.open(), slots.arrive(5)), (0, None));
    }

    #[test]
    fn the_old_one_in_the_same_place_is_lost() {
        let mut slots = Slots::new(4, 2);
        assert!(!slots.begin(1, 0, 1));
        assert!(slots.begin(9, 0, 1));
        assert_eq!(slots.open(), 1);
        assert!(slots.find(1).is_none() && slots.find(9).is_some());
    }

    #[test]
    fn expiry_counts_what_it_frees() {
        let mut slots = Slots::new(4, 1);
        slots.begin(0, 10, 1);
        slots.begin(1, 20, 1);
        assert_eq!(slots.expire(15), 1);
        assert!(slots.find(0).is_none() && slots.find(1).is_some());
    }
}
