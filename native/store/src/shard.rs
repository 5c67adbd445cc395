//! One shard as its readers see it, and as the one thread sees it that holds its lock.

use crate::access::{load, store};
use crate::index::{self, Index};
use crate::layout::{BLOCKS, Bucket, IndexPlace, PAGE_WORDS, State, shard};
use crate::lock::{self, Acquired};
use crate::space::Space;
use dialplane_core::store::StoreError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A shard, unlocked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shard<'a> {
    pub(crate) space: &'a Space,
    pub(crate) number: usize,
    head: &'a [AtomicU64; PAGE_WORDS],
}

impl<'a> Shard<'a> {
    #[inline(always)]
    pub(crate) fn new(space: &'a Space, number: usize) -> Self {
        Self { space, number, head: space.shard_header(number) }
    }

    /// Where the present index is.
    #[inline(always)]
    pub(crate) fn place(self) -> IndexPlace {
        IndexPlace(load(&self.head[shard::INDEX], Acquire))
    }

    /// A word of the header. For those that only the holder of the lock may change, a guess.
    #[inline(always)]
    pub(crate) fn word(self, at: usize) -> u64 {
        load(&self.head[at], Relaxed)
    }

    /// The blocks that may hold changes, 64 to a word: `kind` is one of the two words of [`shard`].
    pub(crate) fn changed_blocks(self, kind: usize, word: usize) -> u64 {
        load(&self.head[kind + word], Acquire)
    }

    /// No record of the block is due before.
    pub(crate) fn block_due(self, block: usize) -> u32 {
        let pair = load(&self.head[shard::DUE + block / 2], Acquire);
        // Kept as the distance to "never", so that an untouched header says "never".
        !((pair >> (block % 2 * 32)) as u32)
    }

    /// Takes the lock; brings the shard in order first if its last holder died.
    ///
    /// # Errors
    /// [`StoreError::Busy`], or [`StoreError::Corrupt`] when it cannot be brought in order.
    #[inline(always)]
    pub(crate) fn lock(self) -> Result<Locked<'a>, StoreError> {
        let acquired = lock::acquire(&self.head[shard::LOCK])?;
        let locked = Locked { shard: self };
        if acquired == Acquired::Orphaned || self.word(shard::UNSETTLED) != 0 {
            locked.settle()?;
        }
        Ok(locked)
    }
}

/// A shard whose lock this thread holds until the value is dropped.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    shard: Shard<'a>,
}

impl<'a> std::ops::Deref for Locked<'a> {
    type Target = Shard<'a>;

    #[inline(always)]
    fn deref(&self) -> &Shard<'a> {
        &self.shard
    }
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(test)]
        if crate::access::hook::is_dead() {
            return;
        }
        if std::thread::panicking() {
            // Our own code or the caller's closure: what was under way may be half-done.
            self.put(shard::UNSETTLED, 1);
        }
        lock::release(&self.shard.head[shard::LOCK]);
    }
}

impl<'a> Locked<'a> {
    /// Sets a word of the header.
    #[inline(always)]
    pub(crate) fn put(&self, at: usize, value: u64) {
        store(&self.shard.head[at], value, Relaxed);
    }

    /// Adds to a word of the header, which never goes below 0.
    #[inline(always)]
    pub(crate) fn add(&self, at: usize, difference: i64) {
        self.put(at, self.word(at).saturating_add_signed(difference));
    }

    /// Makes another index, or another sequence number, the present one.
    pub(crate) fn put_place(&self, place: IndexPlace) {
        store(&self.shard.head[shard::INDEX], place.0, Release);
        // Whoever sees a later store of ours sees the new place too.
        std::sync::atomic::fence(Release);
    }

    /// The present index; `None` when nothing was ever stored.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]
    #[inline(always)]
    pub(crate) fn index(&self) -> Result<Option<Index<'a>>, StoreError> {
        match self.place() {
            place if place.page() == 0 => Ok(None),
            place => index::at(self.space, place).map(Some).ok_or(StoreError::Corrupt),
        }
    }

    /// Next version for a slot. The word only ever grows, also over deaths.
    #[inline(always)]
    pub(crate) fn next_version(&self) -> u32 {
        let version = self.word(shard::SLOT_VERSION) + 2;
        self.put(shard::SLOT_VERSION, version);
        version as u32 & !1
    }

    /// Notes that a record of the block will have that state and be due then. Comes before the record is published: a death
    /// in between leaves a note too many and never one too few.
    #[inline(always)]
    pub(crate) fn note(&self, block: usize, state: State, due: u32) {
        match state {
            State::Clean => {}
            State::Lazy => self.note_change(shard::LAZY_BLOCKS, block),
            State::Urgent | State::Removed => self.note_change(shard::URGENT_BLOCKS, block),
        }
        if due < self.block_due(block) {
            self.put_block_due(block, due);
        }
    }

    #[inline(always)]
    fn note_change(&self, kind: usize, block: usize) {
        let (at, bit) = (kind + block / 64, 1 << (block % 64));
        let noted = self.word(at);
        if noted & bit == 0 {
            self.put(at, noted | bit);
        }
    }

    /// Takes back that the block holds changes.
    pub(crate) fn forget_changes(&self, kind: usize, block: usize) {
        let at = kind + block / 64;
        self.put(at, self.word(at) & !(1 << (block % 64)));
    }

    /// Sets when the first record of the block is due.
    pub(crate) fn put_block_due(&self, block: usize, due: u32) {
        let (at, shift) = (shard::DUE + block / 2, block % 2 * 32);
        self.put(at, self.word(at) & !(0xffff_ffff << shift) | u64::from(!due) << shift);
    }

    /// Forgets every note.
    pub(crate) fn clear_notes(&self) {
        for word in 0..BLOCKS / 64 {
            self.put(shard::URGENT_BLOCKS + word, 0);
            self.put(shard::LAZY_BLOCKS + word, 0);
        }
        for word in 0..BLOCKS / 2 {
            self.put(shard::DUE + word, 0);
        }
    }

    /// Counts a record in (`difference` 1) or out (−1) of those that are in its state.
    #[inline(always)]
    pub(crate) fn count_state(&self, bucket: Bucket, difference: i64) {
        match bucket.state() {
            State::Clean => {}
            State::Lazy => self.add(shard::LAZY, difference),
            State::Urgent | State::Removed => self.add(shard::URGENT, difference),
        }
    }
}
