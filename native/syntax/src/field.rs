//! Header fields and list elements as views. RFC 3261 §7.3.1.

use crate::chars::{LIST_MARK, skip_lws, slice, trim_end};
use crate::error::FieldError;
use crate::header::HeaderId;
use crate::index::{Line, NO_COLON};
use crate::message::Message;
use crate::scan::{self, Scanner, task};
use crate::text::Text;
use core::ops::Range;

/// One header field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field<'b> {
    /// The id of the name.
    pub id: HeaderId,
    /// The name as received, without blanks before the colon.
    pub name: &'b [u8],
    /// The value without white space at its ends; it may hold folds.
    pub value: &'b [u8],
    start: u32,
    end: u32,
    value_start: u32,
}

impl<'b> Field<'b> {
    #[inline(always)]
    pub(crate) fn new(bytes: &'b [u8], line: Line, end: usize) -> Self {
        let start = line.start as usize;
        let (name, rest) = if line.colon == NO_COLON {
            (&[][..], start)
        } else {
            let colon = start + usize::from(line.colon);
            (without_end(slice(bytes, start, colon)), colon + 1)
        };
        // An empty value lies where the colon ends.
        let text = Text::before(bytes, end);
        let first = text.skip_lws(rest);
        let (value, value_start) =
            if first >= text.end() { (&[][..], rest) } else { (without_line_end(text.slice(first, end)), first) };
        Self { id: HeaderId(line.id), name, value, start: line.start, end: end as u32, value_start: value_start as u32 }
    }

    /// Octets of the message that the field takes, from its name to the CRLF after its last line: what a patch removes.
    #[must_use]
    pub fn line_range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Where the value lies in the message.
    #[must_use]
    pub fn value_range(&self) -> Range<usize> {
        self.value_start as usize..self.value_start as usize + self.value.len()
    }

    /// The elements between commas; the whole value for headers that are no list. None for an empty list.
    #[must_use]
    pub fn elements(&self) -> FieldElements<'b> {
        FieldElements { field: *self, at: 0, done: self.value.is_empty() }
    }
}

/// One element of a list, or the value of a header that is no list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'b> {
    /// The element without white space at its ends; may be empty between two commas.
    pub value: &'b [u8],
    /// The field it is in.
    pub field: Field<'b>,
    start: u32,
    /// The comma before and behind it, as offsets in the message.
    comma_before: Option<u32>,
    comma_after: Option<u32>,
}

impl Element<'_> {
    /// Where the element lies in the message.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.value.len()
    }

    /// Whether it is the first of its field.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.comma_before.is_none()
    }

    /// Whether it is the only one of its field.
    #[must_use]
    pub const fn is_only(&self) -> bool {
        self.comma_before.is_none() && self.comma_after.is_none()
    }

    /// What a patch removes to take the element out: the whole field when it is the only one, else the element with one comma.
    #[must_use]
    pub fn removal_range(&self) -> Range<usize> {
        match (self.comma_before, self.comma_after) {
            (None, None) => self.field.line_range(),
            (None, Some(after)) => {
                let field = self.field.value_range();
                let rest = slice(self.field.value, after as usize + 1 - field.start, self.field.value.len());
                self.start as usize..after as usize + 1 + skip_lws(rest, 0)
            }
            (Some(before), _) => before as usize..self.range().end,
        }
    }
}

/// See [`Field::elements`].
#[derive(Clone, Debug)]
pub struct FieldElements<'b> {
    field: Field<'b>,
    at: usize,
    done: bool,
}

impl<'b> Iterator for FieldElements<'b> {
    type Item = Element<'b>;

    #[inline]
    fn next(&mut self) -> Option<Element<'b>> {
        if self.done {
            return None;
        }
        let value = self.field.value;
        let base = self.field.value_start as usize;
        let end = if self.field.id.is_list() { scan::run(NextComma { value, from: self.at }) } else { value.len() };
        let text = Text::before(value, end);
        let first = text.skip_lws(self.at);
        let (element, start) =
            if first >= end { (&[][..], self.at) } else { (without_end(text.slice(first, end)), first) };
        let comma_before = (self.at > 0).then(|| (base + self.at - 1) as u32);
        self.done = end >= value.len();
        self.at = end + 1;
        Some(Element {
            value: element,
            field: self.field,
            start: (base + start) as u32,
            comma_before,
            comma_after: (!self.done).then_some((base + end) as u32),
        })
    }
}

/// Without linear white space at its end, which seldom is there.
#[inline(always)]
fn without_end(bytes: &[u8]) -> &[u8] {
    match bytes {
        [.., last] if *last <= b' ' => trim_end(bytes),
        _ => bytes,
    }
}

/// As [`without_end`] for the rest of a line, which almost always ends with one CRLF and nothing before it.
#[inline(always)]
fn without_line_end(bytes: &[u8]) -> &[u8] {
    match bytes {
        [head @ .., before, b'\r', b'\n'] if *before > b' ' => slice(bytes, 0, head.len() + 1),
        _ => trim_end(bytes),
    }
}

