//! From header name to id by a perfect hash. RFC 3261 §7.3.1: names compare without case.
//!
//! The key is the length and three letters (the first, and two behind the middle), which differ for all names of the table; a multiplier that sends
//! the keys to different slots is searched while the crate compiles, so that a new row needs no new constant. Should a new name have the key
//! of another, the crate does not compile and [`letters_at`] has to be chosen anew.

use super::HeaderId;
use super::table::ROWS;
use crate::chars::{octet, slice};

/// Octets of the longest name of the table and one more: what is not shorter is no name of it.
const NAME_MAX: usize = 30;

const SLOT_BITS: u32 = 10;
const SLOTS: usize = 1 << SLOT_BITS;
const NAMES: usize = count_names();
const MULTIPLIER: u32 = find_multiplier();
const _: () = assert!(NAMES < 256 && HeaderId::COUNT <= 128, "a slot is one octet, a set of ids two words");

/// A name in lower case with its colon, padded with NUL. The colon makes a comparison see the length as well.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Candidate([u8; NAME_MAX + 2]);

impl Candidate {
    /// Matches no line.
    const NONE: Self = Self([0xFF; NAME_MAX + 2]);

    const fn new(name: &[u8]) -> Self {
        let mut octets = [0; NAME_MAX + 2];
        let mut at = 0;
        while at < name.len() {
            octets[at] = name[at].to_ascii_lowercase();
            at += 1;
        }
        octets[at] = b':';
        Self(octets)
    }

    /// The name and its colon.
    #[inline(always)]
    pub(crate) const fn octets(&self) -> &[u8; NAME_MAX + 2] {
        &self.0
    }

    const fn key(&self) -> u32 {
        let mut length = 0;
        while self.0[length] != b':' {
            length += 1;
        }
        let at = letters_at(length);
        key(length, self.0[0], [self.0[at], self.0[at + 1]])
    }
}

/// The candidates and, apart from them, what they mean; those behind the last name match nothing and stand for the empty slots.
static CANDIDATES: [Candidate; 256] = candidates().0;
static IDS: [HeaderId; 256] = candidates().1;
static SLOT_TABLE: [u8; SLOTS] = slots();

/// Where the two letters are in a name of that length; the second may be the colon.
#[inline(always)]
pub(crate) const fn letters_at(length: usize) -> usize {
    length * 9 / 16
}

/// The only name of the table that this length, its first octet and the two at [`letters_at`] may be.
#[inline(always)]
pub(crate) fn find(length: usize, first: u8, letters: [u8; 2]) -> (&'static Candidate, HeaderId) {
    let slot = slot(key(length, first, letters), MULTIPLIER);
    // In range: a slot has SLOT_BITS bits; there are as many candidates as an octet has values.
    let number = SLOT_TABLE[slot] as usize;
    (&CANDIDATES[number], IDS[number])
}

/// The id of a name in any case, without vectors.
pub(crate) fn find_scalar(name: &[u8]) -> HeaderId {
    let length = name.len();
    if length == 0 || length >= NAME_MAX {
        return HeaderId::OTHER;
    }
    let at = letters_at(length);
    let second = if at + 1 < length { octet(name, at + 1) } else { b':' };
    let (candidate, id) = find(length, octet(name, 0), [octet(name, at), second]);
    if octet(&candidate.0, length) == b':' && slice(&candidate.0, 0, length).eq_ignore_ascii_case(name) {
        id
    } else {
        HeaderId::OTHER
    }
}

#[inline(always)]
const fn key(length: usize, first: u8, letters: [u8; 2]) -> u32 {
    let letters = (first as u32) | (u16::from_le_bytes(letters) as u32) << 8;
    (letters & 0x001F_1F1F) | (length as u32) << 24
}

#[inline(always)]
const fn slot(key: u32, multiplier: u32) -> usize {
    (key.wrapping_mul(multiplier) >> (32 - SLOT_BITS)) as usize
}

const fn count_names() -> usize {
    let mut count = 0;
    let mut row = 0;
    while row < ROWS.len() {
        count += if ROWS[row].compact.is_some() { 2 } else { 1 };
        row += 1;
    }
    count
}

const fn candidates() -> ([Candidate; 256], [HeaderId; 256]) {
    let mut all = [Candidate::NONE; 256];
    let mut ids = [HeaderId::OTHER; 256];
    let mut count = 0;
    let mut row = 0;
    while row < ROWS.len() {
        all[count] = Candidate::new(ROWS[row].name.as_bytes());
        ids[count] = HeaderId(row as u8);
        count += 1;
        if let Some(letter) = ROWS[row].compact {
            all[count] = Candidate::new(&[letter]);
            ids[count] = HeaderId(row as u8);
            count += 1;
        }
        row += 1;
    }
    (all, ids)
}

const fn find_multiplier() -> u32 {
    let (all, _) = candidates();
    let mut keys = [0; NAMES];
    let mut i = 0;
    while i < NAMES {
        keys[i] = all[i].key();
        let mut other = 0;
        while other < i {
            assert!(keys[other] != keys[i], "two names have the same key");
            other += 1;
        }
        i += 1;
    }
    let mut state: u32 = 0x9E37_79B9;
    loop {
        // Marsaglia's xorshift32: any full-period sequence will do.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if is_perfect(&keys, state | 1) {
            return state | 1;
        }
    }
}

const fn is_perfect(keys: &[u32; NAMES], multiplier: u32) -> bool {
    let mut taken = [0u64; SLOTS / 64];
    let mut i = 0;
    while i < NAMES {
        let slot = slot(keys[i], multiplier);
        if taken[slot / 64] >> (slot % 64) & 1 != 0 {
            return false;
        }
        taken[slot / 64] |= 1 << (slot % 64);
        i += 1;
    }
    true
}

const fn slots() -> [u8; SLOTS] {
    let (all, _) = candidates();
    let mut table = [NAMES as u8; SLOTS];
    let mut i = 0;
    while i < NAMES {
        table[slot(all[i].key(), MULTIPLIER)] = i as u8;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the compiler searched, searched once more.
    #[test]
    fn each_name_has_a_slot_of_its_own() {
        let (all, ids) = candidates();
        assert_eq!(find_multiplier(), MULTIPLIER);
        assert_eq!(slots(), SLOT_TABLE);
        assert!(all.iter().take(NAMES).zip(&ids).all(|(candidate, id)| {
            let length = candidate.0.iter().position(|byte| *byte == b':').unwrap_or(NAME_MAX);
            let at = letters_at(length);
            let (found, found_id) = find(length, candidate.0[0], [candidate.0[at], candidate.0[at + 1]]);
            found.0 == candidate.0 && found_id == *id
        }));
        assert_eq!(count_names(), NAMES);
    }

    #[test]
    fn two_names_in_one_slot_are_not_perfect() {
        let (all, _) = candidates();
        let mut keys = [0; NAMES];
        for (key, candidate) in keys.iter_mut().zip(&all) {
            *key = candidate.key();
        }
        assert!(is_perfect(&keys, MULTIPLIER));
        assert!(!is_perfect(&keys, 0), "all in the first slot");
        keys[1] = keys[0];
        assert!(!is_perfect(&keys, MULTIPLIER));
    }
}
