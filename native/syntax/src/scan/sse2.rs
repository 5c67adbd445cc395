//! The scanner with 16-octet vectors. SSE2 is part of x86-64, so nothing has to be detected.
#![allow(
    unsafe_code,
    reason = "the compiler wants it for functions that name a processor feature; docs/architecture.md, Unsafe"
)]

use super::{Scanner, Task, WINDOW};
use crate::header::Candidate;
use core::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_min_epu8,
    _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
};

/// Needs SSE2.
pub(crate) struct Sse2;

impl Scanner for Sse2 {
    fn call<T: Task>(task: T) -> T::Output {
        task.run::<Self>()
    }

    #[inline(always)]
    fn controls(block: &[u8; 64]) -> u64 {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { controls(block) }
    }

    #[inline(always)]
    fn colon(window: &[u8; WINDOW]) -> Option<(usize, u8)> {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { colon(window) }
    }

    #[inline(always)]
    fn same(window: &[u8; WINDOW], candidate: &Candidate, count: usize) -> bool {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { same(window, candidate, count) }
    }
}

/// Control characters are those that a minimum with 0x1F leaves as they are.
#[inline]
#[target_feature(enable = "sse2")]
fn controls(block: &[u8; 64]) -> u64 {
    let highest = _mm_set1_epi8(0x1F);
    let mut mask = 0;
    for (number, octets) in block.as_chunks().0.iter().enumerate() {
        let vector = load(octets);
        mask |= bits(_mm_cmpeq_epi8(_mm_min_epu8(vector, highest), vector)) << (16 * number);
    }
    mask
}

/// The first octet is taken from the vector: read from memory again it would wait for the vector to be stored.
#[inline]
#[target_feature(enable = "sse2")]
fn colon(window: &[u8; WINDOW]) -> Option<(usize, u8)> {
    let colon = _mm_set1_epi8(b':' as i8);
    let [low, high] = load_window(window);
    let mask = bits(_mm_cmpeq_epi8(low, colon)) | bits(_mm_cmpeq_epi8(high, colon)) << 16;
    if mask == 0 {
        return None;
    }
    Some((mask.trailing_zeros() as usize, _mm_cvtsi128_si32(low) as u8))
}

/// The case bit is set where the name has a letter: it makes of no other octet one, but of a CR a hyphen.
#[inline]
#[target_feature(enable = "sse2")]
fn same(window: &[u8; WINDOW], candidate: &Candidate, count: usize) -> bool {
    let equal = |octets, name| {
        let case = _mm_and_si128(_mm_cmpgt_epi8(name, _mm_set1_epi8(b'@' as i8)), _mm_set1_epi8(0x20));
        bits(_mm_cmpeq_epi8(_mm_or_si128(octets, case), name))
    };
    let [low, high] = load_window(window);
    let [name_low, name_high] = load_window(candidate.octets());
    let (low, high) = (equal(low, name_low), equal(high, name_high));
    !(low | high << 16) & !(u64::MAX << (count & 63)) == 0
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_window(window: &[u8; WINDOW]) -> [__m128i; 2] {
    let (halves, _) = window.as_chunks();
    [load(&halves[0]), load(&halves[1])]
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(octets: &[u8; 16]) -> __m128i {
    // SAFETY: 16 octets are read from an array of 16 octets; the load needs no alignment.
    unsafe { _mm_loadu_si128(octets.as_ptr().cast()) }
}

/// The high bit of each octet.
#[inline]
#[target_feature(enable = "sse2")]
fn bits(vector: __m128i) -> u64 {
    u64::from(_mm_movemask_epi8(vector).cast_unsigned())
}
