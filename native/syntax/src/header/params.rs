//! Parameter lists `;name=value`, of header fields and of URIs. RFC 3261 §25.1 (`generic-param`, `uri-parameter`).

use crate::chars::{TOKEN, VALUE, octet, offset_in, quoted_end, skip_lws, slice, span};
use crate::scan::{Scanner, WINDOW};
use crate::text::Text;
use core::ops::Range;

/// A parameter list that has been checked: `*( SEMI pname [ EQUAL pvalue ] )`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Params<'b> {
    raw: &'b [u8],
}

/// One parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Param<'b> {
    /// The name as received.
    pub name: &'b [u8],
    /// The value as received, a quoted string with its quotes; `None` when there is no `=`.
    pub value: Option<&'b [u8]>,
}

impl<'b> Params<'b> {
    /// The list over any octets: it ends before the first parameter that does not follow the grammar.
    #[must_use]
    pub const fn over(raw: &'b [u8]) -> Self {
        Self { raw }
    }

    /// The list over bytes that the caller has checked.
    pub(crate) const fn checked(raw: &'b [u8]) -> Self {
        Self { raw }
    }

    /// The parameters in order.
    #[must_use]
    pub fn iter(&self) -> ParamsIter<'b> {
        ParamsIter { raw: self.raw, at: 0 }
    }

    /// The value of the first parameter of that name, in any case: outer `None` = absent, inner `None` = no `=`.
    /// The value is as received; see [`strip_quotes`](crate::chars::strip_quotes) for quoted strings.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<Option<&'b [u8]>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value)
    }

    /// Whether the parameter is there, with or without a value.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The list as received, from the first `;`.
    #[must_use]
    pub const fn raw(&self) -> &'b [u8] {
        self.raw
    }

    /// Octets of [`raw`](Self::raw) that the first parameter of that name takes, from its `;` to before the next one: removing them
    /// removes the parameter.
    #[must_use]
    pub fn range_of(&self, name: &[u8]) -> Option<Range<usize>> {
        let mut iter = self.iter();
        loop {
            let start = skip_lws(self.raw, iter.at);
            let param = iter.next()?;
            if param.name.eq_ignore_ascii_case(name) {
                let last = param.value.unwrap_or(param.name);
                return Some(start..offset_in(self.raw, last) + last.len());
            }
        }
    }
}

impl<'b> IntoIterator for Params<'b> {
    type Item = Param<'b>;
    type IntoIter = ParamsIter<'b>;

    fn into_iter(self) -> ParamsIter<'b> {
        self.iter()
    }
}

/// See [`Params::iter`].
#[derive(Clone, Debug)]
pub struct ParamsIter<'b> {
    raw: &'b [u8],
    at: usize,
}

impl<'b> Iterator for ParamsIter<'b> {
    type Item = Param<'b>;

    #[inline]
    fn next(&mut self) -> Option<Param<'b>> {
        let raw = self.raw;
        let mut at = skip_lws(raw, self.at);
        if octet(raw, at) != b';' {
            return None;
        }
        at = skip_lws(raw, at + 1);
        let end = name_end(raw, at);
        if end == at {
            return None;
        }
        let name = slice(raw, at, end);
        at = skip_lws(raw, end);
        if octet(raw, at) != b'=' {
            self.at = end;
            return Some(Param { name, value: None });
        }
        at = skip_lws(raw, at + 1);
        let end = value_end(raw, at)?;
        self.at = end;
        Some(Param { name, value: Some(slice(raw, at, end)) })
    }
}

/// Names of URI parameters may hold more than tokens do (`paramchar`), but never `;` or `=`.
#[inline(always)]
fn name_end(raw: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(byte) = raw.get(at) {
        if *byte == b'=' || !VALUE.has(*byte) {
            break;
        }
        at += 1;
    }
    at
}

#[inline(always)]
fn value_end(raw: &[u8], at: usize) -> Option<usize> {
    if octet(raw, at) == b'"' { quoted_end(raw, at) } else { Some(span(raw, at, &VALUE)) }
}

/// One `SEMI token [ EQUAL gen-value ]` of a header field whose `;` is at `at`; gives it and the position behind.
///
/// DEVIATION: the value may be empty; devices send `branch=` and `expires=`.
#[inline(always)]
pub(crate) fn header_param<'b, S: Scanner>(text: Text<'b>, at: usize) -> Option<HeaderParam<'b>> {
    let start = text.skip_lws(at + 1);
    let end = text.span::<S>(start, &TOKEN);
    if end == start {
        return None;
    }
    let name = text.lower_word(start, end - start);
    let equal = text.skip_lws(end);
    if text.octet(equal) != b'=' {
        return Some(HeaderParam { name, value: None, start, end });
    }
    let from = text.skip_lws(equal + 1);
    let end = if text.octet(from) == b'"' { text.quoted_end::<S>(from)? } else { text.span::<S>(from, &VALUE) };
    Some(HeaderParam { name, value: Some(text.slice(from, end)), start, end })
}

/// As [`header_param`], for a parameter with a short name of the known ones, without blanks or quotes; `None` for any other.
#[inline(always)]
pub(crate) fn plain_param<'b, S: Scanner>(
    text: Text<'b>,
    at: usize,
    known: impl Fn(u64) -> bool,
) -> Option<HeaderParam<'b>> {
    let start = at + 1;
    let (mut length, equal) = S::two(text.window(start)?, &VALUE, b'=');
    let name_length = usize::min(length, equal);
    if length == WINDOW {
        length = text.span::<S>(start + WINDOW, &VALUE) - start;
    }
    let end = start + length;
    let name = text.lower_word(start, name_length);
    let ends = end == text.end() || end < text.end() && matches!(text.octet(end), b';' | b',');
    if !ends || !known(name) {
        return None;
    }
    let value = if equal < length { Some(text.slice(start + equal + 1, end)) } else { None };
    Some(HeaderParam { name, value, start, end })
}

/// A parameter as [`header_param`] finds it.
pub(crate) struct HeaderParam<'b> {
    /// The name in lower case, see [`Text::lower_word`] and [`word_of`].
    pub(crate) name: u64,
    pub(crate) value: Option<&'b [u8]>,
    /// Position of its name.
    pub(crate) start: usize,
    /// Position behind it.
    pub(crate) end: usize,
}

/// The word of a name of at most eight letters in lower case.
pub(crate) const fn word_of(name: &str) -> u64 {
    let name = name.as_bytes();
    let mut word = 0;
    let mut at = 0;
    while at < name.len() {
        word |= (name[at] as u64) << (8 * at);
        at += 1;
    }
    word
}
