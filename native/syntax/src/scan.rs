//! The scanner: control characters 64 octets at a time, and header names.

use crate::chars::{octet, slice};
use crate::header::{HeaderId, find};

/// A bit for each of the 64 octets from `base` that is a control character; octets behind the end are none.
#[inline(always)]
pub(crate) fn controls_at(bytes: &[u8], base: usize) -> u64 {
    let rest = slice(bytes, base, bytes.len());
    if let Some(block) = rest.first_chunk() {
        return controls(block);
    }
    let mut block = [b' '; 64];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    controls(&block)
}

/// A bit for each octet below 0x20.
#[inline(always)]
fn controls(block: &[u8; 64]) -> u64 {
    let mut mask = 0;
    for (bit, byte) in block.iter().enumerate() {
        mask |= u64::from(*byte < 0x20) << bit;
    }
    mask
}

/// The colon and the id of the line from `start` to `next`, when its name is in the table and ends at the colon.
#[inline(always)]
pub(crate) fn name(head: &[u8], start: usize, next: usize) -> Option<(u16, HeaderId)> {
    let line = slice(head, start, next.min(start + 32));
    let colon = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0)?;
    let candidate = find(colon, octet(line, 0), octet(line, colon / 2), octet(line, colon - 1));
    let (text, padding) = candidate.text.split_at_checked(colon)?;
    let same = slice(line, 0, colon).iter().zip(text).all(|(byte, lower)| byte | 0x20 == *lower);
    (same && padding.first() == Some(&0)).then_some((colon as u16, candidate.id))
}
