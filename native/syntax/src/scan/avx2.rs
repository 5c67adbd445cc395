//! The scanner with 32-octet vectors, for processors that have AVX2 and BMI (since 2013 and 2015).
#![allow(
    unsafe_code,
    reason = "the compiler wants it for functions that name a processor feature; docs/architecture.md, Unsafe"
)]

use super::sse2::Sse2;
use super::{Scanner, Task, WINDOW, window};
use crate::chars::{Class, HOST, slice};
use crate::header::Candidate;
use core::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi128_si32, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16,
};
#[cfg(feature = "std")]
use core::sync::atomic::{AtomicU8, Ordering};

/// Needs AVX2. Outside this file it is only a type parameter, and [`run_best`] alone calls with it.
pub(super) struct Avx2;

/// Does the task, compiled for AVX2 and BMI if the processor has both, else for any.
#[inline(always)]
pub(super) fn run_best<T: Task>(task: T) -> T::Output {
    if is_available() {
        // SAFETY: the features have just been found.
        return unsafe { run(task) };
    }
    run_any(task)
}

/// A function of its own, so that callers hold two calls and not the work itself.
#[inline(never)]
fn run_any<T: Task>(task: T) -> T::Output {
    task.run::<Sse2>()
}

#[inline(never)]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn run<T: Task>(task: T) -> T::Output {
    task.run::<Avx2>()
}

/// Whether the processor has all that [`run`] is compiled for, found out once.
#[cfg(feature = "std")]
#[inline(always)]
fn is_available() -> bool {
    static FOUND: AtomicU8 = AtomicU8::new(UNKNOWN);
    match FOUND.load(Ordering::Relaxed) {
        UNKNOWN => {
            let found = detect();
            FOUND.store(u8::from(found), Ordering::Relaxed);
            found
        }
        found => found == u8::from(true),
    }
}

#[cfg(feature = "std")]
const UNKNOWN: u8 = 2;

#[cfg(feature = "std")]
#[cold]
fn detect() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("lzcnt")
        && std::arch::is_x86_feature_detected!("popcnt")
}

/// Without the standard library only what the whole program is compiled for can be known.
#[cfg(not(feature = "std"))]
#[inline(always)]
const fn is_available() -> bool {
    cfg!(all(
        target_feature = "avx2",
        target_feature = "bmi1",
        target_feature = "bmi2",
        target_feature = "lzcnt",
        target_feature = "popcnt"
    ))
}

impl Scanner for Avx2 {
    #[inline(always)]
    fn call<T: Task>(task: T) -> T::Output {
        // SAFETY: only `run` calls this.
        unsafe { run(task) }
    }

    #[inline(always)]
    fn controls(block: &[u8; 64]) -> u64 {
        // SAFETY: only `run` calls this.
        unsafe { controls(block) }
    }

    #[inline(always)]
    fn colon(window: &[u8; WINDOW]) -> Option<(usize, u8)> {
        // SAFETY: as above.
        unsafe { colon(window) }
    }

    #[inline(always)]
    fn same(window: &[u8; WINDOW], candidate: &Candidate, count: usize) -> bool {
        // SAFETY: as above.
        unsafe { same(window, candidate, count) }
    }

    #[inline(always)]
    fn span(bytes: &[u8], from: usize, class: &Class) -> usize {
        // SAFETY: as above.
        unsafe { span(bytes, from, class) }
    }

    #[inline(always)]
    fn find(bytes: &[u8], from: usize, end: usize, class: &Class) -> usize {
        // SAFETY: as above.
        unsafe { find(bytes, from, end, class) }
    }

    #[inline(always)]
    fn two(window: &[u8; WINDOW], class: &Class, octet: u8) -> (usize, usize) {
        // SAFETY: as above.
        unsafe { two(window, class, octet) }
    }

    #[inline(always)]
    fn host_name(bytes: &[u8], from: usize) -> Option<usize> {
        // SAFETY: as above.
        unsafe { host_name(bytes, from) }
    }
}

/// Control characters are those that a minimum with 0x1F leaves as they are.
#[inline]
#[target_feature(enable = "avx2")]
fn controls(block: &[u8; 64]) -> u64 {
    let highest = _mm256_set1_epi8(0x1F);
    let (halves, _) = block.as_chunks();
    let (low, high) = (load(&halves[0]), load(&halves[1]));
    let low = bits(_mm256_cmpeq_epi8(_mm256_min_epu8(low, highest), low));
    let high = bits(_mm256_cmpeq_epi8(_mm256_min_epu8(high, highest), high));
    u64::from(low) | u64::from(high) << 32
}

#[inline]
#[target_feature(enable = "avx2")]
fn colon(window: &[u8; WINDOW]) -> Option<(usize, u8)> {
    let vector = load(window);
    let mask = bits(_mm256_cmpeq_epi8(vector, _mm256_set1_epi8(b':' as i8)));
    if mask == 0 {
        return None;
    }
    Some((mask.trailing_zeros() as usize, _mm_cvtsi128_si32(_mm256_castsi256_si128(vector)) as u8))
}

