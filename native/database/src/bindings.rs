//! Changed bindings from the shared store into the table `location`.
//!
//! The rows of an address-of-record have neighbouring ids ([`record_id`] and what follows). Of a record in which more
//! than the lifetime changed, the ids behind its last binding are deleted; then each row is written over what has its id.
//! Of one that was only refreshed, the columns that a refresh changes are: that costs half as much.
//!
//! Rows lie in the file in the order in which they first came. So they are written in that order, in batches that are as
//! large as memory allows: each page of the file is then changed once, and not once for each of its rows.

use crate::connection::Connection;
use crate::error::Error;
use crate::told::{Records, Refreshes, Renewal};
use dialplane_core::registrar::record::Bindings;
use dialplane_core::registrar::row::{Row, from_binding, record_id, text};
use dialplane_core::store::Table as _;
use dialplane_store::{Batch, Changes, Cursor, SharedTable};
use rusqlite::{Statement, Transaction, TransactionBehavior};

/// Ids that belong to one address-of-record.
pub(crate) const IDS: usize = 256;

/// The columns are those of [`Row`], in its order; the others keep their defaults.
const WRITE: &str = "INSERT INTO location (id, ruid, username, domain, contact, params, received, path, expires, q, \
    callid, cseq, last_modified, user_agent, socket, instance, reg_id) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (id) DO UPDATE SET ruid = excluded.ruid, username = excluded.username, domain = excluded.domain, \
    contact = excluded.contact, params = excluded.params, received = excluded.received, path = excluded.path, \
    expires = excluded.expires, q = excluded.q, callid = excluded.callid, cseq = excluded.cseq, \
    last_modified = excluded.last_modified, user_agent = excluded.user_agent, socket = excluded.socket, \
    instance = excluded.instance, reg_id = excluded.reg_id";
/// As [`WRITE`], where nothing has the id.
const ADD: &str = "INSERT INTO location (id, ruid, username, domain, contact, params, received, path, expires, q, \
    callid, cseq, last_modified, user_agent, socket, instance, reg_id) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
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
    /// Writes changed addresses-of-record of `table`, in one transaction, and acknowledges them when it is on the disk:
    /// about `limit` of those in which more than the lifetime changed, or, when there are none, a few times as many that
    /// were only refreshed. Whoever dies in between writes the same again, which changes nothing.
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
        let mut written = Written::default();
        if kind != Changes::Lazy {
            written = self.write_records(table, turn, limit, sockets)?;
        }
        if kind != Changes::Urgent && written.records == 0 {
            written = self.write_refreshes(table, turn, limit.saturating_mul(REFRESHES), sockets)?;
        }
        Ok(written)
    }

    fn write_records(
        &mut self,
        table: &SharedTable,
        turn: &mut Cursor,
        limit: usize,
        sockets: &[String],
    ) -> Result<Written, Error> {
        let mut records = Records::default();
        let batch = table.changes_in_turn(Changes::Urgent, turn, limit, |aor, value| records.add(aor, value))?;
        self.write(table, &batch, |transaction| {
            let mut writer = Writer::new(transaction, sockets)?;
            records.in_order().try_fold(0, |rows, (aor, value)| Ok(rows + writer.write(aor, value)?))
        })
    }

    fn write_refreshes(
        &mut self,
        table: &SharedTable,
        turn: &mut Cursor,
        limit: usize,
        sockets: &[String],
    ) -> Result<Written, Error> {
        let mut refreshes = Refreshes::default();
        let batch = table.changes_in_turn(Changes::Lazy, turn, limit, |aor, value| refreshes.add(aor, value))?;
        self.write(table, &batch, |transaction| {
            let mut refresh = transaction.prepare(REFRESH)?;
            let (mut rows, mut missed) = (0, Vec::new());
            for renewal in refreshes.in_order() {
                rows += 1;
                bind_refresh(&mut refresh, &renewal)?;
                if refresh.raw_execute()? == 0 {
                    missed.push(renewal.aor);
                }
            }
            // Somebody deleted them: the whole row is needed.
            missed.dedup();
            let mut writer = Writer::new(transaction, sockets)?;
            for aor in missed {
                let mut value = Vec::new();
                table.read(aor, &mut value)?;
                writer.write(aor, &value)?;
            }
            Ok(rows)
        })
    }

    /// Does `work` for a batch in one transaction, and acknowledges it.
    fn write(
        &mut self,
        table: &SharedTable,
        batch: &Batch,
        work: impl FnOnce(&Transaction<'_>) -> Result<usize, Error>,
    ) -> Result<Written, Error> {
        if batch.is_empty() {
            return Ok(Written::default());
        }
        let transaction = self.sqlite.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = work(&transaction)?;
        transaction.commit()?;
        table.acknowledge(batch)?;
        Ok(Written { rows, records: batch.len() })
    }
}

/// How many refreshes weigh as much as one record: of a refresh less is kept.
const REFRESHES: usize = 5;

/// Writes whole records.
struct Writer<'c> {
    add: Statement<'c>,
    delete: Statement<'c>,
    write: Statement<'c>,
    sockets: &'c [String],
}

impl<'c> Writer<'c> {
    fn new(transaction: &'c Transaction<'_>, sockets: &'c [String]) -> Result<Self, Error> {
        Ok(Self {
            add: transaction.prepare(ADD)?,
            delete: transaction.prepare(DELETE)?,
            write: transaction.prepare(WRITE)?,
            sockets,
        })
    }

    /// Returns the number of rows. A record that cannot be read has no bindings; whoever registers next begins it anew.
    fn write(&mut self, aor: &[u8], value: &[u8]) -> Result<usize, Error> {
        let first = record_id(aor);
        let (bindings, mut rows) = (Bindings::readable(value).take(IDS), 0);
        // What has just come is most often new to the table. Where nothing has the first id, nothing has the others.
        let mut is_new = bindings.clone().all(|stored| stored.binding.registered == stored.binding.modified);
        for (id, stored) in (first..).zip(bindings.clone()) {
            let row = from_binding(id, aor, stored.binding, self.sockets);
            if is_new && rows == 0 {
                bind(&mut self.add, &row)?;
                is_new = self.add.raw_execute()? > 0;
            }
            if !is_new && rows == 0 {
                self.delete_behind(first, bindings.clone().count())?;
            }
            if !is_new || rows > 0 {
                bind(&mut self.write, &row)?;
                self.write.raw_execute()?;
            }
            rows += 1;
        }
        if rows == 0 {
            self.delete_behind(first, 0)?;
        }
        Ok(rows)
    }

    /// Before the rows are written: a table of Kamailio's wants `ruid` to be unique, and bindings move up when one before
    /// them ends.
    fn delete_behind(&mut self, first: i64, rows: usize) -> Result<(), Error> {
        self.delete.execute((first + rows as i64, first + IDS as i64 - 1))?;
        Ok(())
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

fn bind_refresh(refresh: &mut Statement<'_>, renewal: &Renewal<'_>) -> rusqlite::Result<()> {
    refresh.raw_bind_parameter(1, julian(renewal.expires))?;
    refresh.raw_bind_parameter(2, &*text(renewal.call_id))?;
    refresh.raw_bind_parameter(3, renewal.cseq)?;
    refresh.raw_bind_parameter(4, julian(renewal.modified))?;
    refresh.raw_bind_parameter(5, renewal.id)
}

/// A Unix second as a Julian day.
fn julian(second: u64) -> f64 {
    second as f64 / 86400.0 + 2_440_587.5
}
