//! Telephone numbers in URIs, and what a rule does to them. RFC 3966 §3, RFC 3261 §19.1.6.
//!
//! A number is packed four bits per symbol, first symbol in the highest four bits: comparing a prefix is a shift.

use crate::routing::prefix::PrefixTable;
use dialplane_syntax::uri::unescaped;
use std::fmt::{self, Display, Write as _};

/// Symbols that a [`Number`] keeps. A longer number is cut here, so that no digits put behind it can lead it past a
/// prefix rule; E.164 ends at 15.
pub const MAX_SYMBOLS: usize = 32;

/// A telephone number: digits, `*`, `#` and a leading `+`, without visual separators and parameters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    packed: u128,
    len: u8,
}

impl Number {
    /// Reads the number in `user`: the user part of a SIP URI, or what follows `tel:`, as it stands in the message.
    ///
    /// Escapes are undone, visual separators left out (RFC 3966 §5.1.1), parameters cut off. `None` when this is no
    /// number. Hexadecimal digits (RFC 3966 `phonedigit-hex`) are not taken for one: `sip:decade@…` is a name.
    #[must_use]
    #[inline]
    pub fn read(user: &[u8]) -> Option<Self> {
        // Most users that are no number say so with their first octet.
        let first = *user.first()?;
        if CLASSES[usize::from(first)] == NOT_A_NUMBER && first != b'%' {
            return None;
        }
        if user.contains(&b'%') { Self::collect(unescaped(user)) } else { Self::collect(user.iter().copied()) }
    }

    #[inline]
    fn collect(octets: impl Iterator<Item = u8>) -> Option<Self> {
        // Right-aligned while it grows.
        let (mut packed, mut len) = (0_u128, 0);
        for octet in octets {
            match CLASSES[usize::from(octet)] {
                SEPARATOR => {}
                PARAMETERS => break,
                NOT_A_NUMBER => return None,
                PLUS if len > 0 => return None,
                symbol if len < MAX_SYMBOLS => {
                    packed = packed << 4 | u128::from(symbol);
                    len += 1;
                }
                _ => {}
            }
        }
        if len == 0 || packed == u128::from(PLUS) {
            return None;
        }
        Some(Self { packed: packed << (128 - 4 * len), len: len as u8 })
    }

    /// Reads the front of a number as a rule writes it: as [`Self::read`], but `+` alone will do and parameters will not.
    pub(super) fn read_prefix(text: &str) -> Option<Self> {
        if text == "+" {
            return Some(Self { packed: u128::from(PLUS) << 124, len: 1 });
        }
        let prefix = Self::read(text.as_bytes())?;
        let symbols = text.bytes().filter(|octet| SYMBOLS.contains(octet)).count();
        let fits = prefix.symbols() <= PrefixTable::LONGEST;
        (fits && symbols == prefix.symbols() && !text.contains([';', '%'])).then_some(prefix)
    }

    /// How many symbols it has, a leading `+` included.
    #[must_use]
    pub fn symbols(self) -> usize {
        usize::from(self.len)
    }

    /// Whether it starts with `+` (RFC 3966 §5.1.4).
    #[must_use]
    pub fn is_global(self) -> bool {
        self.symbol(0) == PLUS
    }

    /// Its digits as [`crate::store::NumberTable::longest`] wants them, written to `buffer`: the leading `+` is left out.
    /// `None` when it holds `*` or `#`.
    #[must_use]
    pub fn digits(self, buffer: &mut [u8; MAX_SYMBOLS]) -> Option<&[u8]> {
        let start = usize::from(self.is_global());
        let digits = buffer.get_mut(..self.symbols() - start)?;
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = self.character(start + place);
            if !digit.is_ascii_digit() {
                return None;
            }
        }
        Some(digits)
    }

    /// The first 16 symbols, four bits each from the highest down, none of them 0; then zeros.
    #[inline]
    pub(super) fn word(self) -> u64 {
        (self.packed >> 64) as u64
    }

    #[inline]
    fn symbol(self, place: usize) -> u8 {
        (self.packed << (4 * place) >> 124) as u8
    }

    fn character(self, place: usize) -> u8 {
        SYMBOLS[usize::from(self.symbol(place))]
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.symbols()).try_for_each(|place| f.write_char(self.character(place).into()))
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({self})")
    }
}

/// What a rule does to the user part before forwarding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Characters to take off the front; an escape (`%23`) is one.
    pub strip: usize,
    /// Text to put in front then; holds only what a user part may (RFC 3261 §25.1 `user`).
    pub prepend: Box<[u8]>,
}

impl Rewrite {
    /// Whether it leaves every user part as it is.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.strip == 0 && self.prepend.is_empty()
    }

    /// Appends the rewritten user part to `out`. `false`, with nothing appended, when no character would be left: a URI
    /// with an empty user part is none.
    #[must_use]
    pub fn apply(&self, user: &[u8], out: &mut Vec<u8>) -> bool {
        let mut rest = user;
        for _ in 0..self.strip {
            rest = match rest {
                [] => break,
                [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
                [_, rest @ ..] => rest,
            };
        }
        if self.prepend.is_empty() && rest.is_empty() {
            return false;
        }
        out.extend_from_slice(&self.prepend);
        out.extend_from_slice(rest);
        true
    }
}

