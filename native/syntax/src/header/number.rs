//! Numbers of header fields: delta-seconds and q-values. RFC 3261 §20.10, §20.19, §25.1.

use crate::chars::decimal_saturating;
use alloc::vec::Vec;

/// `delta-seconds`, 2^32-1 for anything above (RFC 3261 §20.19 lets a recipient do so; RFC 4475 §3.1.2.4 scalar02 wants no
/// wrap-around); `None` when it is no number.
#[must_use]
pub fn delta_seconds(value: &[u8]) -> Option<u32> {
    decimal_saturating(value)
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )` in thousandths, 0 to 1000.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct QValue(u16);

impl QValue {
    /// 1.0, the value of a contact that has none (RFC 3261 §16.6 leaves it open; §20.10 by example).
    pub const MAX: Self = Self(1000);

    /// Parses; `None` for anything outside the grammar, so `2`, `-1` and `0.1234` are refused.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (whole, fraction) = match value {
            [whole] => (*whole, &[][..]),
            [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
            _ => return None,
        };
        let mut thousandths = match whole {
            b'0' => 0,
            b'1' => 1000,
            _ => return None,
        };
        let mut weight = 100;
        for byte in fraction {
            if !byte.is_ascii_digit() {
                return None;
            }
            thousandths += u16::from(byte - b'0') * weight;
            weight /= 10;
        }
        (thousandths <= 1000).then_some(Self(thousandths))
    }

    /// From thousandths, at most 1000.
    #[must_use]
    pub const fn from_thousandths(thousandths: u16) -> Option<Self> {
        if thousandths <= 1000 { Some(Self(thousandths)) } else { None }
    }

    /// In thousandths, 0 to 1000.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// Appends the shortest form: `1`, `0.5`, `0.125`, `0`.
    pub fn write(self, out: &mut Vec<u8>) {
        let digit = |value: u16| b'0' + (value % 10) as u8;
        let text = [digit(self.0 / 1000), b'.', digit(self.0 / 100), digit(self.0 / 10), digit(self.0)];
        let zeros = text.iter().rev().take_while(|octet| **octet == b'0').count();
        let length = if zeros >= 3 { 1 } else { text.len() - zeros };
        out.extend(text.into_iter().take(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_qvalue_is_read_as_it_was_written() {
        for thousandths in 0..=1000 {
            let value = QValue::from_thousandths(thousandths).expect("at most 1000");
            let mut text = Vec::new();
            value.write(&mut text);
            assert_eq!(QValue::parse(&text), Some(value), "{thousandths}");
        }
        assert_eq!(QValue::from_thousandths(1001), None);
    }

    #[test]
    fn qvalues_take_their_shortest_form() {
        for (thousandths, expected) in [(1000, "1"), (0, "0"), (500, "0.5"), (50, "0.05"), (125, "0.125"), (1, "0.001")]
        {
            let mut text = Vec::new();
            QValue::from_thousandths(thousandths).expect("at most 1000").write(&mut text);
            assert_eq!(text, expected.as_bytes());
        }
    }

    #[test]
    fn what_is_a_qvalue() {
        for (text, thousandths) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.25", Some(250)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("2", None),
            ("-1", None),
            ("0.1234", None),
            (".5", None),
            ("0,5", None),
            ("0.5 ", None),
            ("", None),
            ("10", None),
        ] {
            assert_eq!(QValue::parse(text.as_bytes()).map(QValue::thousandths), thousandths, "{text:?}");
        }
    }
}
