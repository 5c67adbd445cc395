//! Percent escapes. RFC 3261 §19.1.2: decoded exactly once, so that `%2541` is `%41` and not `A` (RFC 4475 §3.1.1.3 esc01).

use crate::chars::{HEX, USER, octet};
use alloc::vec::Vec;

/// The octets of an escaped text, each escape as the octet it stands for. A `%` that begins no escape is itself.
#[derive(Clone, Debug)]
pub struct Unescaped<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// See [`Unescaped`].
#[must_use]
pub const fn unescaped(bytes: &[u8]) -> Unescaped<'_> {
    Unescaped { bytes, at: 0 }
}

impl Unescaped<'_> {
    /// Octets of the escaped text read so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }
}

impl Iterator for Unescaped<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte == b'%' {
            let (high, low) = (octet(self.bytes, self.at + 1), octet(self.bytes, self.at + 2));
            if HEX.has(high) && HEX.has(low) {
                self.at += 3;
                return Some(nibble(high) << 4 | nibble(low));
            }
        }
        self.at += 1;
        Some(byte)
    }
}

/// Appends the unescaped text.
pub fn unescape(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(unescaped(bytes));
}

/// Appends text as the user part of a SIP URI, escaping every octet that may not stand there, `%` included.
pub fn write_escaped_user(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        if USER.has(*byte) {
            out.push(*byte);
        } else {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a') + 10,
    }
}
