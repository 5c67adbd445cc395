//! The scanner: control characters 64 octets at a time, header names 32 octets at a time.
//!
//! On x86-64 with the vectors that every such processor has (SSE2), or with longer ones where the processor has AVX2; elsewhere with plain words. All give
//! the same, which a property test checks. What is loaded are arrays of known length, whose bounds safe code has checked.

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod avx2;
#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
mod portable;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod sse2;

use crate::chars::{Class, HOST, slice};
use crate::header::{Candidate, HeaderId, find, letters_at};

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

    /// Does a task with this scanner, as a function of its own: for a part of a larger task that is large itself.
    fn call<T: Task>(task: T) -> T::Output;

    /// First position at or after `from` whose octet is not in the class; the length when there is none.
    #[inline(always)]
    fn span(bytes: &[u8], from: usize, class: &Class) -> usize {
        crate::chars::span(bytes, from, class)
    }

    /// First position at or after `from` whose octet is in the class; `end`, which is not behind the end of the bytes, when there is none before it.
    #[inline(always)]
    fn find(bytes: &[u8], from: usize, end: usize, class: &Class) -> usize {
        let rest = slice(bytes, from, end);
        rest.iter().position(|byte| class.has(*byte)).map_or(end, |position| from + position)
    }

    /// How many octets of the window come before the first that is not in the class, and how many before the first that is `octet`;
    /// [`WINDOW`] where there is none.
    #[inline(always)]
    fn two(window: &[u8; WINDOW], class: &Class, octet: u8) -> (usize, usize) {
        let position = |found: &dyn Fn(u8) -> bool| window.iter().position(|byte| found(*byte)).unwrap_or(WINDOW);
        (position(&|byte| !class.has(byte)), position(&|byte| byte == octet))
    }

    /// End of the host name that begins at `from`; `None` when there is none or when a label is empty or begins or ends with `-`.
    #[inline(always)]
    fn host_name(bytes: &[u8], from: usize) -> Option<usize> {
        host_name(bytes, from)
    }
}

/// As [`Scanner::host_name`], octet by octet.
#[inline(always)]
fn host_name(bytes: &[u8], from: usize) -> Option<usize> {
    let mut previous = b'.';
    let mut at = from;
    while let Some(byte) = bytes.get(at).filter(|byte| HOST.has(**byte)) {
        if (previous == b'.' && matches!(byte, b'.' | b'-')) || (previous == b'-' && *byte == b'.') {
            return None;
        }
        previous = *byte;
        at += 1;
    }
    (at > from && previous != b'-').then_some(at)
}

/// Work that uses a scanner. `run` is to be `#[inline(always)]`, with all that is hot in it, so that it is compiled once for each scanner.
pub(crate) trait Task: Sized {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run<S: Scanner>(self) -> Self::Output;
}

/// A task and what is made of its outcome, so that a large value is not written to memory only to be read again.
pub(crate) struct Then<T, F> {
    pub(crate) task: T,
    pub(crate) map: F,
}

impl<T: Task, U, F: FnOnce(T::Output) -> U> Task for Then<T, F> {
    type Output = U;

    #[inline(always)]
    fn run<S: Scanner>(self) -> U {
        (self.map)(self.task.run::<S>())
    }
}

/// Writes a [`Task`] whose `run` is an expression over its fields, with the scanner as `S`.
macro_rules! task {
    ($visible:vis $name:ident<$($life:lifetime),*> { $($field:ident: $type:ty),* } -> $output:ty, $work:expr) => {
        $visible struct $name<$($life),*> {
            $($visible $field: $type),*
        }

        impl<$($life),*> $crate::scan::Task for $name<$($life),*> {
            type Output = $output;

            #[inline(always)]
            fn run<S: $crate::scan::Scanner>(self) -> Self::Output {
                let Self { $($field),* } = self;
                $work
            }
        }
    };
}

pub(crate) use task;

/// Does a task with the best scanner that the processor has.
#[inline(always)]
pub(crate) fn run<T: Task>(task: T) -> T::Output {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    return avx2::run_best(task);
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
    task.run::<portable::Portable>()
}

/// A bit for each of the 64 octets from `base` that is a control character (below 0x20); octets behind the end are none.
#[inline(always)]
pub(crate) fn controls_at<S: Scanner>(bytes: &[u8], base: usize) -> u64 {
    match window_at(bytes, base as u32) {
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
pub(crate) fn name<S: Scanner>(bytes: &[u8], start: u32) -> Option<(u16, HeaderId)> {
    name_in::<S>(window_at(bytes, start)?)
}

/// As [`name`] for a line so near to the end that a whole window does not fit.
#[inline(never)]
pub(crate) fn last_name<S: Scanner>(bytes: &[u8], start: usize) -> Option<(u16, HeaderId)> {
    let rest = slice(bytes, start, bytes.len());
    let mut window = [0; WINDOW];
    // Two copies of a fixed size that overlap take less than one of a size that is not known.
    if let (Some(head), Some(tail)) = (rest.first_chunk::<16>(), rest.last_chunk::<16>()) {
        *window.first_chunk_mut()? = *head;
        window.get_mut(rest.len() - 16..rest.len())?.copy_from_slice(tail);
    } else {
        for (to, from) in window.iter_mut().zip(rest) {
            *to = *from;
        }
    }
    name_in::<S>(&window)
}

#[inline(always)]
fn name_in<S: Scanner>(window: &[u8; WINDOW]) -> Option<(u16, HeaderId)> {
    let (colon, first) = S::colon(window)?;
    // In range: the colon is below the size of the window, and the letters are before it.
    let at = letters_at(colon % WINDOW);
    let (candidate, id) = find(colon, first, [window[at], window[at + 1]]);
    S::same(window, candidate, colon + 1).then_some((colon as u16, id))
}

/// As [`window`], for an offset whose type says that the end cannot wrap around.
#[inline(always)]
pub(crate) fn window_at<const N: usize>(bytes: &[u8], start: u32) -> Option<&[u8; N]> {
    bytes.get(start as usize..start as usize + N)?.try_into().ok()
}

/// The octets from `start` as an array, if there are so many.
#[inline(always)]
pub(crate) fn window<const N: usize>(bytes: &[u8], start: usize) -> Option<&[u8; N]> {
    // Written so that the largest start is computed once for many windows.
    if bytes.len() < N || start > bytes.len() - N {
        return None;
    }
    bytes.get(start..start + N)?.try_into().ok()
}

#[cfg(test)]
mod tests;
