//! The scanner: control characters 64 octets at a time, header names 32 octets at a time.
//!
//! On x86-64 with the vectors that every such processor has (SSE2), or with longer ones where the processor has AVX2; elsewhere with plain words. All give
//! the same, which a property test checks. What is loaded are arrays of known length, whose bounds safe code has checked.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(not(target_arch = "x86_64"))]
use portable::Portable as Native;
#[cfg(target_arch = "x86_64")]
use sse2::Sse2 as Native;

use crate::header::{Candidate, HeaderId, find};

/// Octets that one name comparison looks at.
pub(crate) const WINDOW: usize = 32;

/// One way to look at many octets at once.
pub(crate) trait Scanner {
    /// A bit for each octet below 0x20.
    fn controls(block: &[u8; 64]) -> u64;

    /// Position of the first colon, and the first octet of the window.
    fn colon(window: &[u8; WINDOW]) -> Option<(usize, u8)>;

    /// Whether so many octets from the first, at most [`WINDOW`], are those of the candidate, case aside. A control character may pass for another octet.
    fn same(window: &[u8; WINDOW], candidate: &Candidate, count: usize) -> bool;
}

/// Work that uses a scanner. `run` is to be `#[inline(always)]`, with all that is hot in it, so that it is compiled once for each scanner.
pub(crate) trait Task: Sized {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run<S: Scanner>(self) -> Self::Output;
}

/// Does a task with the best scanner that the processor has.
#[inline(always)]
pub(crate) fn run<T: Task>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    let task = match avx2::try_run(task) {
        Ok(output) => return output,
        Err(task) => task,
    };
    task.run::<Native>()
}

/// A bit for each of the 64 octets from `base` that is a control character (below 0x20); octets behind the end are none.
#[inline(always)]
pub(crate) fn controls_at<S: Scanner>(bytes: &[u8], base: usize) -> u64 {
    match window(bytes, base) {
        Some(block) => S::controls(block),
        None => last_controls::<S>(bytes, bytes.len().saturating_sub(base)),
    }
}

/// The last, short block: the last 64 octets are read again and shifted, or copied when there are fewer.
#[inline(never)]
fn last_controls<S: Scanner>(bytes: &[u8], count: usize) -> u64 {
    if let Some(block) = bytes.last_chunk() {
        return S::controls(block) >> ((64 - count) & 63);
    }
    let mut block = [b' '; 64];
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    S::controls(&block)
}

/// The colon and the id of the line that begins at `start`, when its name is in the table, the colon follows at once, and [`WINDOW`] octets do from `start`.
#[inline(always)]
pub(crate) fn name<S: Scanner>(bytes: &[u8], start: usize) -> Option<(u16, HeaderId)> {
    name_in::<S>(window(bytes, start)?)
}

#[inline(always)]
fn name_in<S: Scanner>(window: &[u8; WINDOW]) -> Option<(u16, HeaderId)> {
    let (colon, first) = S::colon(window)?;
    // In range: the colon is below the size of the window.
    let (candidate, id) = find(colon, first, window[(colon / 2) % WINDOW], window[colon.wrapping_sub(1) % WINDOW]);
    S::same(window, candidate, colon + 1).then_some((colon as u16, id))
}

/// The octets from `start` as an array, if there are so many.
#[inline(always)]
pub(crate) fn window<const N: usize>(bytes: &[u8], start: usize) -> Option<&[u8; N]> {
    bytes.get(start..start.wrapping_add(N))?.try_into().ok()
}

#[cfg(test)]
mod tests;
