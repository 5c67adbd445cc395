//! What the store told, copied: it must not be held up while SQLite writes.
//!
//! Both kinds come back in the order of the table's pages, which is the order in which bindings were registered; those of
//! one second lie there by id.

use crate::bindings::IDS;
use dialplane_core::registrar::record::Bindings;
use dialplane_core::registrar::row::record_id;
use std::ops::Range;

/// Whole records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    records: Vec<Record>,
    octets: Vec<u8>,
}

#[derive(Debug)]
struct Record {
    /// Of its first binding.
    registered: u64,
    id: i64,
    aor: Range<usize>,
    value: Range<usize>,
}

impl Records {
    /// `None` when the record was removed.
    pub(crate) fn add(&mut self, aor: &[u8], value: Option<&[u8]>) {
        let value = value.unwrap_or_default();
        self.records.push(Record {
            registered: Bindings::readable(value).next().map_or(0, |stored| stored.binding.registered),
            id: record_id(aor),
            aor: keep(&mut self.octets, aor),
            value: keep(&mut self.octets, value),
        });
    }

    /// Address-of-record and value of each; the value is empty when it was removed.
    pub(crate) fn in_order(&mut self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records.sort_unstable_by_key(|record| (record.registered, record.id));
        self.records.iter().map(|record| (&self.octets[record.aor.clone()], &self.octets[record.value.clone()]))
    }
}

/// Rows of records that were only refreshed: no more than what a refresh changes.
#[derive(Debug, Default)]
pub(crate) struct Refreshes {
    rows: Vec<Refreshed>,
    octets: Vec<u8>,
}

#[derive(Debug)]
struct Refreshed {
    registered: u64,
    id: i64,
    expires: u64,
    modified: u64,
    cseq: u32,
    aor: Range<usize>,
    call_id: Range<usize>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Renewal<'a> {
    pub(crate) aor: &'a [u8],
    pub(crate) id: i64,
    pub(crate) expires: u64,
    pub(crate) modified: u64,
    pub(crate) cseq: u32,
    pub(crate) call_id: &'a [u8],
}

impl Refreshes {
    pub(crate) fn add(&mut self, aor: &[u8], value: Option<&[u8]>) {
        let first = record_id(aor);
        let aor = keep(&mut self.octets, aor);
        for (id, stored) in (first..).zip(Bindings::readable(value.unwrap_or_default()).take(IDS)) {
            let binding = stored.binding;
            self.rows.push(Refreshed {
                registered: binding.registered,
                id,
                expires: binding.expires,
                modified: binding.modified,
                cseq: binding.cseq,
                aor: aor.clone(),
                call_id: keep(&mut self.octets, binding.call_id),
            });
        }
    }

    pub(crate) fn in_order(&mut self) -> impl Iterator<Item = Renewal<'_>> {
        self.rows.sort_unstable_by_key(|row| (row.registered, row.id));
        self.rows.iter().map(|row| Renewal {
            aor: &self.octets[row.aor.clone()],
            id: row.id,
            expires: row.expires,
            modified: row.modified,
            cseq: row.cseq,
            call_id: &self.octets[row.call_id.clone()],
        })
    }
}

fn keep(octets: &mut Vec<u8>, more: &[u8]) -> Range<usize> {
    let start = octets.len();
    octets.extend_from_slice(more);
    start..octets.len()
}
