//! Character classes of the SIP grammar, and the small forms made of them: tokens, quoted strings, numbers. RFC 3261 §25.1.
//!
//! Linear white space inside a value is any of blank, tab, CR and LF: the line index has already refused every CR and LF that is not part of a
//! fold.

use alloc::vec::Vec;

/// A set of ASCII octets in two forms: a bit of the class table for one octet, a table of nibbles for many at once.
pub(crate) struct Class {
    bit: u16,
    /// For each low half of an octet the high halves, 0 to 7, with which it is in the set, one bit for each.
    #[cfg_attr(
        not(all(target_arch = "x86_64", target_feature = "sse2")),
        allow(dead_code, reason = "only vectors read it")
    )]
    pub(crate) nibbles: [u8; 16],
}

macro_rules! classes {
    ($byte:ident: $($(#[$doc:meta])* $name:ident $bit:literal = $set:expr;)*) => {
        $($(#[$doc])* pub(crate) static $name: Class = Class::new(1 << $bit);)*

        /// The classes that an octet is in, one bit for each.
        const fn classes($byte: u8) -> u16 {
            let mut classes = 0;
            $(if $set { classes |= 1 << $bit; })*
            classes
        }
    };
}

classes! { byte:
    /// `token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")`.
    TOKEN 0 = is_token_octet(byte);
    /// `word` of Call-ID: token and `( ) < > : \ " / [ ] ? { }`.
    WORD 1 = is_token_octet(byte) || one_of(byte, b"()<>:\\\"/[]?{}");
    /// Letters, digits, `-`, `.`; and `_`, see [`crate::uri::Host`].
    HOST 2 = byte.is_ascii_alphanumeric() || one_of(byte, b"-._");
    /// `DIGIT`.
    DIGIT 3 = byte.is_ascii_digit();
    /// `HEXDIG` in either case.
    HEX 4 = byte.is_ascii_hexdigit();
    /// `user` without escapes: unreserved and `& = + $ , ; ? /`.
    USER 5 = is_unreserved(byte) || one_of(byte, b"&=+$,;?/");
    /// `password` without escapes: unreserved and `& = + $ ,`.
    PASSWORD 6 = is_unreserved(byte) || one_of(byte, b"&=+$,");
    /// `paramchar` without escapes: unreserved and `[ ] / : & + $`.
    PARAM 7 = is_unreserved(byte) || one_of(byte, b"[]/:&+$");
    /// `headers` of a URI without escapes: unreserved, `[ ] / ? : + $`, and the separators `&` and `=`.
    URI_HEADER 8 = is_unreserved(byte) || one_of(byte, b"[]/?:+$&=");
    /// Blank, tab, CR, LF.
    LWS 9 = one_of(byte, b" \t\r\n");
    /// Anything a URI may hold, escapes included: reserved, unreserved, `%`, `[`, `]` (RFC 3986 §2).
    URIC 10 = is_unreserved(byte) || one_of(byte, b";/?:@&=+$,%[]");
    /// What a parameter value may hold outside quotes.
    ///
    /// DEVIATION: the grammar has `token / host`; any visible ASCII octet but `, ; < > "` is read here, since devices put base64 and
    /// addresses into tags and extension parameters (`tag=AbC==`, `gr=urn:uuid:…`) and no boundary depends on it.
    VALUE 11 = byte > b' ' && byte < 0x7F && !one_of(byte, b",;<>\"");
    /// What ends a run of ordinary octets between two commas: comma, quote, opening bracket.
    LIST_MARK 12 = one_of(byte, b",\"<");
    /// What ends a run of ordinary octets in a quoted string: quote, backslash.
    QUOTE_MARK 13 = one_of(byte, b"\"\\");
    /// `phonedigit` and `visual-separator` of RFC 3966 §3, the hex digits, `*` and `#` of local numbers.
    PHONE 14 = byte.is_ascii_hexdigit() || one_of(byte, b"-.()*#");
    /// `display-name` without quotes: token and linear white space.
    DISPLAY 15 = is_token_octet(byte) || one_of(byte, b" \t\r\n");
}

const fn is_token_octet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || one_of(byte, b"-.!%*_+`'~")
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || one_of(byte, b"-_.!~*'()")
}

const fn one_of(byte: u8, set: &[u8]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

static CLASSES: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = classes(byte as u8);
        byte += 1;
    }
    table
};

impl Class {
    const fn new(bit: u16) -> Self {
        let mut nibbles = [0; 16];
        let mut byte = 0;
        while byte < 128 {
            if classes(byte) & bit != 0 {
                nibbles[(byte & 15) as usize] |= 1 << (byte >> 4);
            }
            byte += 1;
        }
        Self { bit, nibbles }
    }

    /// Whether the octet is in the set.
    #[inline(always)]
    pub(crate) fn has(&self, byte: u8) -> bool {
        CLASSES[byte as usize] & self.bit != 0
    }
}

/// The octet at `at`, 0 behind the end: NUL is in no class, so a scan stops there.
#[inline(always)]
pub(crate) fn octet(bytes: &[u8], at: usize) -> u8 {
    match bytes.get(at) {
        Some(byte) => *byte,
        None => 0,
    }
}

/// First position at or after `from` whose octet is not in the class; the length when there is none.
#[inline(always)]
pub(crate) fn span(bytes: &[u8], from: usize, class: &Class) -> usize {
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        if !class.has(*byte) {
            break;
        }
        at += 1;
    }
    at
}

/// First position at or after `from` that is not linear white space.
#[inline(always)]
pub(crate) fn skip_lws(bytes: &[u8], from: usize) -> usize {
    span(bytes, from, &LWS)
}

/// The bytes from `from` to `to`, empty when that is no range of them.
#[inline(always)]
pub(crate) fn slice(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}

/// Without linear white space at either end.
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(slice(bytes, skip_lws(bytes, 0), bytes.len()))
}

