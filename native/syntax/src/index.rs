//! The header index: where each line begins and what its name is. Caller's storage, reused from message to message.
//!
//! Eight octets per field. Of the names that servers ask for the first field is reachable at once (`first`); two bit sets tell which of them
//! are present and which come more than once, so that most checks of a message are one mask operation. Other names are searched.

use crate::chars::slice;
use crate::error::ParseError;
use crate::header::HeaderId;
use crate::message::Message;
use crate::method::Method;
use alloc::boxed::Box;
use alloc::vec;

/// Storage for [`parse`](crate::parse()): allocated once, reused for each message.
#[derive(Clone, Debug)]
pub struct Index {
    /// Line 0 is the start line; after the last field comes the end of the head.
    pub(crate) lines: Box<[Line]>,
    /// Lines in use, the start line included.
    pub(crate) count: usize,
    /// Line of the first field of each name; only meaningful where `present` has the bit.
    pub(crate) first: [u16; IDS],
    pub(crate) present: IdSet,
    pub(crate) repeated: IdSet,
    pub(crate) start: Start,
    /// Where the body begins and where the message ends.
    pub(crate) body: usize,
    pub(crate) end: usize,
    pub(crate) fault: Option<ParseError>,
}

/// Every value of an id, so that no look-up has to check it.
pub(crate) const IDS: usize = 256;

/// One line of the head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    /// Offset of its first octet.
    pub(crate) start: u32,
    /// Offset of the colon in the line; [`NO_COLON`] for a line that is no header field.
    pub(crate) colon: u16,
    pub(crate) id: u8,
}

pub(crate) const NO_COLON: u16 = u16::MAX;

/// The start line, RFC 3261 §7.1 and §7.2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) is_request: bool,
    pub(crate) method: Method,
    pub(crate) status: u16,
    /// Method and Request-URI, or nothing and the reason phrase.
    pub(crate) method_end: u32,
    pub(crate) text_start: u32,
    pub(crate) text_end: u32,
    /// End of the line without CRLF.
    pub(crate) end: u32,
}

/// A set of header ids below [`IdSet::IDS`], one word. The table has the names that a server asks for in its first rows; the others are looked for in
/// the lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct IdSet(u64);

impl IdSet {
    /// Ids that a set can hold.
    pub(crate) const IDS: u8 = 64;

    pub(crate) const fn of(ids: &[HeaderId]) -> Self {
        let mut set = Self(0);
        let mut i = 0;
        while i < ids.len() {
            set = set.or(Self::only(ids[i]));
            i += 1;
        }
        set
    }

    /// The set of one id; empty for an id that no set can hold.
    #[inline(always)]
    pub(crate) const fn only(id: HeaderId) -> Self {
        Self(((id.0 < Self::IDS) as u64) << (id.0 & 63))
    }

    #[inline(always)]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[inline(always)]
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline(always)]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[inline(always)]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest id in the set.
    #[inline(always)]
    pub(crate) const fn lowest(self) -> Option<HeaderId> {
        if self.0 == 0 { None } else { Some(HeaderId(self.0.trailing_zeros() as u8)) }
    }
}

impl Index {
    /// Storage for 256 fields, the default limit.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(256)
    }

    /// Storage for that many fields; a message with more is refused, whatever the limits say. At most 65,534.
    #[must_use]
    pub fn with_capacity(fields: usize) -> Self {
        let fields = fields.min(usize::from(u16::MAX) - 1);
        Self {
            lines: vec![Line::default(); fields + 2].into_boxed_slice(),
            count: 0,
            first: [0; IDS],
            present: IdSet::default(),
            repeated: IdSet::default(),
            start: Start {
                is_request: false,
                method: Method::Other,
                status: 0,
                method_end: 0,
                text_start: 0,
                text_end: 0,
                end: 0,
            },
            body: 0,
            end: 0,
            fault: None,
        }
    }

    /// Fields it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.lines.len().saturating_sub(2)
    }

    /// A copy with only the lines in use: for a caller that keeps a message and goes on with this index.
    #[must_use]
    pub fn compact(&self) -> Self {
        let lines = self.lines.get(..self.count + 1).unwrap_or(&self.lines).into();
        Self { lines, ..*self }
    }

    /// The message that was indexed last, over the octets that were given for it.
    ///
    /// Over other octets the view is of no use, but safe: ranges that do not fit are empty.
    #[inline]
    #[must_use]
    pub fn message<'b>(&'b self, bytes: &'b [u8]) -> Message<'b> {
        Message::new(slice(bytes, 0, self.end), self)
    }

    /// Line of the first field of that name, 0 when there is none.
    #[inline(always)]
    pub(crate) fn first_line(&self, id: HeaderId) -> usize {
        if id.0 >= IdSet::IDS {
            return self.next_line(id, 0);
        }
        if self.present.and(IdSet::only(id)).is_empty() { 0 } else { usize::from(self.first[usize::from(id.0)]) }
    }

    /// Line of the next field of that name behind a line, 0 when there is none.
    #[inline(always)]
    pub(crate) fn next_line(&self, id: HeaderId, line: usize) -> usize {
        if id.0 < IdSet::IDS && self.repeated.and(IdSet::only(id)).is_empty() {
            return 0;
        }
        let rest = self.lines.get(line + 1..self.count).unwrap_or_default();
        rest.iter().position(|line| line.id == id.0).map_or(0, |position| line + 1 + position)
    }

    /// Whether there is more than one field of that name.
    #[inline(always)]
    pub(crate) fn is_repeated(&self, id: HeaderId) -> bool {
        self.next_line(id, self.first_line(id)) != 0
    }

    /// The line and the start of the next one.
    #[inline(always)]
    pub(crate) fn line(&self, number: usize) -> Option<(Line, usize)> {
        let line = *self.lines.get(number)?;
        let next = self.lines.get(number + 1)?;
        Some((line, next.start as usize))
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}
