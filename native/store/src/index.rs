//! The index of a shard: buckets in a ring, searched from where the tag says until an empty one.
//!
//! The first bits of the tag give the place, so the order of the buckets is the order of the tags but for a few steps: an
//! index is moved to one twice as large without looking at a single slot, and a block of tags stays together.

use crate::access::{load, store};
use crate::layout::{BLOCKS, Bucket, Chunk, ChunkUse, IndexPlace, Meta, PAGE_UNITS, PAGE_WORDS, Tag, shard};
use crate::shard::Locked;
use crate::slot::{self, Attempt};
use crate::space::Space;
use dialplane_core::store::StoreError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The buckets of one index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Index<'a> {
    buckets: &'a [AtomicU64],
    log2: u32,
}

/// The index at a place; `None` when the place is not one.
#[inline(always)]
pub(crate) fn at(space: &Space, place: IndexPlace) -> Option<Index<'_>> {
    let log2 = place.log2();
    if !(IndexPlace::MIN_LOG2..=IndexPlace::MAX_LOG2).contains(&log2) {
        return None;
    }
    let unit = place.page().checked_mul(PAGE_UNITS)?;
    Some(Index { buckets: space.words(unit, 1 << log2)?, log2 })
}

impl<'a> Index<'a> {
    /// Number of buckets, a power of two.
    pub(crate) fn len(self) -> usize {
        self.buckets.len()
    }

    /// Bucket number `at`, counted on from the last to the first.
    #[inline(always)]
    pub(crate) fn bucket(self, at: usize) -> &'a AtomicU64 {
        &self.buckets[at & (self.buckets.len() - 1)]
    }

    /// Every bucket in turn, with its number, from where a search for `tag` begins.
    #[inline(always)]
    pub(crate) fn from(self, tag: Tag) -> impl Iterator<Item = (usize, &'a AtomicU64)> {
        let home = tag.home(self.log2);
        (home..home + self.len()).map(move |at| (at, self.bucket(at)))
    }

    /// The records of one block, with the number of their bucket.
    pub(crate) fn block(self, block: usize) -> impl Iterator<Item = (usize, Bucket)> {
        let share = self.len() / BLOCKS;
        let first = block * share;
        (0..self.len())
            .map(move |step| (step, Bucket(load(self.bucket(first + step), Acquire))))
            .take_while(move |(step, bucket)| *step < share || *bucket != Bucket::EMPTY)
            .filter(move |(_, bucket)| bucket.holds_record() && bucket.tag().block() == block)
            .map(move |(step, bucket)| (first + step, bucket))
    }
}

/// Where a search by the holder of the lock ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Search<'a> {
    /// The record is there (it may be one that was removed), in the bucket of this number.
    Found(usize, Bucket),
    /// It is not; this bucket would take it.
    Free(&'a AtomicU64),
}

