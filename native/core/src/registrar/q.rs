//! Preference among contacts. RFC 3261 §20.10, §25.1 (`qvalue`).

/// A `q` parameter in thousandths, 0 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Q(u16);

impl Q {
    /// What a contact without `q` counts as when contacts are ordered.
    ///
    /// The RFCs name no default. Almost no phone sends `q`, and one that says 0.5 means "rather another", so silence
    /// counts as the most.
    pub const UNSAID: Q = Q(1000);

    /// Reads `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (whole, decimals) = match text {
            [whole, b'.', decimals @ ..] => (whole, decimals),
            [whole] => (whole, &[][..]),
            _ => return None,
        };
        if !matches!(whole, b'0' | b'1') || decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let thousandths =
            [100, 10, 1].into_iter().zip(decimals).map(|(weight, digit)| weight * u16::from(digit - b'0'));
        Self::from_thousandths(u16::from(whole - b'0') * 1000 + thousandths.sum::<u16>())
    }

    /// `None` above 1000.
    #[must_use]
    pub fn from_thousandths(thousandths: u16) -> Option<Self> {
        (thousandths <= 1000).then_some(Self(thousandths))
    }

    /// 0 to 1000.
    #[must_use]
    pub fn thousandths(self) -> u16 {
        self.0
    }

    /// Appends the shortest `qvalue`: `1`, `0.5`, `0.125`, `0`.
    pub fn write(self, out: &mut Vec<u8>) {
        let digit = |value: u16| b'0' + (value % 10) as u8;
        let text = [digit(self.0 / 1000), b'.', digit(self.0 / 100), digit(self.0 / 10), digit(self.0)];
        let zeros = text[2..].iter().rev().take_while(|&&digit| digit == b'0').count();
        let len = if zeros == 3 { 1 } else { text.len() - zeros };
        out.extend_from_slice(&text[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (text, thousandths) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.25", Some(250)),
            ("0.125", Some(125)),
            ("0.001", Some(1)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("2", None),
            ("-1", None),
            ("-0.5", None),
            ("0.1234", None),
            (".5", None),
            ("0,5", None),
            ("0.5 ", None),
            ("", None),
            ("10", None),
            ("0.x", None),
        ] {
            assert_eq!(Q::parse(text.as_bytes()).map(Q::thousandths), thousandths, "{text:?}");
        }
    }

    #[test]
    fn every_value_is_read_as_it_was_written() {
        for thousandths in 0..=1000 {
            let q = Q::from_thousandths(thousandths).expect("at most 1000");
            let mut text = Vec::new();
            q.write(&mut text);
            assert_eq!(Q::parse(&text), Some(q));
        }
        assert_eq!(Q::from_thousandths(1001), None);
    }

    #[test]
    fn the_shortest_form() {
        for (thousandths, expected) in [(1000, "1"), (0, "0"), (500, "0.5"), (50, "0.05"), (125, "0.125")] {
            let mut text = Vec::new();
            Q::from_thousandths(thousandths).expect("at most 1000").write(&mut text);
            assert_eq!(text, expected.as_bytes());
        }
    }
}
