//! Where everything lies in a table's file, and how the words are packed. Drawn in `LAYOUT.md`.
//!
//! Only positions and bits: nothing here touches the file.

/// Version of all that this file says. A file of an older version is discarded, never converted: it can be rebuilt.
pub(crate) const VERSION: u64 = 1;

/// Words of a page of 4 KiB; the header, each shard's header and each chunk begin at a page.
pub(crate) const PAGE_WORDS: usize = 512;
/// Words of a unit of 16 octets, in which slots are placed and measured.
pub(crate) const UNIT_WORDS: usize = 2;
/// Units of a page.
pub(crate) const PAGE_UNITS: u32 = (PAGE_WORDS / UNIT_WORDS) as u32;

/// Shards, each with its own lock.
pub(crate) const SHARDS: usize = 64;
/// Blocks of a shard: the records whose tag begins with the same bits. What the control process asks about (changes, ends)
/// is noted per block.
pub(crate) const BLOCKS: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 9;

/// Chunks that the table of chunks can name.
pub(crate) const CHUNKS: usize = 16_384;
/// First word of the table of chunks.
pub(crate) const CHUNK_TABLE: usize = PAGE_WORDS;
/// First word of the headers of the shards.
pub(crate) const SHARD_TABLE: usize = CHUNK_TABLE + CHUNKS;
/// First page behind all headers.
pub(crate) const DATA_PAGE: u32 = ((SHARD_TABLE + SHARDS * PAGE_WORDS) / PAGE_WORDS) as u32;

/// Words of the file's header.
pub(crate) mod file {
    /// Says that this is a table.
    pub(crate) const MAGIC: usize = 0;
    /// [`super::VERSION`].
    pub(crate) const VERSION: usize = 1;
    /// Two words: the boot on which the file is in use.
    pub(crate) const BOOT: usize = 2;
    /// Two words: key of the hash.
    pub(crate) const KEY: usize = 4;
    /// Number of the file itself: a copy of a file in use is torn, and has another.
    pub(crate) const INODE: usize = 6;
    /// 1 when all of it was written to the disk and nobody uses it.
    pub(crate) const CLEAN: usize = 7;
    /// Words to map.
    pub(crate) const RESERVED: usize = 8;
    /// 1 until the contents have been restored from the database.
    pub(crate) const AWAITS_RESTORE: usize = 9;
    /// 1 when changes are noted for the database.
    pub(crate) const MIRRORED: usize = 10;
    /// Pages that exist: everything before may be touched.
    pub(crate) const EXTENT: usize = 16;
    /// Chunks in use.
    pub(crate) const CHUNK_COUNT: usize = 17;
    /// Lock for the two above.
    pub(crate) const GROWTH_LOCK: usize = 24;
}

/// Words of a shard's header. Each group of eight is a cache line.
pub(crate) mod shard {
    /// The present index, [`super::IndexPlace`]. Alone in its line: readers read nothing else here.
    pub(crate) const INDEX: usize = 0;

    /// Lock of all that follows, and of every store into the shard's index and slots.
    pub(crate) const LOCK: usize = 8;
    /// Last version given to a slot.
    pub(crate) const SLOT_VERSION: usize = 9;
    /// Records that readers see.
    pub(crate) const LIVE: usize = 10;
    /// Buckets that are not empty.
    pub(crate) const OCCUPIED: usize = 11;
    /// Records, or removals, that the database must hear of soon.
    pub(crate) const URGENT: usize = 12;
    /// Records that the database may hear of later.
    pub(crate) const LAZY: usize = 13;
    /// Free stretch from which slots are cut.
    pub(crate) const SPAN: usize = 14;
    /// 1 while what can be derived is not derived: the next writer has to.
    pub(crate) const UNSETTLED: usize = 15;

    /// Units of all chunks of slots.
    pub(crate) const TOTAL_UNITS: usize = 16;
    /// Units of free slots and of spare stretches.
    pub(crate) const FREE_UNITS: usize = 17;
    /// First of the spare stretches.
    pub(crate) const SPANS: usize = 18;
    /// First free slot of each class.
    pub(crate) const FREE: usize = 24;

    /// One bit per block: may hold an urgent change.
    pub(crate) const URGENT_BLOCKS: usize = 160;
    /// One bit per block: may hold another change.
    pub(crate) const LAZY_BLOCKS: usize = 168;
    /// 32 bits per block: no record of it is due before.
    pub(crate) const DUE: usize = 256;
}

