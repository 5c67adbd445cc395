//! A table's file as words: its header, its pages, and how it grows.
//!
//! The file is as long as what is used, and every page of it has blocks on the disk before anyone touches it: a mapped page
//! without blocks on a full disk would end the process (`SIGBUS`) where we want [`StoreError::Full`].

use crate::access::{load, store};
use crate::layout::{CHUNK_TABLE, CHUNKS, Chunk, ChunkUse, DATA_PAGE, KeyHash, PAGE_UNITS, PAGE_WORDS};
use crate::layout::{SHARD_TABLE, UNIT_WORDS, VERSION, file};
use crate::lock;
use crate::map::Words;
use crate::place::{self, Boot};
use dialplane_core::store::StoreError;
use siphasher::sip::SipHasher13;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const MAGIC: u64 = u64::from_le_bytes(*b"dpl:tabl");

/// Address range that a table asks for, in octets: room for some 50 million bindings. It is only a range: neither memory
/// nor disk nor the limit on committed memory counts it. Where `ulimit -v` allows less, it is halved until it fits.
const RESERVE: usize = 1 << 34;
/// Less is not worth starting with.
const RESERVE_LEAST: usize = 1 << 26;

/// Units whose pages are asked for together: 256 KiB.
pub(crate) const WINDOW: u32 = 64 * PAGE_UNITS;

/// The mapped file of one table.
#[derive(Debug)]
pub(crate) struct Space {
    words: Words,
    file: File,
    hasher: SipHasher13,
}

/// Why a file was not taken as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none.
    Missing,
    /// It does not look like one of ours, or is shorter than it says.
    Damaged,
    /// It was written by an older version, with another layout.
    OtherVersion,
    /// The machine went down while it was in use: part of it may never have reached the disk.
    UncleanBoot,
    /// It is a copy of a file that was in use, made while it changed.
    Copied,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is none",
            Self::Damaged => "it is damaged",
            Self::OtherVersion => "an older version wrote it",
            Self::UncleanBoot => "the machine went down while it was in use",
            Self::Copied => "it is a copy that was made while it was in use",
        })
    }
}

