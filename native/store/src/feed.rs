//! What the database has to hear of: every record keeps in its index word whether its last change is there already.
//!
//! So a change is noted by the very store that makes it, a record that changes ten times is told once, and nothing has to
//! be allocated. A record that was removed stays behind, hidden from readers, until its removal is acknowledged.

use crate::access::{load, store};
use crate::layout::{BLOCKS, Bucket, State, shard};
use crate::scan::{Cursor, Gathered};
use crate::shard::{Locked, Shard};
use crate::slot;
use crate::table::SharedTable;
use dialplane_core::store::StoreError;
use std::ops::Range;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// Which changes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// All of them.
    All,
    /// Those that are not urgent: of records that were only refreshed.
    Lazy,
    /// Those that were marked urgent, and removals.
    Urgent,
}

/// Changes that were handed out, to be given back to [`SharedTable::acknowledge`] when they are in the database.
#[derive(Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    next: Option<Cursor>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    shard: u32,
    bucket: Bucket,
    version: u64,
}

impl Batch {
    /// Number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there was no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the change at `place`, in the order of the visits, is more than a refresh: its record may have become
    /// smaller, or is gone.
    #[must_use]
    pub fn is_urgent(&self, place: usize) -> bool {
        self.entries.get(place).is_some_and(|entry| is_wanted(Changes::Urgent, entry.bucket.state()))
    }

    /// Where to go on; `None` when the whole table has been looked at.
    #[must_use]
    pub fn next(&self) -> Option<Cursor> {
        self.next
    }
}

/// How many records are acknowledged before others may write in the same shard.
const STRIDE: usize = 64;

impl SharedTable {
    /// Hands out about `max` changes from `from` on (a block is not split): `visit` gets each key, with the present value
    /// or `None` when the record was removed.
    ///
    /// Until they are acknowledged they are handed out again by a later call, so to be asked by one process only. To get
    /// all that there is, begin with the default cursor and go on with [`Batch::next`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn changes(
        &self,
        kind: Changes,
        from: Cursor,
        max: usize,
        mut visit: impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        self.add_changes(&mut batch, kind, from..Cursor::end(), max, &mut visit)?;
        Ok(batch)
    }

    /// As [`changes`](Self::changes), once around the table from `turn` on, which is then where the next call begins: so
    /// that a part of the table where changes come faster than they are acknowledged does not keep the others waiting.
    ///
    /// [`Batch::next`] is `None` when it came around.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn changes_in_turn(
        &self,
        kind: Changes,
        turn: &mut Cursor,
        max: usize,
        mut visit: impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<Batch, StoreError> {
        let (start, mut batch) = (*turn, Batch::default());
        for range in [start..Cursor::end(), Cursor::default()..start] {
            self.add_changes(&mut batch, kind, range, max, &mut visit)?;
            if batch.next.is_some() {
                break;
            }
        }
        *turn = batch.next.unwrap_or(start);
        Ok(batch)
    }

    /// Adds changes of a range to a batch until it has `max`, and notes where it stopped.
    fn add_changes(
        &self,
        batch: &mut Batch,
        kind: Changes,
        range: Range<Cursor>,
        max: usize,
        visit: &mut impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<(), StoreError> {
        let mut cursor = range.start;
        let mut gathered = Gathered::default();
        loop {
            cursor = cursor.seek(|shard, block| has_note(Shard::new(&self.space, shard), kind, block));
            let Some((number, block)) = cursor.position().filter(|_| cursor < range.end) else { return Ok(()) };
            if batch.entries.len() >= max {
                batch.next = Some(cursor);
                return Ok(());
            }
            let shard = Shard::new(&self.space, number);
            gathered.gather(shard, block, |bucket| is_wanted(kind, bucket.state()), |_| true)?;
            for record in &gathered.records {
                visit(gathered.key(record), gathered.value(record));
                let (bucket, version) = (record.bucket, record.version);
                batch.entries.push(Entry { shard: number as u32, bucket, version });
            }
            if gathered.records.is_empty() {
                renew_notes(&shard.lock()?, block)?;
            }
            cursor = cursor.behind();
        }
    }

    /// Says that the changes of `batch` are in the database. Records that changed again meanwhile stay changed.
    ///
    /// # Errors
    /// [`StoreError`]; what was not acknowledged is handed out again.
    pub fn acknowledge(&self, batch: &Batch) -> Result<(), StoreError> {
        for entries in batch.entries.chunk_by(|a, b| a.shard == b.shard) {
            for stride in entries.chunks(STRIDE) {
                let shard = Shard::new(&self.space, stride[0].shard as usize).lock()?;
                for entry in stride {
                    shard.acknowledge(entry)?;
                }
            }
        }
        Ok(())
    }
}

impl Locked<'_> {
    fn acknowledge(&self, entry: &Entry) -> Result<(), StoreError> {
        let Some(index) = self.index()? else { return Ok(()) };
        for (at, word) in index.from(entry.bucket.tag()) {
            let bucket = Bucket(load(word, Relaxed));
            if bucket == Bucket::EMPTY {
                return Ok(());
            }
            if !bucket.same_slot(entry.bucket) {
                continue;
            }
            // The same slot may hold a later content; the same content may have been removed since.
            let same = slot::version(self.space, bucket.slot()) == Some(entry.version);
            if !same || bucket.state() != entry.bucket.state() {
                return Ok(());
            }
            if bucket.state() == State::Removed {
                return self.drop_record(index, at, bucket);
            }
            store(word, bucket.with_state(State::Clean).0, Release);
            self.count_state(bucket, -1);
            return Ok(());
        }
        Ok(())
    }
}

fn is_wanted(kind: Changes, state: State) -> bool {
    match (kind, state) {
        (_, State::Clean) | (Changes::Urgent, State::Lazy) | (Changes::Lazy, State::Urgent | State::Removed) => false,
        (Changes::All | Changes::Lazy, State::Lazy)
        | (Changes::All | Changes::Urgent, State::Urgent | State::Removed) => true,
    }
}

fn has_note(shard: Shard<'_>, kind: Changes, block: usize) -> bool {
    let noted = |kind| shard.changed_blocks(kind, block / 64) & 1 << (block % 64) != 0;
    kind != Changes::Lazy && noted(shard::URGENT_BLOCKS) || kind != Changes::Urgent && noted(shard::LAZY_BLOCKS)
}

/// Takes back the notes of a block that has no such changes any more.
fn renew_notes(shard: &Locked<'_>, block: usize) -> Result<(), StoreError> {
    let (mut urgent, mut lazy) = (false, false);
    for (_, bucket) in shard.index()?.into_iter().flat_map(|index| index.block(block % BLOCKS)) {
        match bucket.state() {
            State::Clean => {}
            State::Lazy => lazy = true,
            State::Urgent | State::Removed => urgent = true,
        }
    }
    if !urgent {
        shard.forget_changes(shard::URGENT_BLOCKS, block);
    }
    if !lazy {
        shard.forget_changes(shard::LAZY_BLOCKS, block);
    }
    Ok(())
}
