//! The scanner with 32-octet vectors, for processors that have AVX2 and BMI (since 2013 and 2015).
#![allow(
    unsafe_code,
    reason = "the compiler wants it for functions that name a processor feature; docs/architecture.md, Unsafe"
)]

use super::{Scanner, Task, WINDOW};
use crate::header::Candidate;
use core::arch::x86_64::{
    __m256i, _mm_cvtsi128_si32, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
};
#[cfg(feature = "std")]
use core::sync::atomic::{AtomicU8, Ordering};

/// Needs AVX2. Outside this file it is only a type parameter, and [`try_run`] alone calls with it.
pub(super) struct Avx2;

/// Does the task, compiled for AVX2 and BMI, if the processor has both; gives it back otherwise.
#[inline(always)]
pub(super) fn try_run<T: Task>(task: T) -> Result<T::Output, T> {
    if !is_available() {
        return Err(task);
    }
    // SAFETY: the features have just been found.
    Ok(unsafe { run(task) })
}

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
    let lower = _mm256_or_si256(load(window), _mm256_set1_epi8(0x20));
    let mask = bits(_mm256_cmpeq_epi8(lower, load(candidate.octets())));
    // Shifted out at the top are the octets that do not count.
    !mask << ((32 - count) & 31) == 0
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
