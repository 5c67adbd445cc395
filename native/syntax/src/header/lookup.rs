//! From header name to id by a perfect hash. RFC 3261 §7.3.1: names compare without case.
//!
//! The key is the length and three letters (first, middle, last), which differ for all names of the table; a multiplier
//! that sends the keys to different slots is searched while the crate compiles, so a new row needs no new constant.

use super::HeaderId;
use super::table::ROWS;
use crate::chars::octet;

/// Octets of the longest name, rounded up to what one comparison takes.
pub(crate) const NAME_MAX: usize = 32;

const SLOT_BITS: u32 = 10;
const SLOTS: usize = 1 << SLOT_BITS;
const NAMES: usize = count_names();
const MULTIPLIER: u32 = find_multiplier();
const _: () = assert!(NAMES < 256, "a slot is one octet");

/// A name in lower case, padded with NUL, and what it means.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Candidate {
    pub(crate) text: [u8; NAME_MAX],
    pub(crate) id: HeaderId,
}

/// The candidates; the last one matches no name and stands for the empty slots.
static CANDIDATES: [Candidate; NAMES + 1] = candidates();
static SLOT_TABLE: [u8; SLOTS] = slots();

/// The only name of the table that these three letters and this length may be.
#[inline(always)]
pub(crate) fn find(length: usize, first: u8, middle: u8, last: u8) -> &'static Candidate {
    let slot = slot(key(length, first, middle, last), MULTIPLIER);
    // Both indices are in range by construction: a slot has SLOT_BITS bits, an entry of the slot table is at most NAMES.
    &CANDIDATES[(SLOT_TABLE[slot] as usize).min(NAMES)]
}

/// The id of a name in any case, without vectors.
pub(crate) fn find_scalar(name: &[u8]) -> HeaderId {
    let length = name.len();
    if length == 0 || length > NAME_MAX {
        return HeaderId::OTHER;
    }
    let candidate = find(length, octet(name, 0), octet(name, length / 2), octet(name, length - 1));
    let (text, padding) = candidate.text.split_at(length);
    if text.eq_ignore_ascii_case(name) && padding.first().is_none_or(|byte| *byte == 0) {
        candidate.id
    } else {
        HeaderId::OTHER
    }
}

#[inline(always)]
const fn key(length: usize, first: u8, middle: u8, last: u8) -> u32 {
    let letters = (first as u32) | (middle as u32) << 8 | (last as u32) << 16;
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

const fn candidates() -> [Candidate; NAMES + 1] {
    let mut all = [Candidate { text: [0xFF; NAME_MAX], id: HeaderId::OTHER }; NAMES + 1];
    let mut count = 0;
    let mut row = 0;
    while row < ROWS.len() {
        let name = ROWS[row].name.as_bytes();
        let mut text = [0; NAME_MAX];
        let mut at = 0;
        while at < name.len() {
            text[at] = name[at].to_ascii_lowercase();
            at += 1;
        }
        all[count] = Candidate { text, id: HeaderId(row as u8) };
        count += 1;
        if let Some(letter) = ROWS[row].compact {
            let mut text = [0; NAME_MAX];
            text[0] = letter;
            all[count] = Candidate { text, id: HeaderId(row as u8) };
            count += 1;
        }
        row += 1;
    }
    all
}

const fn candidate_key(candidate: &Candidate) -> u32 {
    let mut length = 0;
    while length < NAME_MAX && candidate.text[length] != 0 {
        length += 1;
    }
    key(length, candidate.text[0], candidate.text[length / 2], candidate.text[length - 1])
}

const fn find_multiplier() -> u32 {
    let all = candidates();
    let mut keys = [0; NAMES];
    let mut i = 0;
    while i < NAMES {
        keys[i] = candidate_key(&all[i]);
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
    let all = candidates();
    let mut table = [NAMES as u8; SLOTS];
    let mut i = 0;
    while i < NAMES {
        table[slot(candidate_key(&all[i]), MULTIPLIER)] = i as u8;
        i += 1;
    }
    table
}