/// Without linear white space at the end.
#[inline]
pub(crate) fn trim_end(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [head @ .., last] = rest {
        if !LWS.has(*last) {
            break;
        }
        rest = head;
    }
    rest
}

/// Where `inner`, a part of `outer`, begins in it.
#[inline(always)]
pub(crate) fn offset_in(outer: &[u8], inner: &[u8]) -> usize {
    (inner.as_ptr() as usize).wrapping_sub(outer.as_ptr() as usize)
}

/// Whether the bytes are a `token`, RFC 3261 §25.1.
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && span(bytes, 0, &TOKEN) == bytes.len()
}

/// Position behind the closing quote of the `quoted-string` that opens at `at`; `None` when it is not closed. A backslash
/// takes the next octet with it, so that a lone one before the closing quote leaves the string open. RFC 3261 §25.1.
#[inline]
pub(crate) fn quoted_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The content between the quotes, escapes left as they are; other values come back unchanged.
#[must_use]
pub fn strip_quotes(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    }
}

/// Appends the meaning of a `quoted-string` content: each `quoted-pair` becomes its second octet, a fold one blank.
/// RFC 3261 §25.1.
pub fn unescape_quoted(content: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(byte) = content.get(at) {
        match byte {
            b'\\' if at + 1 < content.len() => {
                out.push(octet(content, at + 1));
                at += 2;
            }
            b'\r' | b'\n' => {
                at = skip_lws(content, at);
                out.push(b' ');
            }
            other => {
                out.push(*other);
                at += 1;
            }
        }
    }
}

/// Appends the text as a `quoted-string` with its quotes, escaping `"` and `\`; CR, LF and NUL are left out, as they
/// would end the header field. RFC 3261 §25.1.
pub fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\r' | b'\n' | 0 => {}
            other => out.push(*other),
        }
    }
    out.push(b'"');
}

