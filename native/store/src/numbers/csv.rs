//! `number,value` lines. RFC 4180, of which quoted fields are needed only for values with a comma in them.
//!
//! A `+` before the number is allowed, empty lines and lines that begin with `#` are skipped, and so is a first line whose
//! number has no digit (column names).

use std::fmt;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvProblem {
    /// The first field is not 1 to 15 digits.
    NotANumber,
    /// There is no second field.
    NoValue,
    /// The value is longer than 255 octets, or empty.
    ValueLength,
    /// A quote is not closed, or something follows it.
    Quotes,
    /// More than two fields; a value with a comma has to be quoted.
    MoreFields,
    /// The value has a control character.
    ControlCharacter,
    /// The value is not what whoever compiles the table asks for.
    NotAContact,
    /// The number was there with another value, in this line.
    Twice(u64),
}

/// A line that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvError {
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: CsvProblem,
}

impl fmt::Display for CsvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match self.problem {
            CsvProblem::NotANumber => f.write_str("the first field has to be a number of 1 to 15 digits"),
            CsvProblem::NoValue => f.write_str("expected NUMBER,VALUE"),
            CsvProblem::ValueLength => f.write_str("the value has to be 1 to 255 octets long"),
            CsvProblem::Quotes => f.write_str("a quote is not closed, or something follows it"),
            CsvProblem::MoreFields => f.write_str("more than two fields; put a value with a comma in quotes"),
            CsvProblem::NotAContact => f.write_str("the value has to be a URI, or several with blanks between them"),
            CsvProblem::ControlCharacter => f.write_str("a control character in the value"),
            CsvProblem::Twice(first) => write!(f, "the number is in line {first} already, with another value"),
        }
    }
}

impl std::error::Error for CsvError {}

/// Digits and value.
pub(super) type Fields<'l> = (&'l [u8], &'l [u8]);

/// The fields of a line (without its end); `None` when it has none. A quoted value is put together in `buffer`.
///
/// # Errors
/// [`CsvProblem`]
pub(super) fn parse<'l>(
    line: &'l [u8],
    is_first: bool,
    buffer: &'l mut Vec<u8>,
) -> Result<Option<Fields<'l>>, CsvProblem> {
    let line = line.trim_ascii();
    // Spreadsheets put a byte order mark before everything.
    let line = if is_first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let comma = line.iter().position(|octet| *octet == b',');
    let (number, value) = line.split_at(comma.unwrap_or(line.len()));
    let number = unquote_number(number.trim_ascii());
    if is_first && !number.iter().any(u8::is_ascii_digit) {
        return Ok(None);
    }
    let digits = number.strip_prefix(b"+").unwrap_or(number);
    if !(1..=15).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(CsvProblem::NotANumber);
    }
    let value = value.get(1..).ok_or(CsvProblem::NoValue)?.trim_ascii();
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted, buffer)?,
        None if value.contains(&b',') => return Err(CsvProblem::MoreFields),
        None => value,
    };
    if value.iter().any(|octet| octet.is_ascii_control()) {
        return Err(CsvProblem::ControlCharacter);
    }
    if !(1..=255).contains(&value.len()) {
        return Err(CsvProblem::ValueLength);
    }
    Ok(Some((digits, value)))
}

fn unquote_number(field: &[u8]) -> &[u8] {
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
}

/// A quoted field from behind its first quote on, which has to end the line.
fn unquote<'l>(quoted: &[u8], buffer: &'l mut Vec<u8>) -> Result<&'l [u8], CsvProblem> {
    buffer.clear();
    let mut rest = quoted.iter().copied();
    loop {
        match rest.next().ok_or(CsvProblem::Quotes)? {
            b'"' => match rest.next() {
                None => return Ok(buffer),
                Some(b'"') => buffer.push(b'"'),
                Some(b',') => return Err(CsvProblem::MoreFields),
                Some(_) => return Err(CsvProblem::Quotes),
            },
            octet => buffer.push(octet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        type Case<'c> = (&'c str, &'c str, Result<Option<(&'c str, &'c str)>, CsvProblem>);
        let long = format!("1,{}", "v".repeat(256));
        let cases: [Case<'_>; 24] = [
            ("plain", "4930123,sip:a@b", Ok(Some(("4930123", "sip:a@b")))),
            ("plus and blanks", " +4930123 , sip:a@b \r", Ok(Some(("4930123", "sip:a@b")))),
            ("quoted", "\"+49\",\"a,\"\"b\"\"\"", Ok(Some(("49", "a,\"b\"")))),
            ("with q", "49,sip:a@b;q=0.5", Ok(Some(("49", "sip:a@b;q=0.5")))),
            ("fifteen digits", "123456789012345,v", Ok(Some(("123456789012345", "v")))),
            ("empty", "", Ok(None)),
            ("blank", " \r", Ok(None)),
            ("comment", "# 49,x", Ok(None)),
            ("sixteen digits", "1234567890123456,v", Err(CsvProblem::NotANumber)),
            ("no digits", ",v", Err(CsvProblem::NotANumber)),
            ("letters", "49x,v", Err(CsvProblem::NotANumber)),
            ("only plus", "+,v", Err(CsvProblem::NotANumber)),
            ("two plus", "++49,v", Err(CsvProblem::NotANumber)),
            ("other digits", "٤٩,v", Err(CsvProblem::NotANumber)),
            ("no comma", "49", Err(CsvProblem::NoValue)),
            ("nothing behind the comma", "49,", Err(CsvProblem::ValueLength)),
            ("empty quotes", "49,\"\"", Err(CsvProblem::ValueLength)),
            ("long", &long, Err(CsvProblem::ValueLength)),
            ("longest", &long[..257], Ok(Some(("1", &long[2..257])))),
            ("three fields", "49,a,b", Err(CsvProblem::MoreFields)),
            ("three fields, quoted", "49,\"a\",b", Err(CsvProblem::MoreFields)),
            ("open quote", "49,\"a", Err(CsvProblem::Quotes)),
            ("behind the quote", "49,\"a\"b", Err(CsvProblem::Quotes)),
            ("control character", "49,a\x01b", Err(CsvProblem::ControlCharacter)),
        ];
        for (name, line, expected) in cases {
            let mut buffer = Vec::new();
            let parsed = parse(line.as_bytes(), false, &mut buffer);
            let expected = expected.map(|found| found.map(|(digits, value)| (digits.as_bytes(), value.as_bytes())));
            assert_eq!(parsed, expected, "{name}");
        }
    }

    #[test]
    fn the_first_line_may_be_a_heading() {
        let mut buffer = Vec::new();
        assert_eq!(parse(b"number,uri", true, &mut buffer), Ok(None));
        assert_eq!(parse(b"number,uri", false, &mut buffer), Err(CsvProblem::NotANumber));
        assert_eq!(parse(b"\xef\xbb\xbf49,v", true, &mut buffer), Ok(Some((&b"49"[..], &b"v"[..]))));
        assert_eq!(parse(b"4x,v", true, &mut buffer), Err(CsvProblem::NotANumber));
    }
}
