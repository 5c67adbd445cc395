//! Going through a table block by block, without a lock and without holding up anyone.
//!
//! A record that is there the whole time is seen exactly once: its place in the order is given by its key alone. What
//! comes or goes meanwhile may be seen or not.

use crate::access::load;
use crate::index;
use crate::layout::{BLOCKS, Bucket, SHARDS, State};
use crate::shard::Shard;
use crate::slot;
use crate::table::SharedTable;
use dialplane_core::store::StoreError;
use std::ops::Range;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::fence;

/// A place in the order of a table. Plain enough to be handed out to a client and to come back later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(u32);

impl Cursor {
    const END: u32 = (SHARDS * BLOCKS) as u32;

    /// The place as a number.
    #[must_use]
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// The place of that number; one that never was is the end.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self(number.min(Self::END))
    }

    /// Shard and block; `None` at the end.
    pub(crate) fn position(self) -> Option<(usize, usize)> {
        let at = self.0 as usize;
        (self.0 < Self::END).then_some((at / BLOCKS, at % BLOCKS))
    }

    /// First block at or behind this one of which `wanted(shard, block)` holds.
    pub(crate) fn seek(mut self, mut wanted: impl FnMut(usize, usize) -> bool) -> Self {
        while let Some((shard, block)) = self.position() {
            if wanted(shard, block) {
                break;
            }
            self.0 += 1;
        }
        self
    }

    /// The block behind this one.
    pub(crate) fn behind(self) -> Self {
        Self::from_number(self.0 + 1)
    }

    /// Behind the last block.
    pub(crate) fn end() -> Self {
        Self(Self::END)
    }
}

/// The records of one block that were asked for, copied.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) records: Vec<Record>,
    octets: Vec<u8>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) bucket: Bucket,
    pub(crate) version: u64,
    key: Range<usize>,
    value: Range<usize>,
}

impl Gathered {
    pub(crate) fn key(&self, record: &Record) -> &[u8] {
        &self.octets[record.key.clone()]
    }

    /// `None` when the record was removed.
    pub(crate) fn value(&self, record: &Record) -> Option<&[u8]> {
        (record.bucket.state() != State::Removed).then(|| &self.octets[record.value.clone()])
    }

    /// Fills itself with the records of a block whose bucket, and then whose slot's first word, are wanted: what lies in a
    /// slot is far away, and not looked at when the bucket says enough.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]
    pub(crate) fn gather(
        &mut self,
        shard: Shard<'_>,
        block: usize,
        bucket_wanted: impl Fn(Bucket) -> bool,
        slot_wanted: impl Fn(u64) -> bool,
    ) -> Result<(), StoreError> {
        for _ in 0..BLOCK_TRIES {
            self.records.clear();
            self.octets.clear();
            let place = shard.place();
            if place.page() == 0 {
                return Ok(());
            }
            let whole = index::at(shard.space, place).and_then(|index| {
                index.block(block).filter(|(_, bucket)| bucket_wanted(*bucket)).try_for_each(|(at, bucket)| {
                    self.add(shard, index.bucket(at), bucket, block, &bucket_wanted, &slot_wanted)
                })
            });
            fence(Acquire);
            if whole.is_some() && shard.place() == place {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        Err(StoreError::Corrupt)
    }

    /// Adds the record that `word` names, as it is now. `None` when it does not keep still.
    fn add(
        &mut self,
        shard: Shard<'_>,
        word: &std::sync::atomic::AtomicU64,
        mut bucket: Bucket,
        block: usize,
        bucket_wanted: &impl Fn(Bucket) -> bool,
        slot_wanted: &impl Fn(u64) -> bool,
    ) -> Option<()> {
        for _ in 0..RECORD_TRIES {
            if !bucket.holds_record() || bucket.tag().block() != block || !bucket_wanted(bucket) {
                return Some(());
            }
            let from = self.octets.len();
            let read = match slot::version(shard.space, bucket.slot()) {
                Some(version) if !slot_wanted(version) => Some(None),
                _ => slot::read_any(shard.space, bucket.slot(), &mut self.octets).map(Some),
            };
            fence(Acquire);
            let now = Bucket(load(word, Relaxed));
            if let Some(read) = read.filter(|_| now == bucket) {
                if let Some((version, key)) = read.filter(|(version, _)| slot_wanted(*version)) {
                    let (key, value) = (from..from + key, from + key..self.octets.len());
                    self.records.push(Record { bucket, version, key, value });
                } else {
                    self.octets.truncate(from);
                }
                return Some(());
            }
            self.octets.truncate(from);
            bucket = now;
        }
        None
    }
}

/// How often a block, or a record of it, is read again before the file is taken for damaged.
const BLOCK_TRIES: usize = 1 << 10;
const RECORD_TRIES: usize = 1 << 10;

impl SharedTable {
    /// Visits about `max` records from `from` on (a block is not split). Returns where to go on; `None` at the end.
    ///
    /// `visit` gets key and value and may use the table as it likes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]
    pub fn iterate(
        &self,
        from: Cursor,
        max: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<Option<Cursor>, StoreError> {
        let (mut cursor, mut visited) = (from, 0);
        let mut gathered = Gathered::default();
        while let Some((shard, block)) = cursor.position() {
            if visited >= max {
                return Ok(Some(cursor));
            }
            let shard = Shard::new(&self.space, shard);
            gathered.gather(shard, block, |bucket| bucket.state() != State::Removed, |_| true)?;
            for record in &gathered.records {
                if let Some(value) = gathered.value(record) {
                    visit(gathered.key(record), value);
                    visited += 1;
                }
            }
            cursor = cursor.behind();
        }
        Ok(None)
    }

    /// Visits records that are due at `now` (Unix seconds) or were before, about `max` of them, from `from` on. Returns
    /// where to go on; `None` at the end.
    ///
    /// `visit` gets key and value and decides by [`Table::update`](dialplane_core::store::Table::update) what becomes of
    /// the record; left as it is, it is visited again the next time. What is not due costs next to nothing: a word per
    /// some ten records is looked at, and a block only when one of its records may have come due.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn sweep(
        &self,
        from: Cursor,
        now: u64,
        max: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<Option<Cursor>, StoreError> {
        // The last value stands for "never".
        let now = u32::try_from(now).unwrap_or(u32::MAX).min(u32::MAX - 1);
        let mut cursor = from;
        let mut visited = 0;
        let mut gathered = Gathered::default();
        loop {
            cursor = cursor.seek(|shard, block| Shard::new(&self.space, shard).block_due(block) <= now);
            let Some((shard, block)) = cursor.position() else { return Ok(None) };
            if visited >= max {
                return Ok(Some(cursor));
            }
            let shard = Shard::new(&self.space, shard);
            let is_due = |version| slot::due(version) <= now;
            gathered.gather(shard, block, |bucket| bucket.state() != State::Removed, is_due)?;
            for record in &gathered.records {
                if let Some(value) = gathered.value(record) {
                    visit(gathered.key(record), value);
                    visited += 1;
                }
            }
            renew_due(shard, block)?;
            cursor = cursor.behind();
        }
    }
}

/// Notes when the first record of the block is due now.
fn renew_due(shard: Shard<'_>, block: usize) -> Result<(), StoreError> {
    let shard = shard.lock()?;
    let mut first = u32::MAX;
    for (_, bucket) in shard.index()?.into_iter().flat_map(|index| index.block(block)) {
        if bucket.state() != State::Removed {
            let version = slot::version(shard.space, bucket.slot()).ok_or(StoreError::Corrupt)?;
            first = first.min(slot::due(version));
        }
    }
    shard.put_block_due(block, first);
    Ok(())
}
