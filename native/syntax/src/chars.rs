//! Character classes of the SIP grammar as one table. RFC 3261 §25.1.
//!
//! Every class is a bit; a scan is one table look-up per octet. Linear white space inside a value is any of blank, tab,
//! CR and LF: the line index has already refused every CR and LF that is not part of a fold.

/// A set of octets, as a bit of the class table.
pub(crate) type Class = u16;

/// `token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")`.
pub(crate) const TOKEN: Class = 1 << 0;
/// `word` of Call-ID: token and `( ) < > : \ " / [ ] ? { }`.
pub(crate) const WORD: Class = 1 << 1;
/// Letters, digits, `-`, `.`; and `_`, see [`crate::uri::Host`].
pub(crate) const HOST: Class = 1 << 2;
/// `DIGIT`.
pub(crate) const DIGIT: Class = 1 << 3;
/// `HEXDIG` in either case.
pub(crate) const HEX: Class = 1 << 4;
/// `user` without escapes: unreserved and `& = + $ , ; ? /`.
pub(crate) const USER: Class = 1 << 5;
/// `password` without escapes: unreserved and `& = + $ ,`.
pub(crate) const PASSWORD: Class = 1 << 6;
/// `uri-parameters` without escapes: unreserved, `[ ] / : & + $`, and the separators `;` and `=`.
pub(crate) const URI_PARAM: Class = 1 << 7;
/// `headers` of a URI without escapes: unreserved, `[ ] / ? : + $`, and the separators `&` and `=`.
pub(crate) const URI_HEADER: Class = 1 << 8;
/// Blank, tab, CR, LF.
pub(crate) const LWS: Class = 1 << 9;
/// Anything a URI may hold, escapes included: reserved, unreserved, `%`, `[`, `]` (RFC 3986 §2).
pub(crate) const URIC: Class = 1 << 10;
/// What a parameter value may hold outside quotes.
///
/// DEVIATION: the grammar has `token / host`; any visible ASCII octet but `, ; < > "` is read here, since devices put base64 and addresses
/// into tags and extension parameters (`tag=AbC==`, `gr=urn:uuid:…`) and no boundary depends on it.
pub(crate) const VALUE: Class = 1 << 11;
/// `ALPHA`.
pub(crate) const ALPHA: Class = 1 << 12;
/// `scheme`: letters, digits, `+ - .`.
pub(crate) const SCHEME: Class = 1 << 13;
/// `phonedigit` and `visual-separator` of RFC 3966 §3, the hex digits, `*` and `#` of local numbers.
pub(crate) const PHONE: Class = 1 << 14;
/// `display-name` without quotes: token and linear white space.
pub(crate) const DISPLAY: Class = 1 << 15;

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

const fn classes(byte: u8) -> Class {
    let alphanum = byte.is_ascii_alphanumeric();
    let unreserved = alphanum || one_of(byte, b"-_.!~*'()");
    let token = alphanum || one_of(byte, b"-.!%*_+`'~");
    let lws = one_of(byte, b" \t\r\n");
    let mut class = 0;
    if token {
        class |= TOKEN;
    }
    if token || one_of(byte, b"()<>:\\\"/[]?{}") {
        class |= WORD;
    }
    if alphanum || one_of(byte, b"-._") {
        class |= HOST;
    }
    if byte.is_ascii_digit() {
        class |= DIGIT;
    }
    if byte.is_ascii_hexdigit() {
        class |= HEX;
    }
    if unreserved || one_of(byte, b"&=+$,;?/") {
        class |= USER;
    }
    if unreserved || one_of(byte, b"&=+$,") {
        class |= PASSWORD;
    }
    if unreserved || one_of(byte, b"[]/:&+$;=") {
        class |= URI_PARAM;
    }
    if unreserved || one_of(byte, b"[]/?:+$&=") {
        class |= URI_HEADER;
    }
    if lws {
        class |= LWS;
    }
    if unreserved || one_of(byte, b";/?:@&=+$,%[]") {
        class |= URIC;
    }
    if byte > b' ' && byte < 0x7F && !one_of(byte, b",;<>\"") {
        class |= VALUE;
    }
    if byte.is_ascii_alphabetic() {
        class |= ALPHA;
    }
    if alphanum || one_of(byte, b"+-.") {
        class |= SCHEME;
    }
    if byte.is_ascii_hexdigit() || one_of(byte, b"-.()*#") {
        class |= PHONE;
    }
    if token || lws {
        class |= DISPLAY;
    }
    class
}

static CLASS: [Class; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = classes(byte as u8);
        byte += 1;
    }
    table
};

/// Whether the octet is in any of the classes.
#[inline(always)]
pub(crate) fn is(byte: u8, class: Class) -> bool {
    CLASS[byte as usize] & class != 0
}

/// The octet at `at`, 0 behind the end: NUL is in no class, so a scan stops there.
#[inline(always)]
pub(crate) fn octet(bytes: &[u8], at: usize) -> u8 {
    match bytes.get(at) {
        Some(byte) => *byte,
        None => 0,
    }
}

/// First position at or after `from` whose octet is in none of the classes; the length when there is none.
#[inline(always)]
pub(crate) fn span(bytes: &[u8], from: usize, class: Class) -> usize {
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        if !is(*byte, class) {
            break;
        }
        at += 1;
    }
    at
}

/// First position at or after `from` that is not linear white space.
#[inline(always)]
pub(crate) fn skip_lws(bytes: &[u8], from: usize) -> usize {
    span(bytes, from, LWS)
}

/// The bytes from `from` to `to`, empty when that is no range of them.
#[inline(always)]
pub(crate) fn slice(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}

/// Without linear white space at either end.
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        if !is(*first, LWS) {
            break;
        }
        rest = tail;
    }
    trim_end(rest)
}

/// Without linear white space at the end.
#[inline]
pub(crate) fn trim_end(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [head @ .., last] = rest {
        if !is(*last, LWS) {
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
    !bytes.is_empty() && span(bytes, 0, TOKEN) == bytes.len()
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
pub fn unescape_quoted(content: &[u8], out: &mut alloc::vec::Vec<u8>) {
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
pub fn write_quoted(text: &[u8], out: &mut alloc::vec::Vec<u8>) {
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
pub fn write_decimal(number: u64, out: &mut alloc::vec::Vec<u8>) {
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
pub(crate) fn decimal(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 64 {
        return None;
    }
    bytes.iter().try_fold(0u32, |sum, byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u32::from(byte - b'0')),
        _ => None,
    })
}

/// `1*DIGIT` as a number, the largest value when it does not fit; `None` for anything else.
pub(crate) fn decimal_saturating(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u32, |sum, byte| match byte {
        b'0'..=b'9' => Some(sum.saturating_mul(10).saturating_add(u32::from(byte - b'0'))),
        _ => None,
    })
}
