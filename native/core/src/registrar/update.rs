//! The bindings of a record after a REGISTER: all of it or nothing. RFC 3261 §10.3 steps 6 and 7.
//!
//! Called while no other process can change the record; reads no clock and sends nothing.

use super::contact::Requested;
use super::record::{self, Binding, Bindings};
use crate::path::{ConnectionId, Path};
use crate::store::{Change, StoreError};

/// What a REGISTER brings to a record, beside its contacts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update<'a> {
    /// Octets of the request; contact URIs lie in them.
    pub(super) message: &'a [u8],
    /// Parameters of the contacts.
    pub(super) text: &'a [u8],
    pub(super) call_id: &'a [u8],
    pub(super) cseq: u32,
    pub(super) path: &'a [u8],
    pub(super) user_agent: &'a [u8],
    /// The way by which the request came.
    pub(super) source: Path,
    /// Unix second.
    pub(super) now: u64,
    /// Most bindings of an address-of-record.
    pub(super) most: usize,
}

/// Why nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// CSeq is not higher than that of a binding with the same Call-ID.
    OutOfOrder,
    /// Does not fit into a record.
    TooLarge,
    /// More bindings than allowed.
    TooMany,
}

/// Step 6: removes all bindings.
pub(super) fn remove_all(present: &[u8], call_id: &[u8], cseq: u32, now: u64) -> Result<Change, Failure> {
    let live = Bindings::readable(present).filter(|stored| stored.binding.expires > now);
    for stored in live {
        if stored.binding.call_id == call_id && cseq <= stored.binding.cseq {
            return Err(Failure::OutOfOrder);
        }
    }
    Ok(if present.is_empty() { Change::Keep } else { Change::Remove })
}

impl<'a> Update<'a> {
    /// Step 7: writes the record that follows from `present` and the contacts.
    pub(super) fn apply(
        &self,
        contacts: &mut [Requested],
        present: &[u8],
        next: &mut Vec<u8>,
    ) -> Result<Change, Failure> {
        record::begin(next);
        let mut tally = Tally { count: 0, due: u64::MAX, urgent: false, changed: false, pruned: false };
        let mut repeated = false;
        for stored in Bindings::readable(present) {
            let binding = &stored.binding;
            if binding.expires <= self.now {
                tally.pruned = true;
                // Those behind it move up: the database has one row too many.
                tally.urgent = true;
                continue;
            }
            let Some(contact) = find(contacts, binding, self) else {
                tally.keep(binding.expires);
                stored.copy(next);
                continue;
            };
            let met = std::mem::replace(&mut contact.met, true);
            if binding.call_id == self.call_id && self.cseq <= binding.cseq {
                if self.cseq < binding.cseq || contact.expires == 0 {
                    return Err(Failure::OutOfOrder);
                }
                repeated = true;
                tally.keep(binding.expires);
                stored.copy(next);
                continue;
            }
            tally.changed = true;
            // A contact that means two bindings, one by its URI and one by its instance, replaces both.
            if contact.expires == 0 || met {
                tally.urgent = true;
                continue;
            }
            let renewed = self.binding(contact, binding.registered);
            tally.urgent |= is_moved(binding, &renewed);
            tally.keep(renewed.expires);
            write(&renewed, next)?;
        }
        for contact in contacts.iter().filter(|contact| !contact.met && contact.expires > 0) {
            if tally.count >= self.most {
                return Err(Failure::TooMany);
            }
            let added = self.binding(contact, self.now);
            tally.changed = true;
            tally.urgent = true;
            tally.keep(added.expires);
            write(&added, next)?;
        }
        // What was accepted before and is only repeated may not bring anything new along.
        if repeated && tally.changed {
            return Err(Failure::OutOfOrder);
        }
        Ok(tally.change())
    }

    fn binding(&self, contact: &Requested, registered: u64) -> Binding<'a> {
        Binding {
            contact: contact.uri(self.message),
            params: contact.params(self.text),
            q: contact.q,
            expires: self.now + u64::from(contact.expires),
            registered,
            modified: self.now,
            call_id: self.call_id,
            cseq: self.cseq,
            path: self.path,
            received: contact.keeps_source.then_some(self.source),
            user_agent: self.user_agent,
        }
    }
}

/// Writes the record without what has expired. For the sweeper, once [`Change::Write::due`] has come.
#[must_use]
pub fn prune(present: &[u8], now: u64, next: &mut Vec<u8>) -> Change {
    record::begin(next);
    let mut tally = Tally { count: 0, due: u64::MAX, urgent: true, changed: false, pruned: false };
    for stored in Bindings::readable(present) {
        if stored.binding.expires <= now {
            tally.pruned = true;
        } else {
            tally.keep(stored.binding.expires);
            stored.copy(next);
        }
    }
    // A record that cannot be read has no bindings either.
    tally.pruned |= tally.count == 0;
    tally.change()
}

/// A flow that is gone.
#[derive(Clone, Debug)]
pub(crate) enum Gone {
    /// Our own connection to the client.
    Connection(ConnectionId),
    /// That of an edge proxy, which has put its flow token into this Path (RFC 5626 §5.1).
    Edge(Box<[u8]>),
}

/// Writes the record without the bindings that a flow was kept for: it is gone (RFC 5626 §5.3).
pub(crate) fn without_flow(present: &[u8], gone: &Gone, next: &mut Vec<u8>) -> Change {
    record::begin(next);
    let mut tally = Tally { count: 0, due: u64::MAX, urgent: true, changed: false, pruned: false };
    for stored in Bindings::readable(present) {
        let is_gone = match gone {
            Gone::Connection(connection) => stored.binding.received.is_some_and(|path| path.connection == *connection),
            Gone::Edge(path) => stored.binding.path == &path[..],
        };
        if is_gone {
            tally.changed = true;
        } else {
            tally.keep(stored.binding.expires);
            stored.copy(next);
        }
    }
    tally.change()
}

/// What became of a record.
#[derive(Clone, Copy, Debug)]
struct Tally {
    count: usize,
    due: u64,
    urgent: bool,
    changed: bool,
    pruned: bool,
}

impl Tally {
    fn keep(&mut self, expires: u64) {
        self.count += 1;
        self.due = self.due.min(expires);
    }

    fn change(self) -> Change {
        match self {
            Tally { changed: false, pruned: false, .. } => Change::Keep,
            Tally { count: 0, .. } => Change::Remove,
            Tally { due, urgent, .. } => Change::Write { due, urgent },
        }
    }
}

/// The contact that means this binding: rather one that lives on than one that is to be removed.
fn find<'c>(contacts: &'c mut [Requested], binding: &Binding<'_>, update: &Update<'_>) -> Option<&'c mut Requested> {
    let mut found = None;
    for (place, contact) in contacts.iter().enumerate() {
        if contact.is(binding.contact, binding.params, update.message, update.text) {
            found = Some(place);
            if contact.expires > 0 {
                break;
            }
        }
    }
    contacts.get_mut(found?)
}

/// Whether a refresh changed more than how long the binding lives, so that the database must hear of it soon.
fn is_moved(before: &Binding<'_>, after: &Binding<'_>) -> bool {
    let kept = Binding {
        expires: after.expires,
        modified: after.modified,
        call_id: after.call_id,
        cseq: after.cseq,
        ..*before
    };
    kept != *after
}

fn write(binding: &Binding<'_>, next: &mut Vec<u8>) -> Result<(), Failure> {
    binding.write(next).map_err(|_: StoreError| Failure::TooLarge)
}
