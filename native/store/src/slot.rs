//! A slot: one record as it lies in memory, written by one, read by many without a lock.
//!
//! ```text
//! word 0    due (32 bits) | version (32 bits; odd while the rest is being written)
//! word 1    Meta: size of the slot, octets of key and of value
//! then      key, filled up to whole words; value, filled up to whole words
//! ```
//! A free slot has an odd version, and the first unit of the next free one in the place of `due`.

use crate::access::{load, store};
use crate::layout::{Meta, UNIT_WORDS};
use crate::place::word;
use crate::space::Space;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

/// Longest key, octets.
pub const MAX_KEY: usize = 1024;
/// Longest value, octets.
pub const MAX_VALUE: usize = 65_536;

const HEAD_WORDS: usize = 2;

/// What one attempt to read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The record of that key; its value was appended.
    Match,
    /// A record of another key.
    OtherKey,
    /// Not one record from begin to end: the slot was being reused.
    Torn,
}

/// Units that a record needs.
#[inline(always)]
pub(crate) fn units(key: usize, value: usize) -> u32 {
    let words = HEAD_WORDS + key.div_ceil(8) + value.div_ceil(8);
    words.div_ceil(UNIT_WORDS) as u32
}

/// Reads the value of `key` if it is in the slot at `unit`. What was appended to `value` counts only if this is a
/// [`Attempt::Match`] and the bucket still names the slot.
#[inline(always)]
pub(crate) fn read(space: &Space, unit: u32, key: &[u8], value: &mut Vec<u8>) -> Attempt {
    let Some(slot) = Slot::at(space, unit) else { return Attempt::Torn };
    let matches = slot.meta.key() == key.len() && is_equal(slot.key, key);
    if matches {
        copy_out(slot.value, slot.meta.value(), value);
    }
    match (slot.is_whole(), matches) {
        (false, _) => Attempt::Torn,
        (true, true) => Attempt::Match,
        (true, false) => Attempt::OtherKey,
    }
}

/// Appends key and value of whatever record is in the slot at `unit`, and returns its first word and the length of its
/// key; `None` when it was being reused.
pub(crate) fn read_any(space: &Space, unit: u32, octets: &mut Vec<u8>) -> Option<(u64, usize)> {
    let slot = Slot::at(space, unit)?;
    copy_out(slot.key, slot.meta.key(), octets);
    copy_out(slot.value, slot.meta.value(), octets);
    slot.is_whole().then_some((slot.version, slot.meta.key()))
}

/// First word of the slot at `unit`: tells one content of a slot from every other.
#[inline(always)]
pub(crate) fn version(space: &Space, unit: u32) -> Option<u64> {
    Some(load(&space.words(unit, UNIT_WORDS)?[0], Acquire))
}

/// When the record is due, from the first word of its slot.
#[inline(always)]
pub(crate) fn due(version: u64) -> u32 {
    (version >> 32) as u32
}

/// Size of the slot or free stretch at `unit`.
#[inline(always)]
pub(crate) fn size(space: &Space, unit: u32) -> Option<u32> {
    Some(Meta(load(&space.words(unit, UNIT_WORDS)?[1], Relaxed)).units())
}

/// Writes a record. The slot must be free, so that no bucket names it; `version` must be even and new to the slot.
#[inline(always)]
pub(crate) fn write(slot: &[AtomicU64], version: u32, due: u32, meta: Meta, key: &[u8], value: &[u8]) {
    let [first, second, rest @ ..] = slot else { return };
    store(first, u64::from(version | 1), Relaxed);
    // A reader that sees any of the following stores sees the odd version too.
    fence(Release);
    store(second, meta.0, Relaxed);
    let (key_words, value_words) = rest.split_at(key.len().div_ceil(8));
    copy_in(key_words, key);
    copy_in(value_words, value);
    store(first, u64::from(due) << 32 | u64::from(version), Release);
}

/// A slot under the eyes of a reader.
struct Slot<'a> {
    first: &'a AtomicU64,
    version: u64,
    meta: Meta,
    key: &'a [AtomicU64],
    value: &'a [AtomicU64],
}

impl<'a> Slot<'a> {
    #[inline(always)]
    fn at(space: &'a Space, unit: u32) -> Option<Self> {
        let [first, second] = space.words(unit, HEAD_WORDS)? else { return None };
        let version = load(first, Acquire);
        if version & 1 == 1 {
            return None;
        }
        // Lengths may be those of a later record, or of none: they are only used within what exists.
        let meta = Meta(load(second, Relaxed));
        let (key, value) = (meta.key().div_ceil(8), meta.value().div_ceil(8));
        if key > MAX_KEY / 8 || value > MAX_VALUE / 8 {
            return None;
        }
        let rest = &space.words(unit, HEAD_WORDS + key + value)?[HEAD_WORDS..];
        let (key, value) = rest.split_at(key);
        Some(Self { first, version, meta, key, value })
    }

    /// Whether everything read so far belongs to one record.
    #[inline(always)]
    fn is_whole(&self) -> bool {
        fence(Acquire);
        load(self.first, Relaxed) == self.version
    }
}

#[inline(always)]
fn is_equal(words: &[AtomicU64], octets: &[u8]) -> bool {
    let (whole, rest) = octets.as_chunks::<8>();
    let same = words.iter().zip(whole).all(|(shared, own)| load(shared, Relaxed) == u64::from_le_bytes(*own));
    let last = words.get(whole.len()).filter(|_| !rest.is_empty());
    same && last.is_none_or(|shared| load(shared, Relaxed) == word(rest))
}

#[inline(always)]
fn copy_out(words: &[AtomicU64], length: usize, octets: &mut Vec<u8>) {
    let from = octets.len();
    octets.resize(from + words.len() * 8, 0);
    for (own, shared) in octets[from..].as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *own = load(shared, Relaxed).to_le_bytes();
    }
    octets.truncate(from + length);
}

#[inline(always)]
fn copy_in(words: &[AtomicU64], octets: &[u8]) {
    let (whole, rest) = octets.as_chunks::<8>();
    for (shared, own) in words.iter().zip(whole) {
        store(shared, u64::from_le_bytes(*own), Relaxed);
    }
    if let Some(shared) = words.get(whole.len()).filter(|_| !rest.is_empty()) {
        store(shared, word(rest), Relaxed);
    }
}
