//! Header field names and their typed values. RFC 3261 §20.
//!
//! [`table`] has one row per name; [`HeaderId`] is its number. A value has a module of its own only where the generic shapes
//! (list, number, token) do not fit. Values borrow the message and are parsed when asked for.

mod cseq;
mod digest;
mod lookup;
mod name_addr;
mod number;
mod option_tag;
mod params;
pub mod table;
mod via;

pub use cseq::{CSeq, RAck};
pub use digest::{Digest, DigestParam, DigestParams};
pub use name_addr::{Contacts, NameAddr, NameAddrs};
pub use number::{QValue, delta_seconds};
pub use option_tag::{OptionTags, option_tags};
pub use params::{Param, Params, ParamsIter};
pub use table::{Row, Shape, TABLE};
pub use via::{Via, Vias};

pub(crate) use cseq::call_id;
pub(crate) use lookup::{Candidate, find, find_scalar, letters_at};

use core::fmt;

/// The number of a header field name; [`HeaderId::OTHER`] for names outside the table. Long and compact forms are the same id.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HeaderId(pub(crate) u8);

impl HeaderId {
    /// The id of a name in any case, long or compact; [`HeaderId::OTHER`] for names outside the table.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        find_scalar(name)
    }

    /// The id with that [`index`](Self::index); [`HeaderId::OTHER`] when there is none.
    #[inline]
    #[must_use]
    pub const fn from_index(index: usize) -> Self {
        if index < Self::COUNT { Self(index as u8) } else { Self::OTHER }
    }

    /// The row of the table; `None` for [`HeaderId::OTHER`].
    #[must_use]
    pub fn row(self) -> Option<&'static Row> {
        TABLE.get(self.index())
    }

    /// The name as usually written; empty for [`HeaderId::OTHER`].
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    /// Whether several fields of this name, and elements between commas, mean one list.
    #[must_use]
    pub fn is_list(self) -> bool {
        self.row().is_some_and(|row| row.shape == Shape::List)
    }

    /// The id as an index below [`HeaderId::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for HeaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::OTHER { "OTHER" } else { self.name() })
    }
}

impl fmt::Display for HeaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::OTHER { "header field" } else { self.name() })
    }
}