const _: () = {
    assert!(shard::FREE + class::COUNT <= shard::URGENT_BLOCKS);
    assert!(shard::URGENT_BLOCKS + BLOCKS / 64 <= shard::LAZY_BLOCKS);
    assert!(shard::LAZY_BLOCKS + BLOCKS / 64 <= shard::DUE);
    assert!(shard::DUE + BLOCKS / 2 <= PAGE_WORDS);
    assert!(CHUNKS.is_multiple_of(PAGE_WORDS));
};

/// What the database knows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// All of it.
    Clean = 0,
    /// Not the last refresh.
    Lazy = 1,
    /// Not the last change.
    Urgent = 2,
    /// Not that it was removed; readers do not see the record any more.
    Removed = 3,
}

/// A word of an index: where a record is, part of the hash of its key, its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket(pub(crate) u64);

impl Bucket {
    /// Never used since the index was made: a search ends here.
    pub(crate) const EMPTY: Self = Self(0);
    /// Used before: a search goes on.
    pub(crate) const DELETED: Self = Self(1);

    #[inline(always)]
    pub(crate) fn new(slot: u32, tag: Tag, state: State) -> Self {
        Self(u64::from(slot) << 32 | u64::from(tag.0) << 2 | state as u64)
    }

    /// First unit of the slot; 0 when there is none.
    #[inline(always)]
    pub(crate) fn slot(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    pub(crate) fn tag(self) -> Tag {
        Tag((self.0 >> 2) as u32 & Tag::MASK)
    }

    #[inline(always)]
    pub(crate) fn state(self) -> State {
        match self.0 & 3 {
            0 => State::Clean,
            1 => State::Lazy,
            2 => State::Urgent,
            _ => State::Removed,
        }
    }

    #[inline(always)]
    pub(crate) fn holds_record(self) -> bool {
        self.slot() != 0
    }

    /// Whether both name the same slot for the same tag, whatever the state.
    #[inline(always)]
    pub(crate) fn same_slot(self, other: Self) -> bool {
        (self.0 ^ other.0) >> 2 == 0
    }

    #[inline(always)]
    pub(crate) fn with_state(self, state: State) -> Self {
        Self(self.0 & !3 | state as u64)
    }
}

/// The part of a key's hash that is kept in the index; its first bits say where the record belongs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u32);

impl Tag {
    const BITS: u32 = 30;
    const MASK: u32 = (1 << Self::BITS) - 1;

    /// Where the search begins in an index of 2^`log2` buckets.
    #[inline(always)]
    pub(crate) fn home(self, log2: u32) -> usize {
        (self.0 >> (Self::BITS - log2)) as usize
    }

    #[inline(always)]
    pub(crate) fn block(self) -> usize {
        self.home(BLOCK_BITS)
    }
}

/// Shard and tag of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash {
    pub(crate) shard: usize,
    pub(crate) tag: Tag,
}

impl KeyHash {
    #[inline(always)]
    pub(crate) fn new(hash: u64) -> Self {
        Self { shard: hash as usize % SHARDS, tag: Tag((hash >> (64 - Tag::BITS)) as u32) }
    }
}

/// Where the present index of a shard is. Each change of it, and each time that slots may become something else than
/// slots of the same size, gives it a new sequence number: a reader that finds it unchanged at the end has read nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexPlace(pub(crate) u64);

impl IndexPlace {
    /// Fewest buckets of an index: one page, and at least one bucket per block.
    pub(crate) const MIN_LOG2: u32 = BLOCK_BITS;
    /// Most buckets of an index.
    pub(crate) const MAX_LOG2: u32 = 24;
    const SEQUENCE: u64 = 1 << 37;

    /// The same index with the next sequence number.
    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(Self::SEQUENCE))
    }

    /// Another index with the next sequence number.
    pub(crate) fn moved(self, page: u32, log2: u32) -> Self {
        Self(self.next().0 & !(Self::SEQUENCE - 1) | u64::from(log2) << 32 | u64::from(page))
    }

    /// First page; 0 when there is no index yet.
    #[inline(always)]
    pub(crate) fn page(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(crate) fn log2(self) -> u32 {
        (self.0 >> 32) as u32 & 31
    }
}

/// Second word of a slot: its size, and the length of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta(pub(crate) u64);

impl Meta {
    pub(crate) fn new(units: u32, key: usize, value: usize) -> Self {
        Self(u64::from(units) | (key as u64) << 24 | (value as u64) << 36)
    }