#[inline]
#[target_feature(enable = "avx2")]
fn same(window: &[u8; WINDOW], candidate: &Candidate, count: usize) -> bool {
    let name = load(candidate.octets());
    let case = _mm256_and_si256(_mm256_cmpgt_epi8(name, _mm256_set1_epi8(b'@' as i8)), _mm256_set1_epi8(0x20));
    let mask = bits(_mm256_cmpeq_epi8(_mm256_or_si256(load(window), case), name));
    !u64::from(mask) & !(u64::MAX << (count & 63)) == 0
}

#[inline]
#[target_feature(enable = "avx2")]
fn span(bytes: &[u8], from: usize, class: &Class) -> usize {
    let mut at = from;
    while let Some(window) = window(bytes, at) {
        let others = others(load(window), class);
        if others != 0 {
            return at + others.trailing_zeros() as usize;
        }
        at += WINDOW;
    }
    last_span(bytes, at, class)
}

/// The last, short window: the last 32 octets are read again.
#[inline(never)]
#[target_feature(enable = "avx2")]
fn last_span(bytes: &[u8], from: usize, class: &Class) -> usize {
    match bytes.last_chunk() {
        Some(window) if from < bytes.len() => {
            let start = bytes.len() - WINDOW;
            let others = others(load(window), class) >> ((from - start) & 31);
            if others == 0 { bytes.len() } else { from + others.trailing_zeros() as usize }
        }
        _ => crate::chars::span(bytes, from, class),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn find(bytes: &[u8], from: usize, end: usize, class: &Class) -> usize {
    let mut at = from;
    while let Some(window) = window(bytes, at) {
        let members = !others(load(window), class);
        if members != 0 {
            return (at + members.trailing_zeros() as usize).min(end);
        }
        at += WINDOW;
        if at >= end {
            return end;
        }
    }
    last_find(bytes, at, end, class)
}

/// As [`last_span`].
#[inline(never)]
#[target_feature(enable = "avx2")]
fn last_find(bytes: &[u8], from: usize, end: usize, class: &Class) -> usize {
    match bytes.last_chunk() {
        Some(window) if from < bytes.len() => {
            let start = bytes.len() - WINDOW;
            let members = !others(load(window), class) >> ((from - start) & 31);
            if members == 0 { end } else { (from + members.trailing_zeros() as usize).min(end) }
        }
        _ => {
            let rest = slice(bytes, from, end);
            rest.iter().position(|byte| class.has(*byte)).map_or(end, |position| from + position)
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn two(window: &[u8; WINDOW], class: &Class, octet: u8) -> (usize, usize) {
    let vector = load(window);
    let equal = bits(_mm256_cmpeq_epi8(vector, _mm256_set1_epi8(octet.cast_signed())));
    (others(vector, class).trailing_zeros() as usize, equal.trailing_zeros() as usize)
}

/// Names of up to 31 octets; longer ones, and those near the end of the bytes, go octet by octet.
#[inline]
#[target_feature(enable = "avx2")]
fn host_name(bytes: &[u8], from: usize) -> Option<usize> {
    let Some(window) = window(bytes, from) else { return super::host_name(bytes, from) };
    let vector = load(window);
    let others = others(vector, &HOST);
    if others == 0 {
        return super::host_name(bytes, from);
    }
    let length = others.trailing_zeros();
    // The octet at `length` is no part of the name, but a stop for its last label.
    let inside = !(u32::MAX << length);
    let dots = bits(_mm256_cmpeq_epi8(vector, _mm256_set1_epi8(b'.' as i8)));
    let dashes = bits(_mm256_cmpeq_epi8(vector, _mm256_set1_epi8(b'-' as i8)));
    let label_starts = dots << 1 | 1;
    let faults = (label_starts & (dots | dashes)) | (dashes << 1 & (dots | 1 << length));
    (length > 0 && faults & (inside << 1 | 1) == 0).then_some(from + length as usize)
}

/// A bit for each octet that is not in the class. A shuffle takes the low half of each octet as an index and gives 0 for octets from 0x80 up.
#[inline]
#[target_feature(enable = "avx2")]
fn others(vector: __m256i, class: &Class) -> u32 {
    let low_half = _mm256_set1_epi8(0x0F);
    let high_bits = _mm256_broadcastsi128_si256(load_half(&HIGH_BITS));
    let by_low = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load_half(&class.nibbles)), vector);
    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(vector), low_half);
    let by_high = _mm256_shuffle_epi8(high_bits, high);
    bits(_mm256_cmpeq_epi8(_mm256_and_si256(by_low, by_high), _mm256_setzero_si256()))
}

/// For each high half of an ASCII octet its bit in [`Class::nibbles`].
static HIGH_BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline]
#[target_feature(enable = "avx2")]
fn load_half(octets: &[u8; 16]) -> __m128i {
    // SAFETY: 16 octets are read from an array of 16 octets; the load needs no alignment.
    unsafe { _mm_loadu_si128(octets.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(octets: &[u8; 32]) -> __m256i {
    // SAFETY: 32 octets are read from an array of 32 octets; the load needs no alignment.
    unsafe { _mm256_loadu_si256(octets.as_ptr().cast()) }
}

/// The high bit of each octet.
#[inline]
#[target_feature(enable = "avx2")]
fn bits(vector: __m256i) -> u32 {
    _mm256_movemask_epi8(vector).cast_unsigned()
}
