//! A rule of the routing table: what happens to a request that its conditions hold for.
//!
//! The conditions themselves are in the indexes of the table.

use crate::routing::number::Rewrite;
use crate::routing::target::{NextHop, TargetSetId};
use crate::store::NumberTable;
use std::fmt;
use std::sync::Arc;

/// One `[[route]]` of the file.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Place in the file, from 0.
    pub index: usize,
    /// Name in the file; may be empty.
    pub name: Box<str>,
    /// What to do with the request.
    pub action: Action,
    /// Whether to challenge, if the rule says so (RFC 3261 §22).
    pub authenticate: Option<bool>,
    /// Whether to stay in the dialog's path, if the rule says so (RFC 3261 §16.6 step 4).
    pub record_route: Option<bool>,
    /// Whether what the rule forwards is kept in transactions, if the rule says so.
    pub mode: Option<Mode>,
    /// Whether REGISTER that it forwards gets our Path (RFC 3327).
    pub path: bool,
    /// How long contacts of one q ring before those of the next, if the rule says so.
    pub ring_ms: Option<u32>,
    /// Change of the user part of the request URI.
    pub rewrite: Rewrite,
}

/// The name, or `route[3]` for a rule without one.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.name {
            "" => write!(f, "route[{}]", self.index),
            name => f.write_str(name),
        }
    }
}

/// How a proxy forwards. RFC 3261 §16.2, §16.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It keeps transactions: absorbs retransmissions, forks, tries the next target.
    Stateful,
    /// It remembers nothing.
    Stateless,
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// Nothing; no response either.
    Drop,
    /// Forward it (RFC 3261 §16.6).
    Forward(ForwardTo),
    /// Forward it to the contacts bound to its request URI (RFC 3261 §16.5).
    Lookup,
    /// Answer with contacts (RFC 3261 §8.3).
    Redirect {
        /// Which contacts.
        to: RedirectTo,
        /// 3xx.
        status: u16,
    },
    /// Answer it.
    Reply {
        /// 200 to 699.
        status: u16,
        /// Text of the status line, if it is not to be that of the status.
        reason: Option<Box<str>>,
    },
}

/// Where to forward a request.
#[derive(Clone, Debug)]
pub enum ForwardTo {
    /// One next hop, whatever the request URI says.
    Hop(NextHop),
    /// Where the request URI points.
    RequestUri,
    /// A target of this set.
    Set(TargetSetId),
}

/// Contacts of a redirect.
#[derive(Clone, Debug)]
pub enum RedirectTo {
    /// These, in this order; each a value of a Contact header field (RFC 3261 §20.10).
    Contacts(Box<[Box<[u8]>]>),
    /// Those bound to the request URI.
    Lookup,
    /// What the table says of the number in the request URI.
    Table(NamedTable),
}

/// A number table and its name in the file.
#[derive(Clone)]
pub struct NamedTable {
    /// Name.
    pub name: Box<str>,
    /// The table.
    pub table: Arc<dyn NumberTable>,
}

impl fmt::Debug for NamedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedTable").field(&self.name).finish()
    }
}