    /// Of a slot or stretch with nothing in it.
    pub(crate) fn free(units: u32) -> Self {
        Self::new(units, 0, 0)
    }

    /// Size of the slot in units.
    #[inline(always)]
    pub(crate) fn units(self) -> u32 {
        self.0 as u32 & 0xff_ffff
    }

    /// Octets of the key.
    #[inline(always)]
    pub(crate) fn key(self) -> usize {
        (self.0 >> 24) as usize & 0xfff
    }

    /// Octets of the value.
    #[inline(always)]
    pub(crate) fn value(self) -> usize {
        (self.0 >> 36) as usize & 0xf_ffff
    }
}

/// What a chunk is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkUse {
    Slots,
    Index,
}

/// A stretch of pages that belongs to one shard. A word of the table of chunks; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) page: u32,
    pub(crate) pages: u32,
    pub(crate) shard: usize,
    pub(crate) used_for: ChunkUse,
}

impl Chunk {
    pub(crate) fn pack(self) -> u64 {
        let used_for = match self.used_for {
            ChunkUse::Slots => 1,
            ChunkUse::Index => 2,
        };
        u64::from(self.page) | u64::from(self.pages) << 32 | (self.shard as u64) << 52 | used_for << 60
    }

    pub(crate) fn unpack(word: u64) -> Option<Self> {
        let used_for = match word >> 60 {
            1 => ChunkUse::Slots,
            2 => ChunkUse::Index,
            _ => return None,
        };
        let (page, pages, shard) = (word as u32, (word >> 32) as u32 & 0xf_ffff, (word >> 52) as usize & 0xff);
        Some(Self { page, pages, shard, used_for })
    }

    /// First unit.
    pub(crate) fn unit(self) -> u32 {
        self.page * PAGE_UNITS
    }

    pub(crate) fn units(self) -> u32 {
        self.pages * PAGE_UNITS
    }
}

/// Sizes in which slots are cut.
pub(crate) mod class {
    /// Number of classes: every size to 64 units, then eight to each doubling.
    pub(crate) const COUNT: usize = 65 + 8 * 7;
    /// Largest slot, in units.
    #[cfg(test)]
    pub(crate) const LARGEST: u32 = 64 << 7;

    /// Class of the smallest size that holds `units`.
    #[inline(always)]
    pub(crate) fn holding(units: u32) -> usize {
        if units <= 64 {
            return units as usize;
        }
        // 64 < units <= 128 is the first doubling.
        let doubling = (units - 1).ilog2() - 6;
        let step = 8 << doubling;
        65 + 8 * doubling as usize + ((units - 1 - (64 << doubling)) / step) as usize
    }

    /// Size of the class in units.
    #[inline(always)]
    pub(crate) fn units(class: usize) -> u32 {
        if class <= 64 {
            return class as u32;
        }
        let (doubling, step) = ((class - 65) / 8, (class - 65) % 8 + 1);
        ((8 + step) << (3 + doubling)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_should() {
        for units in 2..=class::LARGEST {
            let class = class::holding(units);
            assert!(class < class::COUNT, "{units}");
            assert!(class::units(class) >= units, "{units}");
            assert!(class::units(class - 1) < units, "{units}");
            assert_eq!(class::holding(class::units(class)), class, "{units}");
            assert!(class::units(class) - units <= units / 8, "{units} wastes more than an eighth");
        }
    }

    #[test]
    fn packing_loses_nothing() {
        let bucket = Bucket::new(u32::MAX, Tag(Tag::MASK), State::Urgent);
        assert_eq!((bucket.slot(), bucket.tag(), bucket.state()), (u32::MAX, Tag(Tag::MASK), State::Urgent));
        assert!(bucket.same_slot(bucket.with_state(State::Clean)));
        assert!(!bucket.same_slot(Bucket::new(u32::MAX, Tag(0), State::Urgent)));

        let meta = Meta::new(class::LARGEST, 1024, 65_536);
        assert_eq!((meta.units(), meta.key(), meta.value()), (class::LARGEST, 1024, 65_536));

        let chunk = Chunk { page: u32::MAX, pages: 0xf_ffff, shard: 63, used_for: ChunkUse::Index };
        assert_eq!(Chunk::unpack(chunk.pack()), Some(chunk));

        let place = IndexPlace(0).moved(7, 20).next().moved(9, 21);
        assert_eq!((place.page(), place.log2(), place.0 >> 37), (9, 21, 3));
    }
}