/// The characters by symbol; no symbol is 0.
const SYMBOLS: &[u8; 14] = b"\x000123456789*#+";
const PLUS: u8 = 13;
const SEPARATOR: u8 = 0xfd;
const PARAMETERS: u8 = 0xfe;
const NOT_A_NUMBER: u8 = 0xff;

const CLASSES: [u8; 256] = {
    let mut classes = [NOT_A_NUMBER; 256];
    let mut symbol = 1;
    while symbol < SYMBOLS.len() {
        classes[SYMBOLS[symbol] as usize] = symbol as u8;
        symbol += 1;
    }
    // RFC 3966 §3 `visual-separator`.
    classes[b'-' as usize] = SEPARATOR;
    classes[b'.' as usize] = SEPARATOR;
    classes[b'(' as usize] = SEPARATOR;
    classes[b')' as usize] = SEPARATOR;
    classes[b';' as usize] = PARAMETERS;
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_they_stand_in_uris() {
        for (user, number) in [
            ("1234", Some("1234")),
            ("+1-201-555-0123", Some("+12015550123")), // RFC 3966 §6
            ("(0)30.123", Some("030123")),
            ("%2B49%330", Some("+4930")),
            ("7042;phone-context=example.com", Some("7042")), // RFC 3966 §6
            ("*72", Some("*72")),
            ("%2331%23", Some("#31#")),
            ("863-1234;phone-context=+1-914-555", Some("8631234")), // RFC 3966 §6
            ("", None),
            ("+", None),
            ("-.", None),
            (";ext=1", None),
            ("4+9", None),
            ("++49", None),
            ("alice", None),
            ("decade", None),
            ("12%", None),
            ("12%3", None),
            ("12%zz", None),
            ("1234x", None),
        ] {
            assert_eq!(Number::read(user.as_bytes()).map(|n| n.to_string()).as_deref(), number, "{user:?}");
        }
    }

    #[test]
    fn a_long_number_keeps_its_front() {
        let long = [b'7'; 1000];
        assert_eq!(Number::read(&long).map(Number::symbols), Some(MAX_SYMBOLS));
        let mut name = [b'7'; 1000];
        name[999] = b'x';
        assert_eq!(Number::read(&name), None);
    }

    #[test]
    fn digits_for_the_number_table() {
        let mut buffer = [0; MAX_SYMBOLS];
        for (user, digits) in [
            ("+4930", Some("4930")),
            ("0049", Some("0049")),
            ("*72", None),
            ("00000000001111111111222222222233333", Some("00000000001111111111222222222233")),
        ] {
            let number = Number::read(user.as_bytes()).expect("each is a number");
            assert_eq!(number.digits(&mut buffer), digits.map(str::as_bytes), "{user}");
        }
    }

    #[test]
    fn words_tell_prefixes_apart() {
        let word = |text: &str| Number::read(text.as_bytes()).expect("each is a number").word();
        assert_eq!(word("+4930"), 0xd5a4_1000_0000_0000);
        assert_ne!(word("4"), word("40"), "a zero is not nothing");
        assert_eq!(word("12345678901234567"), word("12345678901234568"));
    }

    #[test]
    fn prefixes_as_rules_write_them() {
        for (text, prefix) in [
            ("+", Some("+")),
            ("+49-30", Some("+4930")),
            ("*", Some("*")),
            ("1234567890123456", Some("1234567890123456")),
            ("12345678901234567", None),
            ("", None),
            ("-", None),
            ("49;ext=1", None),
            ("%2B49", None),
            ("49 30", None),
        ] {
            assert_eq!(Number::read_prefix(text).map(|prefix| prefix.to_string()).as_deref(), prefix, "{text:?}");
        }
    }

    #[test]
    fn rewriting() {
        for (strip, prepend, user, outcome) in [
            (0, "", "alice", Some("alice")),
            (1, "", "0301234", Some("301234")),
            (2, "+", "004930", Some("+4930")),
            (1, "", "%2331", Some("31")),
            (3, "9", "12", Some("9")),
            (3, "", "123", None),
            (9, "", "", None),
            (1, "", "%", None),
        ] {
            let rewrite = Rewrite { strip, prepend: prepend.as_bytes().into() };
            let mut out = b"sip:".to_vec();
            let changed = rewrite.apply(user.as_bytes(), &mut out);
            assert_eq!(changed.then(|| &out[4..]), outcome.map(str::as_bytes), "{strip} {prepend:?} {user:?}");
            assert!(changed || out == b"sip:", "nothing appended");
        }
        assert!(Rewrite::default().is_nothing());
    }
}