/// The next comma at or after `from` that is neither in quotes nor in angle brackets; the end when there is none. A quote or bracket
/// that is not closed takes the rest.
#[inline(always)]
fn comma<S: Scanner>(text: Text<'_>, from: usize) -> usize {
    let mut at = from;
    loop {
        at = text.find::<S>(at, &LIST_MARK);
        match text.octet(at) {
            b',' => return at,
            b'"' => match text.quoted_end::<S>(at) {
                Some(end) => at = end,
                None => return text.end(),
            },
            b'<' => match text.slice(at, text.end()).iter().position(|byte| *byte == b'>') {
                Some(length) => at += length + 1,
                None => return text.end(),
            },
            _ => return text.end(),
        }
    }
}

task!(NextComma<'b> { value: &'b [u8], from: usize } -> usize, comma::<S>(Text::whole(value), from));

/// Takes the first element off the value of a list header: it, and what is left behind its comma; `None` there when it was the last.
///
/// ```
/// use dialplane_syntax::field::split_element;
///
/// let (first, rest) = split_element(b"\"A, B\" <sip:a@b>, <sip:c@d>");
/// assert_eq!(first, b"\"A, B\" <sip:a@b>");
/// assert_eq!(rest.map(split_element), Some((&b"<sip:c@d>"[..], None)));
/// ```
#[must_use]
pub fn split_element(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = scan::run(NextComma { value, from: 0 });
    (crate::chars::trim(slice(value, 0, end)), value.get(end + 1..).filter(|_| end < value.len()))
}

/// The values of a list header, each parsed once: the parser finds the comma that ends it.
#[derive(Clone, Debug)]
pub(crate) struct Values<'b> {
    message: Message<'b>,
    id: HeaderId,
    /// 0 when there is none left.
    line: usize,
    /// Where the next value begins in the message; 0 at the start of a line.
    at: usize,
}

impl<'b> Values<'b> {
    #[inline(always)]
    pub(crate) fn new(message: Message<'b>, id: HeaderId) -> Self {
        Self { message, id, line: message.index().first_line(id), at: 0 }
    }

    pub(crate) const fn id(&self) -> HeaderId {
        self.id
    }

    /// All elements, also those that have been read.
    pub(crate) fn elements(&self) -> Elements<'b> {
        self.message.elements(self.id)
    }

    /// What `parse` makes of the next value. After one that cannot be read the next comma is looked for.
    #[inline(always)]
    pub(crate) fn next_with<S: Scanner, T>(
        &mut self,
        parse: impl FnOnce(Text<'b>, usize) -> Result<(T, usize), FieldError>,
    ) -> Option<Result<T, FieldError>> {
        while self.line != 0 {
            let (text, first) = self.message.value_of(self.line)?;
            let start = if self.at == 0 { first } else { text.skip_lws(self.at) };
            if self.at == 0 && start == text.end() {
                self.line = self.message.index().next_line(self.id, self.line);
                continue;
            }
            let (result, end) = match parse(text, start) {
                Ok((_, end)) if end != text.end() && !self.id.is_list() => {
                    (Err(FieldError::malformed(self.id)), text.end())
                }
                Ok((value, end)) => (Ok(value), end),
                Err(error) => (Err(error), comma::<S>(text, start)),
            };
            self.at = end + 1;
            if end >= text.end() {
                self.line = self.message.index().next_line(self.id, self.line);
                self.at = 0;
            }
            return Some(result);
        }
        None
    }
}

/// All fields in order. See [`Message::fields`].
#[derive(Clone, Debug)]
pub struct FieldIter<'b> {
    pub(crate) message: Message<'b>,
    pub(crate) number: usize,
}

impl<'b> Iterator for FieldIter<'b> {
    type Item = Field<'b>;

    #[inline]
    fn next(&mut self) -> Option<Field<'b>> {
        let field = self.message.field_at(self.number)?;
        self.number += 1;
        Some(field)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.message.field_count() + 1).saturating_sub(self.number);
        (left, Some(left))
    }
}

impl ExactSizeIterator for FieldIter<'_> {}

/// The fields of one name in order. See [`Message::all`].
#[derive(Clone, Debug)]
pub struct Named<'b> {
    pub(crate) message: Message<'b>,
    pub(crate) id: HeaderId,
    /// 0 when there is none left.
    pub(crate) number: usize,
}

impl<'b> Iterator for Named<'b> {
    type Item = Field<'b>;

    #[inline]
    fn next(&mut self) -> Option<Field<'b>> {
        if self.number == 0 {
            return None;
        }
        let field = self.message.field_at(self.number)?;
        self.number = self.message.index().next_line(self.id, self.number);
        Some(field)
    }
}

/// The elements over all fields of one name. See [`Message::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'b> {
    pub(crate) fields: Named<'b>,
    pub(crate) current: Option<FieldElements<'b>>,
}

impl<'b> Iterator for Elements<'b> {
    type Item = Element<'b>;

    #[inline]
    fn next(&mut self) -> Option<Element<'b>> {
        loop {
            if let Some(element) = self.current.as_mut().and_then(Iterator::next) {
                return Some(element);
            }
            self.current = Some(self.fields.next()?.elements());
        }
    }
}
