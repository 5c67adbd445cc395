//! A keyed table shared by all processes of a host: readers never wait, writers wait for each other per shard.
//!
//! A record is never changed in place. Its writer fills a free slot, publishes it by one store into the index and frees
//! the old slot; whatever instant it dies at, the index names either the old record or the new one, each of them whole.
//! Everything else is derived and put in order by the next writer of that shard. The argument is in `LAYOUT.md`, and the
//! tests walk through every store and every load.

use crate::access::{load, store};
use crate::index::{self, Index, Search};
use crate::layout::{Bucket, KeyHash, Meta, SHARDS, State, file, shard};
use crate::place::Boot;
use crate::shard::{Locked, Shard};
use crate::slot::{self, Attempt, MAX_KEY, MAX_VALUE};
use crate::space::{Space, Unusable};
use dialplane_core::store::{Change, StoreError, Table};
use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

/// How often a reader tries again before it takes the file for damaged. Each time, a writer has got on.
const READ_TRIES: usize = 1 << 16;

thread_local! {
    /// Buffers for the present and the next value of an update, kept for the next one.
    static BUFFERS: Cell<(Vec<u8>, Vec<u8>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// One table in a mapped file.
#[derive(Debug)]
pub struct SharedTable {
    pub(crate) space: Space,
}

/// Number of changes that the database does not know yet. Exact while nobody writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records written or removed that it must hear of soon.
    pub urgent: u64,
    /// Records that were only refreshed.
    pub lazy: u64,
}

impl SharedTable {
    /// Opens the table at `path` for this boot, or makes an empty one when what is there cannot be trusted. To be called
    /// by one process at a time, before the others [`open`](Self::open) it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open_or_create(path: &Path, boot: Boot) -> io::Result<(Self, Option<Unusable>)> {
        match Space::open(path, boot)? {
            Ok(space) => {
                space.take_into_use(boot)?;
                Ok((Self { space }, None))
            }
            Err(unusable) => Ok((Self { space: Space::create(path, boot)? }, Some(unusable))),
        }
    }

    /// Opens the table at `path`, which is in use on this boot.
    ///
    /// # Errors
    /// What the system says; the inner error when there is nothing to open.
    pub(crate) fn open(path: &Path, boot: Boot) -> io::Result<Result<Self, Unusable>> {
        Ok(Space::open(path, boot)?.map(|space| Self { space }))
    }

    /// Writes everything to the disk and notes that it is complete.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn mark_clean(&self) -> io::Result<()> {
        self.space.mark_clean()
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.sum(shard::LIVE)
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes not acknowledged yet.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        Backlog { urgent: self.sum(shard::URGENT), lazy: self.sum(shard::LAZY) }
    }

    /// Octets of the file, all of them with blocks on the disk.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        u64::from(self.space.extent()) * crate::layout::PAGE_WORDS as u64 * 8
    }

    /// Whether the contents were given up or never there, and the database has not been read back since.
    #[must_use]
    pub fn awaits_restore(&self) -> bool {
        self.file_flag(file::AWAITS_RESTORE)
    }

    /// Says that the database has been read back.
    pub fn restored(&self) {
        store(&self.space.header()[file::AWAITS_RESTORE], 0, Release);
    }

    /// Whether changes are noted for a database. Off when the table is new.
    #[must_use]
    pub fn is_mirrored(&self) -> bool {
        self.file_flag(file::MIRRORED)
    }

    /// Says whether changes are to be noted for a database from now on.
    pub fn set_mirrored(&self, mirrored: bool) {
        store(&self.space.header()[file::MIRRORED], u64::from(mirrored), Release);
    }

    /// Stores a record that came from the database, unless there is one or its removal is not in the database yet. Whether
    /// it was stored.
    ///
    /// # Errors
    /// As [`Table::update`].
    pub fn restore(&self, key: &[u8], value: &[u8], due: u64) -> Result<bool, StoreError> {
        self.within(key, |shard, hash, present, _| match place(&shard, hash.tag, key, present)? {
            Place::Record(..) => Ok(false),
            absent => shard.write(hash, key, absent, value, short(due), State::Clean).map(|()| true),
        })
    }

    /// Stores a record that came from the database, in the place of what there is.
    ///
    /// # Errors
    /// As [`Table::update`].
    pub fn replace(&self, key: &[u8], value: &[u8], due: u64) -> Result<(), StoreError> {
        self.within(key, |shard, hash, present, _| {
            let place = place(&shard, hash.tag, key, present)?;
            shard.write(hash, key, place, value, short(due), State::Clean)
        })
    }

    /// Deletes a record that the database has not any more. Whether there was one.
    ///
    /// # Errors
    /// As [`Table::update`].
    pub fn forget(&self, key: &[u8]) -> Result<bool, StoreError> {
        self.within(key, |shard, hash, present, _| match place(&shard, hash.tag, key, present)? {
            Place::Record(index, at, bucket) => {
                shard.drop_record(index, at, bucket)?;
                Ok(bucket.state() != State::Removed)
            }
            Place::Absent(_) => Ok(false),
        })
    }

    /// Deletes everything, and tells the database nothing.
    ///
    /// # Errors
    /// As [`Table::update`]; some shards are then empty.
    pub fn clear(&self) -> Result<(), StoreError> {
        for number in 0..SHARDS {
            let shard = Shard::new(&self.space, number).lock()?;
            if let Some(index) = shard.index()? {
                for at in 0..index.len() {
                    store(index.bucket(at), Bucket::EMPTY.0, Release);
                }
            }
            shard.settle()?;
        }
        Ok(())
    }

    fn file_flag(&self, at: usize) -> bool {
        load(&self.space.header()[at], Acquire) != 0
    }

    fn sum(&self, at: usize) -> u64 {
        (0..SHARDS).map(|number| Shard::new(&self.space, number).word(at)).sum()
    }

    /// Runs `step` with the shard of `key` locked and two empty buffers.
    #[inline(always)]
    fn within<T>(
        &self,
        key: &[u8],
        step: impl FnOnce(Locked<'_>, KeyHash, &mut Vec<u8>, &mut Vec<u8>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if key.len() > MAX_KEY {
            return Err(StoreError::TooLarge);
        }
        let hash = self.space.hash(key);
        let (mut present, mut next) = BUFFERS.take();
        present.clear();
        next.clear();
        let shard = Shard::new(&self.space, hash.shard).lock();
        let result = shard.and_then(|shard| step(shard, hash, &mut present, &mut next));
        BUFFERS.set((present, next));
        result
    }
}

