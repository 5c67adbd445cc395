//! Changed bindings from the shared store into the table `location`.
//!
//! The rows of an address-of-record have neighbouring ids ([`record_id`] and what follows). Of a record in which more
//! than the lifetime changed, the ids behind its last binding are deleted; then each row is written over what has its id.
//! Of one that was only refreshed, the columns that a refresh changes are: that costs half as much.

use crate::connection::Connection;
use crate::error::Error;
use dialplane_core::registrar::record::{Binding, Bindings};
use dialplane_core::registrar::row::{Row, from_binding, record_id, text};
use dialplane_store::{Changes, Cursor, SharedTable};
use rusqlite::{Statement, TransactionBehavior};
use std::ops::Range;

/// Ids that belong to one address-of-record.
const IDS: usize = 256;

/// The columns are those of [`Row`], in its order; the others keep their defaults.
const WRITE: &str = "INSERT INTO location (id, ruid, username, domain, contact, params, received, path, expires, q, \
    callid, cseq, last_modified, user_agent, socket, instance, reg_id) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (id) DO UPDATE SET ruid = excluded.ruid, username = excluded.username, domain = excluded.domain, \
    contact = excluded.contact, params = excluded.params, received = excluded.received, path = excluded.path, \
    expires = excluded.expires, q = excluded.q, callid = excluded.callid, cseq = excluded.cseq, \
    last_modified = excluded.last_modified, user_agent = excluded.user_agent, socket = excluded.socket, \
    instance = excluded.instance, reg_id = excluded.reg_id";
/// What a refresh changes.
const REFRESH: &str = "UPDATE location SET expires = ?, callid = ?, cseq = ?, last_modified = ? WHERE id = ?";
const DELETE: &str = "DELETE FROM location WHERE id BETWEEN ? AND ?";
/// What [`Connection::write_changes`] wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows of `location`.
    pub rows: usize,
    /// Addresses-of-record; 0 when nothing had changed.
    pub records: usize,
}

impl Connection {
    /// Writes about `limit` changed addresses-of-record of `table`, in one transaction, and acknowledges them when it is
    /// on the disk. Whoever dies in between writes the same again, which changes nothing.
    ///
    /// `turn` is where to begin to look, and then where to go on. `sockets` are the listeners by number.
    ///
    /// # Errors
    /// [`Error`]; nothing is acknowledged, and nothing is written unless the store failed at the very end.
    pub fn write_changes(
        &mut self,
        table: &SharedTable,
        kind: Changes,
        turn: &mut Cursor,
        limit: usize,
        sockets: &[String],
    ) -> Result<Written, Error> {
        let mut told = Told::default();
        let batch = table.changes_in_turn(kind, turn, limit, |aor, record| told.add(aor, record))?;
        if batch.is_empty() {
            return Ok(Written::default());
        }
        let order = told.order();
        let transaction = self.sqlite.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut rows = 0;
        {
            let mut delete = transaction.prepare(DELETE)?;
            let mut write = transaction.prepare(WRITE)?;
            let mut refresh = transaction.prepare(REFRESH)?;
            for place in order {
                let record = &told.records[place];
                let [aor, value] = [&record.aor, &record.value].map(|range| &told.octets[range.clone()]);
                // A record that cannot be read has no bindings; whoever registers next begins it anew.
                let present = Bindings::read(value).unwrap_or_default();
                // First: a table of Kamailio's wants `ruid` to be unique, and bindings move up when one before them ends.
                let urgent = batch.is_urgent(place);
                if urgent {
                    let behind = record.id + present.take(IDS).count() as i64;
                    delete.execute((behind, record.id + IDS as i64 - 1))?;
                }
                for (id, stored) in (record.id..).zip(present.take(IDS)) {
                    rows += 1;
                    if !urgent && bind_refresh(&mut refresh, id, &stored.binding)?.raw_execute()? > 0 {
                        continue;
                    }
                    bind(&mut write, &from_binding(id, aor, stored.binding, sockets))?;
                    write.raw_execute()?;
                }
            }
        }
        transaction.commit()?;
        table.acknowledge(&batch)?;
        Ok(Written { rows, records: batch.len() })
    }
}

fn bind(write: &mut Statement<'_>, row: &Row<'_>) -> rusqlite::Result<()> {
    write.raw_bind_parameter(1, row.id)?;
    write.raw_bind_parameter(2, &*row.ruid)?;
    write.raw_bind_parameter(3, &*row.username)?;
    write.raw_bind_parameter(4, &*row.domain)?;
    write.raw_bind_parameter(5, &*row.contact)?;
    write.raw_bind_parameter(6, row.params.as_deref())?;
    write.raw_bind_parameter(7, row.received.as_deref())?;
    write.raw_bind_parameter(8, row.path.as_deref())?;
    write.raw_bind_parameter(9, julian(row.expires))?;
    write.raw_bind_parameter(10, row.q)?;
    write.raw_bind_parameter(11, &*row.callid)?;
    write.raw_bind_parameter(12, row.cseq)?;
    write.raw_bind_parameter(13, julian(row.last_modified))?;
    write.raw_bind_parameter(14, &*row.user_agent)?;
    write.raw_bind_parameter(15, row.socket.as_deref())?;
    write.raw_bind_parameter(16, row.instance.as_deref())?;
    write.raw_bind_parameter(17, row.reg_id)
}

fn bind_refresh<'s, 'c>(
    refresh: &'s mut Statement<'c>,
    id: i64,
    binding: &Binding<'_>,
) -> rusqlite::Result<&'s mut Statement<'c>> {
    refresh.raw_bind_parameter(1, julian(binding.expires))?;
    refresh.raw_bind_parameter(2, &*text(binding.call_id))?;
    refresh.raw_bind_parameter(3, binding.cseq)?;
    refresh.raw_bind_parameter(4, julian(binding.modified))?;
    refresh.raw_bind_parameter(5, id)?;
    Ok(refresh)
}

/// A Unix second as a Julian day.
fn julian(second: u64) -> f64 {
    second as f64 / 86400.0 + 2_440_587.5
}

/// Records as the store told them, copied: it must not be held up while SQLite writes.
#[derive(Debug, Default)]
struct Told {
    records: Vec<Record>,
    octets: Vec<u8>,
}

#[derive(Debug)]
struct Record {
    id: i64,
    aor: Range<usize>,
    /// Empty when the record was removed.
    value: Range<usize>,
}

impl Told {
    fn add(&mut self, aor: &[u8], record: Option<&[u8]>) {
        let start = self.octets.len();
        self.octets.extend_from_slice(aor);
        let middle = self.octets.len();
        self.octets.extend_from_slice(record.unwrap_or_default());
        self.records.push(Record { id: record_id(aor), aor: start..middle, value: middle..self.octets.len() });
    }
    /// Places of the records by id: so the index of the table is gone through once, and not jumped about in.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.records.len()).collect();
        order.sort_unstable_by_key(|&place| self.records[place].id);
        order
    }
}
