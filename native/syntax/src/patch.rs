//! Edits against the received octets. RFC 3261 §16.6, §16.7: a proxy changes a few places and leaves the rest.
//!
//! Edits name ranges of the message as received. Applying them copies the message once, or moves only its head: what lies behind
//! the last edit, the body above all, stays where it is.

use crate::chars::slice;
use alloc::vec::Vec;
use core::ops::Range;

/// A list of edits, kept in ascending order and reused from message to message.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    edits: Vec<Edit>,
    text: Vec<u8>,
}

/// Octets `start..end` of the message give way to `text` of the pool.
#[derive(Clone, Copy, Debug)]
struct Edit {
    start: u32,
    end: u32,
    text_start: u32,
    text_end: u32,
}

impl Edit {
    const fn growth(&self) -> isize {
        (self.text_end - self.text_start) as isize - (self.end - self.start) as isize
    }
}

impl Edits {
    /// An empty list. Its storage grows to what the largest set of edits takes and then stays.
    #[must_use]
    pub const fn new() -> Self {
        Self { edits: Vec::new(), text: Vec::new() }
    }

    /// Forgets all edits, keeps the storage.
    #[inline]
    pub fn clear(&mut self) {
        self.edits.clear();
        self.text.clear();
    }

    /// Puts text before the octet at `at`. Of two insertions at one place the earlier call comes first.
    #[inline]
    pub fn insert(&mut self, at: usize, text: &[u8]) {
        self.replace(at..at, text);
    }

    /// Puts before the octet at `at` what `write` appends. It must only append.
    #[inline]
    pub fn insert_with(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.replace_with(at..at, write);
    }

    /// Puts text in the place of a range.
    #[inline]
    pub fn replace(&mut self, range: Range<usize>, text: &[u8]) {
        self.replace_with(range, |out| out.extend_from_slice(text));
    }

    /// Puts in the place of a range what `write` appends. It must only append.
    #[inline]
    pub fn replace_with(&mut self, range: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let text_start = self.text.len();
        write(&mut self.text);
        debug_assert!(self.text.len() >= text_start, "the closure only appends");
        self.push(Edit {
            start: range.start as u32,
            end: range.end.max(range.start) as u32,
            text_start: text_start.min(self.text.len()) as u32,
            text_end: self.text.len() as u32,
        });
    }

    /// Takes a range out.
    #[inline]
    pub fn remove(&mut self, range: Range<usize>) {
        self.replace(range, &[]);
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Octets that the message gains; negative when it loses some.
    #[must_use]
    pub fn growth(&self) -> isize {
        self.edits.iter().map(Edit::growth).sum()
    }

    /// The edits in order: the range that goes and the text that comes.
    pub fn iter(&self) -> impl Iterator<Item = (Range<usize>, &[u8])> {
        self.edits.iter().map(|edit| {
            let text = slice(&self.text, edit.text_start as usize, edit.text_end as usize);
            (edit.start as usize..edit.end as usize, text)
        })
    }

    /// Appends the edited message to `out`: one copy.
    pub fn apply(&self, message: &[u8], out: &mut Vec<u8>) {
        out.reserve(message.len().saturating_add_signed(self.growth()));
        let mut at = 0;
        for (range, text) in self.iter() {
            out.extend_from_slice(slice(message, at, range.start.min(message.len())));
            out.extend_from_slice(text);
            at = range.end.min(message.len());
        }
        out.extend_from_slice(slice(message, at, message.len()));
    }

    /// Edits the message where it lies in its frame. What is behind the last edit stays; what is before moves towards the front into the
    /// headroom, or towards the back when the message shrinks. Gives the new range; `None`, with the frame untouched, when there is not enough
    /// room before the message or the edits go behind its end.
    pub fn apply_in_place(&self, frame: &mut [u8], message: Range<usize>) -> Option<Range<usize>> {
        let growth = self.growth();
        let start = message.start.checked_add_signed(-growth)?;
        let last = self.edits.last().map_or(0, |edit| edit.end as usize);
        if message.end > frame.len() || start > message.end || message.start.checked_add(last)? > message.end {
            return None;
        }
        // A kept piece moves back by what the edits behind it grow. Pieces that move towards the front go first to last, those towards the back
        // last to first: then none is overwritten before it has moved, since kept pieces never change places.
        let mut shift = growth;
        let mut from = message.start;
        for edit in &self.edits {
            let to = message.start + edit.start as usize;
            if shift > 0 && from < to {
                frame.copy_within(from..to, from - shift as usize);
            }
            shift -= edit.growth();
            from = message.start + edit.end as usize;
        }
        let mut shift = 0;
        for (number, edit) in self.edits.iter().enumerate().rev() {
            shift += edit.growth();
            let from = message.start
                + number.checked_sub(1).and_then(|before| self.edits.get(before)).map_or(0, |edit| edit.end as usize);
            let to = message.start + edit.start as usize;
            if shift < 0 && from < to {
                frame.copy_within(from..to, from + shift.unsigned_abs());
            }
        }
        let mut shift = growth;
        for edit in &self.edits {
            let text = slice(&self.text, edit.text_start as usize, edit.text_end as usize);
            let at = (message.start + edit.start as usize).checked_add_signed(-shift)?;
            frame.get_mut(at..at + text.len())?.copy_from_slice(text);
            shift -= edit.growth();
        }
        Some(start..message.end)
    }

    /// Keeps the list in ascending order; almost always the new edit is the last. Where it overlaps an edit that is there, the octets go once.
    #[inline]
    fn push(&mut self, edit: Edit) {
        match self.edits.last() {
            Some(last) if last.end > edit.start => self.push_between(edit),
            _ => self.edits.push(edit),
        }
    }

    #[cold]
    fn push_between(&mut self, edit: Edit) {
        let position = self.edits.partition_point(|other| other.start <= edit.start);
        self.edits.insert(position, edit);
        let mut end = 0;
        for edit in &mut self.edits {
            edit.start = edit.start.max(end);
            edit.end = edit.end.max(edit.start);
            end = edit.end;
        }
    }
}