impl Table for SharedTable {
    #[inline]
    fn read(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        let hash = self.space.hash(key);
        let shard = Shard::new(&self.space, hash.shard);
        let before = value.len();
        for _ in 0..READ_TRIES {
            let found = shard.try_read(hash, key, value);
            if found != Some(true) {
                value.truncate(before);
            }
            match found {
                Some(found) => return Ok(found),
                None => std::hint::spin_loop(),
            }
        }
        Err(StoreError::Corrupt)
    }

    #[inline]
    fn expect(&self, key: &[u8]) {
        let hash = self.space.hash(key);
        let place = Shard::new(&self.space, hash.shard).place();
        let index = if place.page() == 0 { None } else { index::at(&self.space, place) };
        let Some((_, word)) = index.and_then(|index| index.from(hash.tag).next()) else { return };
        // Nothing waits for either load: the processor goes on with what follows, and guesses that the tag is right.
        let bucket = Bucket(load(word, Relaxed));
        if bucket.tag() == hash.tag {
            std::hint::black_box(self.space.words(bucket.slot(), 1).map(|slot| load(&slot[0], Relaxed)));
        }
    }

    #[inline]
    fn update(&self, key: &[u8], change: &mut dyn FnMut(&[u8], &mut Vec<u8>) -> Change) -> Result<Change, StoreError> {
        self.within(key, |shard, hash, present, next| {
            let place = place(&shard, hash.tag, key, present)?;
            let verdict = change(present, next);
            match (verdict, place) {
                (Change::Keep, _) | (Change::Remove, Place::Absent(_)) => {}
                (Change::Remove, Place::Record(index, at, bucket)) => shard.remove(index, at, bucket)?,
                (Change::Write { due, urgent }, _) => {
                    let state = shard.state_after(place, urgent);
                    shard.write(hash, key, place, next, short(due), state)?;
                }
            }
            Ok(verdict)
        })
    }
}

/// Where a record is, or would be.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// In the bucket of this number; it may be one that was removed.
    Record(Index<'a>, usize, Bucket),
    /// In this bucket, once there is an index and room in it.
    Absent(Option<&'a AtomicU64>),
}

/// Seconds that fit into a slot; what is later is never.
fn short(due: u64) -> u32 {
    u32::try_from(due).unwrap_or(u32::MAX)
}

/// Finds the record of `key` and its value (none when it was removed).
#[inline(always)]
fn place<'a>(
    shard: &Locked<'a>,
    tag: crate::layout::Tag,
    key: &[u8],
    present: &mut Vec<u8>,
) -> Result<Place<'a>, StoreError> {
    let Some(index) = shard.index()? else { return Ok(Place::Absent(None)) };
    match shard.search(index, tag, key, present)? {
        Search::Found(at, bucket) => {
            if bucket.state() == State::Removed {
                present.clear();
            }
            Ok(Place::Record(index, at, bucket))
        }
        Search::Free(word) => Ok(Place::Absent(Some(word))),
    }
}

