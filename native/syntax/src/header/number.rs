//! Numbers of header fields: delta-seconds and q-values. RFC 3261 §20.10, §20.19, §25.1.

use crate::chars::decimal_saturating;

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
}
