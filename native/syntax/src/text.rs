//! A part of a message under examination, for the typed values.
//!
//! Parsers read up to `end` and no further, but a scanner may load what lies behind it: so it can take 32 octets at once almost everywhere, instead of
//! going octet by octet through the last ones of each value.

use crate::chars::{Class, QUOTE_MARK};
use crate::method::Method;
use crate::scan::{self, Scanner};

/// What lies before `end` in `bytes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'b> {
    bytes: &'b [u8],
    visible: &'b [u8],
}

impl<'b> Text<'b> {
    /// Everything.
    #[inline(always)]
    pub(crate) const fn whole(bytes: &'b [u8]) -> Self {
        Self { bytes, visible: bytes }
    }

    /// What lies before `end`.
    #[inline(always)]
    pub(crate) fn before(bytes: &'b [u8], end: usize) -> Self {
        Self { bytes, visible: bytes.get(..end).unwrap_or(bytes) }
    }

    #[inline(always)]
    pub(crate) const fn end(self) -> usize {
        self.visible.len()
    }

    /// The octet at `at`, 0 from the end: NUL is in no class.
    #[inline(always)]
    pub(crate) fn octet(self, at: usize) -> u8 {
        crate::chars::octet(self.visible, at)
    }

    /// The octets from `from` to `to`, which have been found to be in order; empty should they not be.
    #[inline(always)]
    pub(crate) fn slice(self, from: usize, to: usize) -> &'b [u8] {
        match self.visible.get(from..to) {
            Some(part) => part,
            // A branch that is never taken costs less than choosing a pointer and a length each time.
            None => nothing(),
        }
    }

    /// At most eight octets from `from` in lower case as a little-endian word; 0 when there are more. Octets that are no letters may come out as others, but
    /// never as letters or digits.
    #[inline(always)]
    pub(crate) fn lower_word(self, from: usize, length: usize) -> u64 {
        let Some(octets) = self.window(from) else { return self.short_lower_word(from, length) };
        let word = u64::from_le_bytes(*octets) | 0x2020_2020_2020_2020;
        match length {
            0..8 => word & !(u64::MAX << (8 * length)),
            8 => word,
            _ => 0,
        }
    }

    /// As [`Text::lower_word`] near the end of the bytes.
    #[inline(never)]
    fn short_lower_word(self, from: usize, length: usize) -> u64 {
        if length > 8 {
            return 0;
        }
        let octets = self.slice(from, from + length);
        octets.iter().rev().fold(0, |word, byte| word << 8 | u64::from(byte | 0x20))
    }

    /// First position at or after `from` whose octet is not in the class; the end when there is none.
    #[inline(always)]
    pub(crate) fn span<S: Scanner>(self, from: usize, class: &Class) -> usize {
        S::span(self.bytes, from, class).min(self.end())
    }

    /// First position at or after `from` whose octet is in the class; the end when there is none.
    #[inline(always)]
    pub(crate) fn find<S: Scanner>(self, from: usize, class: &Class) -> usize {
        S::find(self.bytes, from, self.end(), class)
    }

    /// The octets from `at` for a scanner, if so many can be loaded.
    #[inline(always)]
    pub(crate) fn window<const N: usize>(self, at: usize) -> Option<&'b [u8; N]> {
        scan::window(self.bytes, at)
    }

    /// See [`Method::short_at`].
    #[inline(always)]
    pub(crate) fn short_method(self, at: usize) -> Option<(Method, usize)> {
        Method::short_at(self.bytes, at)
    }

    /// End of the host name that begins at `from`; `None` when there is none or a label is faulty.
    #[inline(always)]
    pub(crate) fn host_name<S: Scanner>(self, from: usize) -> Option<usize> {
        S::host_name(self.bytes, from).filter(|end| *end <= self.end())
    }

    /// First position at or after `from` that is not linear white space: none or one blank almost everywhere.
    #[inline(always)]
    pub(crate) fn skip_lws(self, from: usize) -> usize {
        let first = self.octet(from);
        if first > b' ' {
            from
        } else if first == b' ' && self.octet(from + 1) > b' ' {
            from + 1
        } else {
            self.skip_more(from)
        }
    }

    #[inline(never)]
    fn skip_more(self, from: usize) -> usize {
        crate::chars::skip_lws(self.visible, from)
    }

    /// `*DIGIT` at `at`: the number, [`Text::HUGE`] when it does not fit in 32 bits, and the position behind.
    #[inline(always)]
    pub(crate) fn number(self, at: usize) -> (u64, usize) {
        let mut number = 0u64;
        let mut end = at;
        for byte in self.visible.get(at..).unwrap_or_default() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            end += 1;
        }
        // Ten digits cannot wrap around 64 bits.
        if end - at > 10 { (self.long_number(at, end), end) } else { (number.min(Self::HUGE), end) }
    }

    /// As [`Text::number`], for more digits than a number of 32 bits has without leading zeros.
    #[cold]
    fn long_number(self, at: usize, end: usize) -> u64 {
        let digits = self.slice(at, end);
        digits.iter().fold(0, |number, byte| u64::min(number * 10 + u64::from(byte.wrapping_sub(b'0')), Self::HUGE))
    }

    /// Above every number of 32 bits.
    pub(crate) const HUGE: u64 = 1 << 32;

    /// Position behind the closing quote of the `quoted-string` that opens at `at`; `None` when it is not closed. RFC 3261 §25.1.
    #[inline(always)]
    pub(crate) fn quoted_end<S: Scanner>(self, at: usize) -> Option<usize> {
        let mut at = at + 1;
        loop {
            at = self.find::<S>(at, &QUOTE_MARK);
            match self.octet(at) {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => return None,
            }
        }
    }
}

#[cold]
#[inline(never)]
const fn nothing<'b>() -> &'b [u8] {
    &[]
}