impl Shard<'_> {
    /// One attempt to read; `None` when a writer got in the way.
    #[inline(always)]
    fn try_read(self, hash: KeyHash, key: &[u8], value: &mut Vec<u8>) -> Option<bool> {
        let place = self.place();
        if place.page() == 0 {
            return Some(false);
        }
        let unchanged = || {
            fence(Acquire);
            self.place() == place
        };
        for (_, word) in index::at(self.space, place)?.from(hash.tag) {
            let bucket = Bucket(load(word, Acquire));
            if bucket == Bucket::EMPTY {
                return unchanged().then_some(false);
            }
            if bucket.tag() != hash.tag || !bucket.holds_record() {
                continue;
            }
            let attempt = slot::read(self.space, bucket.slot(), key, value);
            fence(Acquire);
            if attempt == Attempt::Torn || !Bucket(load(word, Relaxed)).same_slot(bucket) {
                return None;
            }
            if attempt == Attempt::Match {
                return unchanged().then_some(bucket.state() != State::Removed);
            }
        }
        None
    }
}

impl<'a> Locked<'a> {
    /// State of a record after a write that the database has yet to hear of.
    fn state_after(&self, place: Place<'a>, urgent: bool) -> State {
        if load(&self.space.header()[file::MIRRORED], Relaxed) == 0 {
            return State::Clean;
        }
        match place {
            Place::Record(_, _, bucket) if matches!(bucket.state(), State::Urgent | State::Removed) => State::Urgent,
            _ if urgent => State::Urgent,
            _ => State::Lazy,
        }
    }

    /// Stores a record; nothing has changed when it fails.
    #[inline(always)]
    fn write(
        &self,
        hash: KeyHash,
        key: &[u8],
        place: Place<'a>,
        value: &[u8],
        due: u32,
        state: State,
    ) -> Result<(), StoreError> {
        if value.len() > MAX_VALUE {
            return Err(StoreError::TooLarge);
        }
        let (word, old) = match place {
            Place::Record(index, at, bucket) => (index.bucket(at), Some(bucket)),
            Place::Absent(free) => (self.bucket_for(hash.tag, free)?, None),
        };
        let taken = self.take(slot::units(key.len(), value.len()))?;
        let meta = Meta::new(taken.units, key.len(), value.len());
        slot::write(taken.words, self.next_version(), due, meta, key, value);
        let bucket = Bucket::new(taken.unit, hash.tag, state);
        self.note(hash.tag.block(), state, due);
        let was_empty = load(word, Relaxed) == Bucket::EMPTY.0;
        // From here on, readers see the new record.
        store(word, bucket.0, Release);
        self.count_state(bucket, 1);
        match old {
            Some(old) => {
                self.count_state(old, -1);
                self.add(shard::LIVE, i64::from(old.state() == State::Removed));
                self.free(old.slot())
            }
            None => {
                self.add(shard::LIVE, 1);
                self.add(shard::OCCUPIED, i64::from(was_empty));
                Ok(())
            }
        }
    }

    /// Hides a record until the database has heard of it; without a database, drops it.
    fn remove(&self, index: Index<'a>, at: usize, bucket: Bucket) -> Result<(), StoreError> {
        if bucket.state() == State::Removed {
            return Ok(());
        }
        if load(&self.space.header()[file::MIRRORED], Relaxed) == 0 {
            return self.drop_record(index, at, bucket);
        }
        let removed = bucket.with_state(State::Removed);
        self.note(bucket.tag().block(), State::Removed, u32::MAX);
        store(index.bucket(at), removed.0, Release);
        self.count_state(bucket, -1);
        self.count_state(removed, 1);
        self.add(shard::LIVE, -1);
        Ok(())
    }

    /// Takes a record out of the index and frees its slot.
    pub(crate) fn drop_record(&self, index: Index<'a>, at: usize, bucket: Bucket) -> Result<(), StoreError> {
        self.erase(index, at);
        self.count_state(bucket, -1);
        self.add(shard::LIVE, -i64::from(bucket.state() != State::Removed));
        self.free(bucket.slot())
    }
}

#[cfg(test)]
#[path = "table/model.rs"]
mod model;
#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
#[cfg(test)]
#[path = "table/walks.rs"]
mod walks;
