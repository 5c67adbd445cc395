//! Brings a shard in order from what is always right: its index, its slots' sizes, the table of chunks.
//!
//! Needed after a writer died with the lock in its hand; also used to join free neighbours. Readers go on meanwhile.

use crate::access::{load, store};
use crate::layout::{Bucket, Chunk, ChunkUse, Meta, PAGE_UNITS, State, class, shard};
use crate::shard::Locked;
use crate::slot;
use dialplane_core::store::StoreError;
use std::iter::Peekable;
use std::sync::atomic::Ordering::Relaxed;

impl Locked<'_> {
    /// Derives counts, notes and lists of free slots anew.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the shard contradicts itself; the next holder of the lock will try again.
    #[cold]
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        self.put(shard::UNSETTLED, 1);
        // What a reader took for a slot may become part of a stretch below.
        self.put_place(self.place().next());
        let live = self.recount()?;
        self.rebuild_lists(live)?;
        self.put(shard::UNSETTLED, 0);
        Ok(())
    }

    /// Counts what the index names and renews the notes. Returns the first units of all slots in use, ascending.
    fn recount(&self) -> Result<Vec<u32>, StoreError> {
        let mut slots = Vec::new();
        for at in [shard::LIVE, shard::OCCUPIED, shard::URGENT, shard::LAZY] {
            self.put(at, 0);
        }
        self.clear_notes();
        let Some(index) = self.index()? else { return Ok(slots) };
        for at in 0..index.len() {
            let bucket = Bucket(load(index.bucket(at), Relaxed));
            if bucket == Bucket::EMPTY {
                continue;
            }
            self.add(shard::OCCUPIED, 1);
            if !bucket.holds_record() {
                continue;
            }
            let version = slot::version(self.space, bucket.slot()).ok_or(StoreError::Corrupt)?;
            self.count_state(bucket, 1);
            if bucket.state() == State::Removed {
                self.note(bucket.tag().block(), State::Removed, u32::MAX);
            } else {
                self.add(shard::LIVE, 1);
                self.note(bucket.tag().block(), bucket.state(), slot::due(version));
            }
            slots.push(bucket.slot());
        }
        slots.sort_unstable();
        Ok(slots)
    }

    fn rebuild_lists(&self, live: Vec<u32>) -> Result<(), StoreError> {
        for list in 0..class::COUNT {
            self.put(shard::FREE + list, 0);
        }
        for at in [shard::SPANS, shard::SPAN, shard::FREE_UNITS, shard::TOTAL_UNITS] {
            self.put(at, 0);
        }
        let present = self.index()?.map_or(0, |index| index.len() as u32 / crate::layout::PAGE_WORDS as u32);
        for (number, chunk) in self.idle_indices(self.place()) {
            // Smaller than the present one, and never wanted again: its writer died before it said so.
            if chunk.pages < present {
                let words = self.space.words(chunk.unit(), 2).ok_or(StoreError::Corrupt)?;
                store(&words[1], Meta::free(chunk.units()).0, Relaxed);
                self.space.reuse_chunk(number, chunk, ChunkUse::Slots);
            }
        }
        let mut chunks: Vec<Chunk> = self.space.chunks_of(self.number).map(|(_, chunk)| chunk).collect();
        chunks.retain(|chunk| chunk.used_for == ChunkUse::Slots);
        chunks.sort_unstable_by_key(|chunk| chunk.page);
        let mut live = live.into_iter().peekable();
        for chunk in chunks {
            // A chunk whose maker died before he could say that the file reaches so far.
            if chunk.page + chunk.pages > self.space.extent() {
                continue;
            }
            self.add(shard::TOTAL_UNITS, i64::from(chunk.pages * PAGE_UNITS));
            self.walk(chunk, &mut live)?;
        }
        // A slot in use that no chunk holds.
        if live.next().is_some() { Err(StoreError::Corrupt) } else { Ok(()) }
    }

    /// Walks the row of one chunk, joins what is free and lists it.
    fn walk(&self, chunk: Chunk, live: &mut Peekable<impl Iterator<Item = u32>>) -> Result<(), StoreError> {
        let (mut at, end) = (chunk.unit(), chunk.unit() + chunk.units());
        let mut free_from = at;
        while at < end {
            let size = match slot::size(self.space, at).ok_or(StoreError::Corrupt)? {
                // A new chunk whose maker died before it wrote the size of the whole.
                0 => end - at,
                size => size,
            };
            if size > end - at {
                return Err(StoreError::Corrupt);
            }
            if live.next_if_eq(&at).is_some() {
                self.join(free_from, at)?;
                free_from = at + size;
            }
            at += size;
        }
        self.join(free_from, end)
    }

    /// Makes one free stretch of all units from `from` to `to`, and lists it.
    fn join(&self, from: u32, to: u32) -> Result<(), StoreError> {
        if from == to {
            return Ok(());
        }
        let words = self.space.words(from, 2).ok_or(StoreError::Corrupt)?;
        store(&words[1], Meta::free(to - from).0, Relaxed);
        self.give_back(from, to - from)
    }
}
