//! Room for slots: taken from lists of free ones of the same size, cut from a free stretch, or from a new chunk.
//!
//! Every chunk is at all times a row of slots and stretches, each of which tells its size in its second word, so that the
//! row can be walked whatever its writer died of. Lists and counts are derived from that and from the index
//! ([`crate::repair`]).

use crate::access::{load, store};
use crate::layout::{ChunkUse, Meta, PAGE_UNITS, class, shard};
use crate::shard::Locked;
use crate::slot;
use crate::space::WINDOW;
use dialplane_core::store::StoreError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// A chunk is an eighth of what the shard has, within these limits in pages.
const CHUNK_SHARE: u32 = 8;
const CHUNK_LEAST: u32 = 4;
const CHUNK_MOST: u32 = 4096;

/// Stretches shorter than this go to the lists of slots.
const SPAN_LEAST: u32 = 65;
/// Spare stretches that are looked at before a new chunk is taken.
const SPAN_TRIES: usize = 32;

/// A slot that was taken and not yet published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken<'a> {
    pub(crate) unit: u32,
    pub(crate) units: u32,
    pub(crate) words: &'a [AtomicU64],
}

impl<'a> Locked<'a> {
    /// Takes a slot of at least `units`.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Corrupt`]
    #[inline(always)]
    pub(crate) fn take(&self, units: u32) -> Result<Taken<'a>, StoreError> {
        let class = class::holding(units);
        let units = class::units(class);
        let unit = match self.word(shard::FREE + class) as u32 {
            0 => self.cut(units)?,
            first => {
                self.put(shard::FREE + class, u64::from(self.next_of(first)?));
                self.add(shard::FREE_UNITS, -i64::from(units));
                first
            }
        };
        let words = self.space.words(unit, units as usize * 2).ok_or(StoreError::Corrupt)?;
        Ok(Taken { unit, units, words })
    }

    /// Gives a slot back that no bucket names any more.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]
    #[inline(always)]
    pub(crate) fn free(&self, unit: u32) -> Result<(), StoreError> {
        let units = slot::size(self.space, unit).ok_or(StoreError::Corrupt)?;
        let class = class::holding(units);
        if class >= class::COUNT || class::units(class) != units {
            return Err(StoreError::Corrupt);
        }
        self.push(shard::FREE + class, unit, units)
    }

    /// Gives back a stretch: to the lists when it is short, to the spare stretches otherwise.
    pub(crate) fn give_back(&self, unit: u32, units: u32) -> Result<(), StoreError> {
        match units {
            // Too short for anything; found again when what is beside it becomes free.
            1 => {
                self.add(shard::FREE_UNITS, 1);
                Ok(())
            }
            2..SPAN_LEAST => self.push(shard::FREE + class::holding(units), unit, units),
            _ => self.push(shard::SPANS, unit, units),
        }
    }

    fn push(&self, list: usize, unit: u32, units: u32) -> Result<(), StoreError> {
        self.link(unit, self.word(list) as u32)?;
        self.put(list, u64::from(unit));
        self.add(shard::FREE_UNITS, i64::from(units));
        Ok(())
    }

    /// Keeps the next of a list in the first word of a free slot, with an odd version: one who still reads it must not take
    /// it for whole, even if it comes back to the same bucket before he looks there again.
    fn link(&self, unit: u32, next: u32) -> Result<(), StoreError> {
        let words = self.space.words(unit, 1).ok_or(StoreError::Corrupt)?;
        store(&words[0], u64::from(next) << 32 | 1, Release);
        Ok(())
    }

    pub(crate) fn next_of(&self, unit: u32) -> Result<u32, StoreError> {
        Ok((load(&self.space.words(unit, 1).ok_or(StoreError::Corrupt)?[0], Relaxed) >> 32) as u32)
    }

    /// Cuts a slot from a free stretch.
    #[cold]
    fn cut(&self, units: u32) -> Result<u32, StoreError> {
        let mut tried_joining = false;
        loop {
            match self.word(shard::SPAN) as u32 {
                0 => {}
                span => {
                    let size = slot::size(self.space, span).ok_or(StoreError::Corrupt)?;
                    if size >= units {
                        return self.split(span, size, units);
                    }
                    self.put(shard::SPAN, 0);
                    self.give_back(span, size)?;
                }
            }
            if self.take_span(units)? {
                continue;
            }
            // A quarter lies idle in slots of other sizes: join neighbours before asking for more.
            let idle = self.word(shard::FREE_UNITS);
            if !tried_joining && idle * 4 >= self.word(shard::TOTAL_UNITS) && idle >= u64::from(units) {
                tried_joining = true;
                self.settle()?;
                continue;
            }
            match self.new_chunk(units) {
                Err(StoreError::Full) if !tried_joining && idle >= u64::from(units) => {
                    tried_joining = true;
                    self.settle()?;
                }
                made => made?,
            }
        }
    }

    /// Takes the front of the present stretch.
    fn split(&self, span: u32, size: u32, units: u32) -> Result<u32, StoreError> {
        let words = self.space.words(span, 2).ok_or(StoreError::Corrupt)?;
        let rest = size - units;
        if rest > 0 {
            let behind = self.space.words(span + units, 2).ok_or(StoreError::Corrupt)?;
            store(&behind[0], 0, Relaxed);
            store(&behind[1], Meta::free(rest).0, Relaxed);
        }
        store(&words[1], Meta::free(units).0, Relaxed);
        self.put(shard::SPAN, if rest > 0 { u64::from(span + units) } else { 0 });
        if rest > 0 && span / WINDOW != (span + units) / WINDOW {
            self.space.populate(span + units, rest);
        }
        Ok(span)
    }

    /// Makes a spare stretch of at least `units` the present one. Whether there was one.
    fn take_span(&self, units: u32) -> Result<bool, StoreError> {
        let mut before = None;
        let mut span = self.word(shard::SPANS) as u32;
        for _ in 0..SPAN_TRIES {
            if span == 0 {
                return Ok(false);
            }
            let (size, next) = (slot::size(self.space, span).ok_or(StoreError::Corrupt)?, self.next_of(span)?);
            if size < units {
                (before, span) = (Some(span), next);
                continue;
            }
            match before {
                None => self.put(shard::SPANS, u64::from(next)),
                Some(before) => self.link(before, next)?,
            }
            self.add(shard::FREE_UNITS, -i64::from(size));
            self.put(shard::SPAN, u64::from(span));
            return Ok(true);
        }
        Ok(false)
    }

    /// Makes a new chunk the present stretch.
    fn new_chunk(&self, units: u32) -> Result<(), StoreError> {
        let share = self.word(shard::TOTAL_UNITS) as u32 / PAGE_UNITS / CHUNK_SHARE;
        let pages = share.clamp(CHUNK_LEAST, CHUNK_MOST).max(units.div_ceil(PAGE_UNITS));
        let chunk = match self.space.grow(self.number, ChunkUse::Slots, pages) {
            Err(StoreError::Full) => self.space.grow(self.number, ChunkUse::Slots, units.div_ceil(PAGE_UNITS))?,
            made => made?,
        };
        self.space.populate(chunk.unit(), chunk.units());
        let words = self.space.words(chunk.unit(), 2).ok_or(StoreError::Corrupt)?;
        store(&words[1], Meta::free(chunk.units()).0, Relaxed);
        self.add(shard::TOTAL_UNITS, i64::from(chunk.units()));
        self.put(shard::SPAN, u64::from(chunk.unit()));
        Ok(())
    }
}
