//! Indexes that go from message to message: a message that is read and dropped allocates none.

use dialplane_syntax::{Index, Limits, Message, ParseError, ParseErrorKind};
use std::cell::RefCell;

/// Fields for which an index has room at first: more than nearly every message has, since a message that is kept keeps its room.
const FIELDS: usize = 46;
/// Indexes that a thread keeps for later.
const KEPT: usize = 16;

thread_local! {
    #[allow(clippy::vec_box, reason = "the boxes go to messages and back, the indexes stay where they are")]
    static POOL: RefCell<Vec<Box<Index>>> = const { RefCell::new(Vec::new()) };
}

/// An index that goes back to the pool of the thread that drops it; `None` only while it is dropped.
#[derive(Debug)]
pub(crate) struct Pooled(Option<Box<Index>>);

impl Pooled {
    /// An index that `work` has filled. If it has too little room, `work` gets another one.
    #[inline]
    pub(crate) fn read(
        limits: &Limits,
        mut work: impl FnMut(&mut Index) -> Result<(), ParseError>,
    ) -> Result<Self, ParseError> {
        let taken = POOL.try_with(|pool| pool.try_borrow_mut().ok()?.pop()).ok().flatten();
        let mut index = taken.unwrap_or_else(|| Box::new(Index::with_capacity(FIELDS)));
        let outcome = match work(&mut index) {
            Err(error) if error.kind == ParseErrorKind::TooManyFields && limits.fields > FIELDS => {
                index = Box::new(Index::with_capacity(limits.fields));
                let outcome = work(&mut index);
                *index = index.compact();
                outcome
            }
            outcome => outcome,
        };
        let index = Self(Some(index));
        outcome.map(|()| index)
    }
}

impl Pooled {
    /// The message that was indexed, over its octets.
    #[inline(always)]
    pub(crate) fn message<'a>(&'a self, octets: &'a [u8]) -> Message<'a> {
        match &self.0 {
            Some(index) => index.message(octets),
            None => unreachable!("an index is taken out when it is dropped"),
        }
    }

    /// A copy.
    pub(crate) fn index(&self) -> Index {
        self.0.as_deref().map_or_else(Index::new, Index::compact)
    }
}

impl Drop for Pooled {
    #[inline]
    fn drop(&mut self) {
        let Some(index) = self.0.take().filter(|index| index.capacity() == FIELDS) else { return };
        // Without a pool, as when the thread ends, it is freed.
        let _ = POOL.try_with(|pool| match pool.try_borrow_mut() {
            Ok(mut pool) if pool.len() < KEPT => pool.push(index),
            _ => {}
        });
    }
}
