//! A connection to the file, and SQL of the caller's.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{ErrorCode, OpenFlags, Statement, params_from_iter};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait before a switch that SQLite refused is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Of a file that is made now; one that exists keeps its own. Twice the octets in one go to and from the kernel.
const PAGE_SIZE: &str = "PRAGMA page_size = 8192";

/// One connection; used by one thread at a time.
#[derive(Debug)]
pub struct Connection {
    pub(crate) sqlite: rusqlite::Connection,
}

/// What a statement gave.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Its rows.
    pub rows: Vec<Vec<Value>>,
    /// Rows that it inserted, changed or deleted; those of triggers are not counted.
    pub changes: u64,
}

impl Connection {
    /// Opens the file with a write-ahead log, and makes it when it is missing. A lock of another process is waited for as
    /// long as `patience`.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn open(path: &Path, patience: Duration) -> rusqlite::Result<Self> {
        // Its own mutexes are for several threads on one connection; `&mut self` says that there are none.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = rusqlite::Connection::open_with_flags(path, flags)?;
        sqlite.busy_timeout(patience)?;
        sqlite.execute_batch(PAGE_SIZE)?;
        write_ahead(&sqlite, patience)?;
        Ok(Self { sqlite })
    }

    /// Runs one statement for each of `rows` of values.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn execute(&mut self, sql: &str, rows: Vec<Vec<Value>>) -> rusqlite::Result<Outcome> {
        let mut statement = self.sqlite.prepare(sql)?;
        let mut outcome = Outcome::default();
        for values in rows {
            run(&mut statement, values, &mut outcome.rows)?;
            if !statement.readonly() {
                outcome.changes += self.sqlite.changes();
            }
        }
        Ok(outcome)
    }

    /// Runs the statements of a script.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn run_script(&mut self, sql: &str) -> rusqlite::Result<()> {
        self.sqlite.execute_batch(sql)
    }

    /// Whether a transaction was begun and has not ended.
    #[must_use]
    pub fn is_in_transaction(&self) -> bool {
        !self.sqlite.is_autocommit()
    }
}

/// Gives the file its log, if it has none yet. SQLite does not wait here: the switch begins as a reader, and of two readers
/// that would both write it refuses one at once.
fn write_ahead(sqlite: &rusqlite::Connection, patience: Duration) -> rusqlite::Result<()> {
    let until = Instant::now() + patience;
    loop {
        let switched = sqlite.pragma_update(None, "journal_mode", "wal");
        let is_busy = switched.as_ref().is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        if !is_busy || Instant::now() >= until {
            return switched;
        }
        thread::sleep(RETRY);
    }
}

fn run(statement: &mut Statement<'_>, values: Vec<Value>, out: &mut Vec<Vec<Value>>) -> rusqlite::Result<()> {
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get_ref(column).map(value));
        out.push(values.collect::<rusqlite::Result<_>>()?);
    }
    Ok(())
}

/// A value of its own. Other clients may have written text that is no UTF-8: it is shown with replacement characters.
fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(octets) => Value::Text(String::from_utf8_lossy(octets).into_owned()),
        ValueRef::Blob(octets) => Value::Blob(octets.to_vec()),
    }
}