impl Space {
    /// Makes an empty table at `path` and puts it in the place of what is there. Who has that mapped keeps what he has.
    ///
    /// # Errors
    /// No permission, no room, no randomness.
    pub(crate) fn create(path: &Path, boot: Boot) -> io::Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        place::create_in_place(path, |file| {
            allocate(file, 0, DATA_PAGE)?;
            let (words, reserved) = reserve(file)?;
            let space = Self { words, file: file.try_clone()?, hasher: SipHasher13::new_with_key(&key) };
            let header = space.header();
            let (low, high) = key.split_at(8);
            for (at, value) in [
                (file::VERSION, VERSION),
                (file::BOOT, boot.0),
                (file::BOOT + 1, boot.1),
                (file::KEY, place::word(low)),
                (file::KEY + 1, place::word(high)),
                (file::INODE, place::inode(file)?),
                (file::RESERVED, reserved as u64),
                (file::AWAITS_RESTORE, 1),
                (file::EXTENT, u64::from(DATA_PAGE)),
                (file::MAGIC, MAGIC),
            ] {
                store(&header[at], value, Release);
            }
            Ok(space)
        })
    }

    /// Opens the table at `path` if its contents can be trusted.
    ///
    /// # Errors
    /// What the system says; the inner error tells why the contents cannot be used.
    pub(crate) fn open(path: &Path, boot: Boot) -> io::Result<Result<Self, Unusable>> {
        let file = match place::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Unusable::Missing)),
            other => other?,
        };
        let octets = file.metadata()?.len();
        if octets < u64::from(DATA_PAGE) * PAGE_WORDS as u64 * 8 {
            return Ok(Err(Unusable::Damaged));
        }
        let head = Words::map(&file, PAGE_WORDS)?;
        let value = |at: usize| load(&head[at], Relaxed);
        if value(file::MAGIC) != MAGIC {
            return Ok(Err(Unusable::Damaged));
        }
        if value(file::VERSION) > VERSION {
            // Not discarded: who went back to an older version by mistake loses nothing.
            return Err(io::Error::other("written by a newer dialplane; install that one, or remove the file"));
        }
        if value(file::VERSION) != VERSION {
            return Ok(Err(Unusable::OtherVersion));
        }
        if value(file::CLEAN) != 1 {
            if (value(file::BOOT), value(file::BOOT + 1)) != (boot.0, boot.1) {
                return Ok(Err(Unusable::UncleanBoot));
            }
            if value(file::INODE) != place::inode(&file)? {
                return Ok(Err(Unusable::Copied));
            }
        }
        let (extent, reserved) = (value(file::EXTENT), value(file::RESERVED));
        // Asked again, and after the extent was read: others may be making the file longer.
        let octets = file.metadata()?.len();
        let holds_extent = extent >= u64::from(DATA_PAGE) && octets / 8 / PAGE_WORDS as u64 >= extent;
        if !holds_extent || !(RESERVE_LEAST as u64 / 8..=RESERVE as u64 / 8).contains(&reserved) {
            return Ok(Err(Unusable::Damaged));
        }
        let mut key = [0; 16];
        key[..8].copy_from_slice(&value(file::KEY).to_le_bytes());
        key[8..].copy_from_slice(&value(file::KEY + 1).to_le_bytes());
        let words = Words::map(&file, reserved as usize)?;
        Ok(Ok(Self { words, file, hasher: SipHasher13::new_with_key(&key) }))
    }

    /// Notes that the file is in use on this boot, on the disk too: a later boot must not take it for clean.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn take_into_use(&self, boot: Boot) -> io::Result<()> {
        let header = self.header();
        store(&header[file::BOOT], boot.0, Release);
        store(&header[file::BOOT + 1], boot.1, Release);
        store(&header[file::INODE], place::inode(&self.file)?, Release);
        if load(&header[file::CLEAN], Acquire) == 0 {
            return Ok(());
        }
        store(&header[file::CLEAN], 0, Release);
        self.words.flush(0..PAGE_WORDS)
    }

    /// Writes everything to the disk and notes that it is complete.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn mark_clean(&self) -> io::Result<()> {
        self.words.flush(0..self.extent() as usize * PAGE_WORDS)?;
        store(&self.header()[file::CLEAN], 1, Release);
        self.words.flush(0..PAGE_WORDS)
    }

    /// The file's header.
    #[inline(always)]
    pub(crate) fn header(&self) -> &[AtomicU64; PAGE_WORDS] {
        self.words.first_chunk().expect("every mapping is longer than a page")
    }

    /// The header of a shard.
    #[inline(always)]
    pub(crate) fn shard_header(&self, shard: usize) -> &[AtomicU64; PAGE_WORDS] {
        let from = SHARD_TABLE + shard * PAGE_WORDS;
        self.words[from..].first_chunk().expect("every mapping is longer than the headers")
    }

    /// `words` words from unit `unit`. `None` when they do not all exist: the unit was read from something that has changed
    /// meanwhile, or the file is damaged.
    #[inline(always)]
    pub(crate) fn words(&self, unit: u32, words: usize) -> Option<&[AtomicU64]> {
        let from = unit as usize * UNIT_WORDS;
        if from + words > self.extent() as usize * PAGE_WORDS {
            return None;
        }
        self.words.get(from..from + words)
    }

    /// Has the kernel give memory to the pages from `unit` to the end of their window of [`WINDOW`] units, of `units` that
    /// are about to be used one after the other.
    pub(crate) fn populate(&self, unit: u32, units: u32) {
        let units = units.min(WINDOW - unit % WINDOW) as usize;
        let from = unit as usize * UNIT_WORDS / PAGE_WORDS * PAGE_WORDS;
        let end = (unit as usize + units) * UNIT_WORDS;
        if end <= self.extent() as usize * PAGE_WORDS {
            self.words.populate(from..end);
        }
    }

    /// Shard and tag of a key.
    #[inline(always)]
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash::new(self.hasher.hash(key))
    }

    /// Pages that exist.
    #[inline(always)]
    pub(crate) fn extent(&self) -> u32 {
        load(&self.header()[file::EXTENT], Acquire) as u32
    }

    /// The chunks of one shard, with their place in the table of chunks.
    pub(crate) fn chunks_of(&self, shard: usize) -> impl Iterator<Item = (usize, Chunk)> {
        let count = (load(&self.header()[file::CHUNK_COUNT], Acquire) as usize).min(CHUNKS);
        let table = &self.words[CHUNK_TABLE..CHUNK_TABLE + count];
        table
            .iter()
            .enumerate()
            .filter_map(|(number, word)| Some((number, Chunk::unpack(load(word, Acquire))?)))
            .filter(move |(_, chunk)| chunk.shard == shard)
    }

    /// Changes what a chunk is used for.
    pub(crate) fn reuse_chunk(&self, number: usize, chunk: Chunk, used_for: ChunkUse) {
        store(&self.words[CHUNK_TABLE + number], Chunk { used_for, ..chunk }.pack(), Release);
    }

    /// Lengthens the file by `pages` for a shard. What is in the new pages is zero.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the disk, the quota, the address range or the table of chunks is used up.
    pub(crate) fn grow(&self, shard: usize, used_for: ChunkUse, pages: u32) -> Result<Chunk, StoreError> {
        let header = self.header();
        // A dead holder leaves nothing to repair: a chunk exists once it is in the table, and the two words are derived.
        lock::acquire(&header[file::GROWTH_LOCK])?;
        let result = self.grow_locked(shard, used_for, pages);
        lock::release(&header[file::GROWTH_LOCK]);
        result
    }

    fn grow_locked(&self, shard: usize, used_for: ChunkUse, pages: u32) -> Result<Chunk, StoreError> {
        let header = self.header();
        let table = &self.words[CHUNK_TABLE..CHUNK_TABLE + CHUNKS];
        let noted = load(&header[file::CHUNK_COUNT], Relaxed) as usize;
        let count = table.iter().skip(noted).take_while(|word| load(word, Relaxed) != 0).count() + noted;
        let last = count.checked_sub(1).and_then(|last| Chunk::unpack(load(&table[last], Relaxed)));
        let page = last.map_or(DATA_PAGE, |last| last.page + last.pages);
        let end = u64::from(page) + u64::from(pages);
        if count == CHUNKS || end * PAGE_WORDS as u64 > self.words.len() as u64 || end * u64::from(PAGE_UNITS) > 1 << 32
        {
            return Err(StoreError::Full);
        }
        // Any refusal is "no room" to the caller: disk, quota, limit on file sizes.
        allocate(&self.file, page, pages).map_err(|_| StoreError::Full)?;
        let chunk = Chunk { page, pages, shard, used_for };
        store(&table[count], chunk.pack(), Release);
        store(&header[file::EXTENT], end, Release);
        store(&header[file::CHUNK_COUNT], count as u64 + 1, Release);
        Ok(chunk)
    }
}

/// Maps the largest range that the process may have.
fn reserve(file: &File) -> io::Result<(Words, usize)> {
    let mut octets = RESERVE;
    loop {
        match Words::map(file, octets / 8) {
            Ok(words) => return Ok((words, octets / 8)),
            Err(_) if octets > RESERVE_LEAST => octets /= 2,
            Err(error) => return Err(error),
        }
    }
}

/// Gives blocks on the disk to pages at the end of the file.
fn allocate(file: &File, page: u32, pages: u32) -> io::Result<()> {
    let octets = |pages: u32| u64::from(pages) * PAGE_WORDS as u64 * 8;
    place::allocate(file, octets(page), octets(pages))
}