impl<'a> Locked<'a> {
    /// Searches `key`; its value is appended to `value`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]
    #[inline(always)]
    pub(crate) fn search(
        &self,
        index: Index<'a>,
        tag: Tag,
        key: &[u8],
        value: &mut Vec<u8>,
    ) -> Result<Search<'a>, StoreError> {
        let mut free = None;
        for (at, word) in index.from(tag) {
            let bucket = Bucket(load(word, Relaxed));
            if bucket == Bucket::EMPTY {
                return Ok(Search::Free(free.unwrap_or(word)));
            }
            if bucket == Bucket::DELETED {
                free.get_or_insert(word);
            } else if bucket.tag() == tag {
                match slot::read(self.space, bucket.slot(), key, value) {
                    Attempt::Match => return Ok(Search::Found(at, bucket)),
                    Attempt::OtherKey => {}
                    Attempt::Torn => return Err(StoreError::Corrupt),
                }
            }
        }
        Err(StoreError::Corrupt)
    }

    /// The bucket for one record more, which is not in the index. Makes the index larger when it is three quarters full.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Corrupt`]
    pub(crate) fn bucket_for(&self, tag: Tag, found: Option<&'a AtomicU64>) -> Result<&'a AtomicU64, StoreError> {
        let occupied = self.word(shard::OCCUPIED) as usize + 1;
        if let (Some(index), Some(found)) = (self.index()?, found) {
            if occupied * 4 <= index.len() * 3 {
                return Ok(found);
            }
            match self.make_index() {
                // Crowded is slow, full is the end.
                Err(StoreError::Full) if occupied * 16 <= index.len() * 15 => return Ok(found),
                made => made?,
            }
        } else {
            self.make_index()?;
        }
        let index = self.index()?.ok_or(StoreError::Corrupt)?;
        let mut words = index.from(tag).map(|(_, word)| word);
        words.find(|word| !Bucket(load(word, Relaxed)).holds_record()).ok_or(StoreError::Corrupt)
    }

    /// Takes a record out of its bucket, so that nothing is left to trip over where that is possible.
    pub(crate) fn erase(&self, index: Index<'a>, at: usize) {
        if Bucket(load(index.bucket(at + 1), Relaxed)) != Bucket::EMPTY {
            store(index.bucket(at), Bucket::DELETED.0, Release);
            return;
        }
        // Nothing lies behind it, so a search may end here, and at deleted ones before it too.
        store(index.bucket(at), Bucket::EMPTY.0, Release);
        self.add(shard::OCCUPIED, -1);
        for step in 1..index.len() {
            let before = index.bucket(at + index.len() - step);
            if Bucket(load(before, Relaxed)) != Bucket::DELETED {
                return;
            }
            store(before, Bucket::EMPTY.0, Release);
            self.add(shard::OCCUPIED, -1);
        }
    }

    /// Makes a new index that is at most half full and without deleted buckets, and puts it in the place of the old one.
    fn make_index(&self) -> Result<(), StoreError> {
        let old = self.index()?;
        let records = |index: Index<'a>| index.buckets.iter().map(|word| Bucket(load(word, Relaxed)));
        let count = old.map_or(0, |old| records(old).filter(|bucket| bucket.holds_record()).count());
        let log2 = ((count + 1) * 2).next_power_of_two().ilog2().max(IndexPlace::MIN_LOG2);
        if log2 > IndexPlace::MAX_LOG2 {
            return Err(StoreError::Full);
        }
        let pages = (1_u32 << log2) / PAGE_WORDS as u32;
        let place = self.place();
        let chunk = match self.idle_indices(place).find(|(_, chunk)| chunk.pages == pages) {
            Some((_, chunk)) => chunk,
            None => self.space.grow(self.number, ChunkUse::Index, pages)?,
        };
        let moved = place.moved(chunk.page, log2);
        let new = at(self.space, moved).ok_or(StoreError::Corrupt)?;
        new.buckets.iter().for_each(|word| store(word, Bucket::EMPTY.0, Relaxed));
        for bucket in old.into_iter().flat_map(records).filter(|bucket| bucket.holds_record()) {
            let mut words = new.from(bucket.tag()).map(|(_, word)| word);
            let free = words.find(|word| load(word, Relaxed) == Bucket::EMPTY.0).ok_or(StoreError::Corrupt)?;
            store(free, bucket.0, Relaxed);
        }
        self.put_place(moved);
        self.put(shard::OCCUPIED, count as u64);
        // The old one, if of the same size, is kept for the next time; smaller ones are never wanted again.
        for (number, chunk) in self.idle_indices(moved).filter(|(_, chunk)| chunk.pages < pages) {
            self.make_slots_of(number, chunk)?;
        }
        Ok(())
    }

    /// The chunks of indices that are not the present one.
    pub(crate) fn idle_indices(&self, present: IndexPlace) -> impl Iterator<Item = (usize, Chunk)> {
        let chunks = self.space.chunks_of(self.number);
        chunks.filter(move |(_, chunk)| chunk.used_for == ChunkUse::Index && chunk.page != present.page())
    }

    /// Gives the room of an index that is not wanted any more to the slots.
    fn make_slots_of(&self, number: usize, chunk: Chunk) -> Result<(), StoreError> {
        let words = self.space.words(chunk.unit(), 2).ok_or(StoreError::Corrupt)?;
        store(&words[0], 0, Relaxed);
        store(&words[1], Meta::free(chunk.units()).0, Relaxed);
        self.space.reuse_chunk(number, chunk, ChunkUse::Slots);
        self.add(shard::TOTAL_UNITS, i64::from(chunk.units()));
        self.give_back(chunk.unit(), chunk.units())
    }
}
