//! The scanner with plain words.

use super::{Scanner, Task, WINDOW};
use crate::header::Candidate;

/// Needs nothing of the processor.
pub(crate) struct Portable;

impl Scanner for Portable {
    fn call<T: Task>(task: T) -> T::Output {
        task.run::<Self>()
    }

    /// Eight octets a word: adding 0x60 sets the high bit of each octet from 0x20 up that is below 0x80, and no carry leaves an octet.
    #[inline(always)]
    fn controls(block: &[u8; 64]) -> u64 {
        let mut mask = 0;
        for (number, octets) in block.as_chunks().0.iter().enumerate() {
            let word = u64::from_le_bytes(*octets);
            let visible = ((word & LOW_BITS) + 0x6060_6060_6060_6060) | word;
            let below = !visible & !LOW_BITS;
            // The eight high bits, gathered into one octet.
            mask |= (below >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56 << (number * 8);
        }
        mask
    }

    #[inline(always)]
    fn colon(window: &[u8; WINDOW]) -> Option<(usize, u8)> {
        Some((window.iter().position(|byte| *byte == b':')?, window[0]))
    }

    #[inline(always)]
    fn same(window: &[u8; WINDOW], candidate: &Candidate, count: usize) -> bool {
        window.iter().zip(candidate.octets()).take(count).all(|(byte, letter)| byte.to_ascii_lowercase() == *letter)
    }
}

const LOW_BITS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
