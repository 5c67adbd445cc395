//! Checks a table against itself, shard by shard: every unit of every chunk has one use, every count and note agrees.

use crate::access::load;
use crate::layout::{Bucket, ChunkUse, SHARDS, State, class, shard};
use crate::shard::{Locked, Shard};
use crate::slot;
use crate::table::SharedTable;
use dialplane_core::store::StoreError;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

impl SharedTable {
    /// Looks for contradictions within the table; writers of one shard at a time wait meanwhile. Some milliseconds for
    /// every ten thousand records.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there is one; [`StoreError`] when a shard cannot be locked.
    pub fn verify(&self) -> Result<(), StoreError> {
        for number in 0..SHARDS {
            let shard = Shard::new(&self.space, number).lock()?;
            if shard.contradiction()?.is_some() {
                return Err(StoreError::Corrupt);
            }
        }
        Ok(())
    }
}

impl Locked<'_> {
    /// The first contradiction found, in words.
    pub(crate) fn contradiction(&self) -> Result<Option<&'static str>, StoreError> {
        let mut tiles = BTreeMap::new();
        let mut take = |unit, units| tiles.insert(unit, units).is_none();
        let mut counts = [0; 4];
        let mut deleted = 0;
        let mut tags = Vec::new();
        let index = self.index()?;
        for at in 0..index.map_or(0, |index| index.len()) {
            let Some(index) = index else { break };
            let bucket = Bucket(load(index.bucket(at), Relaxed));
            deleted += u64::from(bucket == Bucket::DELETED);
            if !bucket.holds_record() {
                continue;
            }
            counts[bucket.state() as usize] += 1;
            let mut octets = Vec::new();
            let Some((version, key)) = slot::read_any(self.space, bucket.slot(), &mut octets) else {
                return Ok(Some("a bucket names a slot that is being written"));
            };
            let Some(units) = slot::size(self.space, bucket.slot()) else { return Ok(Some("a slot without a size")) };
            if !take(bucket.slot(), units) {
                return Ok(Some("two buckets name one slot"));
            }
            let hash = self.space.hash(&octets[..key]);
            if hash.shard != self.number || hash.tag != bucket.tag() {
                return Ok(Some("a record in the wrong place"));
            }
            let mut way = index.from(bucket.tag()).map(|(_, word)| Bucket(load(word, Relaxed)));
            if !way.by_ref().take_while(|other| *other != Bucket::EMPTY).any(|other| other == bucket) {
                return Ok(Some("a record that no search finds"));
            }
            tags.push((bucket.tag().0, octets[..key].to_vec()));
            if let Some(missing) = self.missing_note(bucket, version) {
                return Ok(Some(missing));
            }
        }
        tags.sort_unstable();
        if tags.windows(2).any(|pair| pair[0] == pair[1]) {
            return Ok(Some("two records of one key"));
        }
        let [clean, lazy, urgent, removed] = counts;
        let counted = [
            (shard::LIVE, clean + lazy + urgent),
            (shard::LAZY, lazy),
            (shard::URGENT, urgent + removed),
            (shard::OCCUPIED, counts.iter().sum::<u64>() + deleted),
        ];
        if counted.iter().any(|(at, count)| self.word(*at) != *count) {
            return Ok(Some("a count"));
        }
        self.contradiction_of_room(tiles)
    }

    fn missing_note(&self, bucket: Bucket, version: u64) -> Option<&'static str> {
        let block = bucket.tag().block();
        let noted = |kind| self.changed_blocks(kind, block / 64) & 1 << (block % 64) != 0;
        match bucket.state() {
            State::Urgent | State::Removed if !noted(shard::URGENT_BLOCKS) => Some("an urgent change without a note"),
            State::Lazy if !noted(shard::LAZY_BLOCKS) => Some("a lazy change without a note"),
            State::Clean | State::Lazy | State::Urgent if slot::due(version) < self.block_due(block) => {
                Some("a record due before its block")
            }
            _ => None,
        }
    }

    /// `tiles`: the slots in use.
    fn contradiction_of_room(&self, mut tiles: BTreeMap<u32, u32>) -> Result<Option<&'static str>, StoreError> {
        let mut free = 0;
        let lists = (0..class::COUNT).map(|class| (shard::FREE + class, Some(class::units(class))));
        for (list, expected) in lists.chain([(shard::SPANS, None)]) {
            let mut unit = self.word(list) as u32;
            while unit != 0 {
                let Some(units) = slot::size(self.space, unit) else { return Ok(Some("a free slot without a size")) };
                if expected.is_some_and(|expected| expected != units) || tiles.insert(unit, units).is_some() {
                    return Ok(Some("a list of free slots"));
                }
                free += u64::from(units);
                unit = self.next_of(unit)?;
            }
        }
        if let span @ 1.. = self.word(shard::SPAN) as u32 {
            let units = slot::size(self.space, span).ok_or(StoreError::Corrupt)?;
            if tiles.insert(span, units).is_some() {
                return Ok(Some("the present stretch"));
            }
        }
        let mut total = 0;
        for (_, chunk) in self.space.chunks_of(self.number).filter(|(_, chunk)| chunk.used_for == ChunkUse::Slots) {
            let (mut at, end) = (chunk.unit(), chunk.unit() + chunk.units());
            let mut known = false;
            while at < end {
                let units = match tiles.remove(&at) {
                    Some(units) => {
                        known = true;
                        units
                    }
                    // A chunk that its maker never came to use, or a unit too short for any list.
                    None => match slot::size(self.space, at).ok_or(StoreError::Corrupt)? {
                        1 => {
                            free += 1;
                            1
                        }
                        _ if !known && at == chunk.unit() => chunk.units(),
                        _ => return Ok(Some("a stretch that is neither free nor in use")),
                    },
                };
                at += units;
            }
            total += if known { u64::from(chunk.units()) } else { 0 };
        }
        if !tiles.is_empty() {
            return Ok(Some("a slot outside of the shard's chunks"));
        }
        if total != self.word(shard::TOTAL_UNITS) || free != self.word(shard::FREE_UNITS) {
            return Ok(Some("the count of units"));
        }
        Ok(None)
    }
}