/// Appends the number in decimal.
pub fn write_decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(slice(&digits, at, digits.len()));
}

/// `1*DIGIT` as a number; `None` for anything else and for what does not fit.
#[inline]
pub(crate) fn decimal(bytes: &[u8]) -> Option<u32> {
    // Nine digits always fit; more may be leading zeros, but not without end.
    if bytes.is_empty() || bytes.len() > 64 {
        return None;
    }
    let mut sum = 0u64;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || sum > u64::from(u32::MAX) {
            return None;
        }
        sum = sum * 10 + u64::from(digit);
    }
    u32::try_from(sum).ok()
}

/// `1*DIGIT` as a number, the largest value when it does not fit; `None` for anything else.
#[inline]
pub(crate) fn decimal_saturating(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() {
        return None;
    }
    let mut sum = 0u32;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum.saturating_mul(10).saturating_add(u32::from(digit));
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const ALPHANUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const MARK: &str = "-_.!~*'()";

    /// RFC 3261 §25.1, letter by letter; RFC 3966 §3 for the telephone.
    #[test]
    fn each_class_has_the_octets_of_its_grammar() {
        let rows: [(&Class, &[&str]); 12] = [
            (&TOKEN, &[ALPHANUM, "-.!%*_+`'~"]),
            (&WORD, &[ALPHANUM, "-.!%*_+`'~", "()<>:\\\"/[]?{}"]),
            (&HOST, &[ALPHANUM, "-._"]),
            (&DIGIT, &["0123456789"]),
            (&HEX, &["0123456789abcdefABCDEF"]),
            (&USER, &[ALPHANUM, MARK, "&=+$,;?/"]),
            (&PASSWORD, &[ALPHANUM, MARK, "&=+$,"]),
            (&PARAM, &[ALPHANUM, MARK, "[]/:&+$"]),
            (&URI_HEADER, &[ALPHANUM, MARK, "[]/?:+$", "&="]),
            (&LWS, &[" \t\r\n"]),
            (&URIC, &[ALPHANUM, MARK, ";/?:@&=+$,%[]"]),
            (&PHONE, &["0123456789abcdefABCDEF", "-.()*#"]),
        ];
        for (number, (class, members)) in rows.iter().enumerate() {
            for byte in 0..=u8::MAX {
                let expected = members.iter().any(|part| part.as_bytes().contains(&byte));
                assert_eq!(class.has(byte), expected, "row {number}, octet {byte:#04x}");
            }
        }
    }

    /// What vectors look up, and what is looked up octet by octet.
    #[test]
    fn both_tables_have_the_same_octets() {
        for bit in 0..16 {
            let class = Class::new(1 << bit);
            for byte in 0..=u8::MAX {
                let in_nibbles = byte < 128 && class.nibbles[usize::from(byte & 15)] >> (byte >> 4) & 1 != 0;
                assert_eq!(in_nibbles, class.has(byte), "class {bit}, octet {byte:#04x}");
            }
        }
    }

    #[test]
    fn numbers_are_read_as_far_as_they_fit() {
        let rows: [(&[u8], Option<u32>, Option<u32>); 8] = [
            (b"", None, None),
            (b"0", Some(0), Some(0)),
            (b"4294967295", Some(u32::MAX), Some(u32::MAX)),
            (b"4294967296", None, Some(u32::MAX)),
            (b"0000000000000000000007", Some(7), Some(7)),
            (b"99999999999999999999999", None, Some(u32::MAX)),
            (b"12x", None, None),
            (b"-1", None, None),
        ];
        for (text, exact, saturated) in rows {
            assert_eq!((decimal(text), decimal_saturating(text)), (exact, saturated), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 9, 10, 4_294_967_296, u64::MAX] {
            let mut out = Vec::new();
            write_decimal(number, &mut out);
            assert_eq!(out, alloc::format!("{number}").as_bytes());
        }
    }
}
