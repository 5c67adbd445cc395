//! `Store`: the shared store for the supervisor, the control process and whoever only looks.

use super::database::PyConnection;
use super::rows;
use super::steering::PySteering;
use super::targets;
use crate::error::store_error;
use dialplane_core::auth::credential::{self, Digests};
use dialplane_core::guard::{Ban, Reason, Source};
use dialplane_core::registrar::prune;
use dialplane_core::registrar::record::Bindings;
use dialplane_core::registrar::row::{Row, from_record, record_id, to_record};
use dialplane_core::store::{Change, Store as _, StoreError, Table as _};
use dialplane_net::clock;
use dialplane_store::{Batch, Changes, Cursor, Opened, Role, SharedStore, Unusable};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// ``id`` of the first binding of an address-of-record: 2**62, plus 54 bits of a hash, times 256.
#[pyfunction]
#[pyo3(name = "record_id", signature = (username, domain))]
pub(crate) fn record_id_of(username: &str, domain: &str) -> i64 {
    record_id(&rows::aor(username, domain))
}

/// The source that an address belongs to.
pub(super) fn source(address: &str) -> PyResult<Source> {
    address.parse().map_err(|_| PyValueError::new_err(format!("'{address}' is not an address")))
}

/// Rows that a database keeps for one address-of-record.
const IDS: i64 = 256;

/// The shared store of one host. ``role`` says what this process does with it.
#[pyclass(name = "Store", module = "dialplane_native.server", frozen)]
#[derive(Debug)]
pub(crate) struct PyStore {
    /// `None` once it is closed. Calls that run hold it a little longer.
    store: Mutex<Option<Arc<SharedStore>>>,
    role: Kind,
    listeners: Vec<String>,
    /// Where the next call of `changes` begins to look.
    turn: Mutex<Cursor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Control,
    Reader,
    Supervisor,
}

/// What :meth:`Store.changes` gave.
#[pyclass(name = "Changes", module = "dialplane_native.server", frozen)]
#[derive(Debug)]
pub(crate) struct PyChanges {
    batch: Batch,
}

type Page<'py> = (Option<Bound<'py, PyBytes>>, Bound<'py, PyList>);

impl PyStore {
    fn locked(&self) -> MutexGuard<'_, Option<Arc<SharedStore>>> {
        // It is only ever replaced whole.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> PyResult<Arc<SharedStore>> {
        self.locked().clone().ok_or_else(|| store_error("the store is closed".into()))
    }

    /// The store, for a call that changes it.
    fn writable(&self) -> PyResult<Arc<SharedStore>> {
        if self.role == Kind::Reader {
            return Err(store_error("the store was opened for reading".into()));
        }
        self.open()
    }

    fn rows(&self, aor: &[u8], record: &[u8]) -> Vec<Row<'static>> {
        // A record that cannot be read has no bindings; whoever registers next begins it anew.
        from_record(aor, record, &self.listeners).into_iter().flatten().map(Row::into_owned).collect()
    }
}

#[pymethods]
impl PyStore {
    #[new]
    #[pyo3(signature = (folder, role, listeners = None))]
    fn new(py: Python<'_>, folder: &str, role: &str, listeners: Option<Vec<String>>) -> PyResult<Self> {
        let (role, opens_as) = match role {
            "control" => (Kind::Control, Role::Member),
            "reader" => (Kind::Reader, Role::Member),
            "supervisor" => (Kind::Supervisor, Role::Supervisor),
            _ => return Err(PyValueError::new_err("role is supervisor, control or reader")),
        };
        let store = py
            .detach(|| SharedStore::open(Path::new(folder), opens_as))
            .map_err(|error| store_error(error.to_string()))?;
        Ok(Self {
            store: Mutex::new(Some(Arc::new(store))),
            role,
            listeners: listeners.unwrap_or_default(),
            turn: Mutex::default(),
        })
    }

    /// Whether the contents were given up and have to be restored from the database.
    #[getter]
    fn discarded(&self) -> PyResult<bool> {
        let store = self.open()?;
        Ok(store.bindings().awaits_restore() || store.credentials().awaits_restore())
    }

    /// Why the contents that were there could not be used; `None` when they are used, or there were none.
    #[getter]
    fn given_up(&self) -> PyResult<Option<String>> {
        Ok(match self.open()?.opened() {
            Opened::Existing | Opened::Discarded(Unusable::Missing) => None,
            Opened::Discarded(why) => Some(why.to_string()),
        })
    }

    /// The database has been read back.
    fn restored(&self) -> PyResult<()> {
        let store = self.writable()?;
        store.bindings().restored();
        store.credentials().restored();
        Ok(())
    }

    /// Says whether changes are to be noted for a database from now on.
    #[pyo3(signature = (on))]
    fn mirror(&self, on: bool) -> PyResult<()> {
        self.writable()?.bindings().set_mirrored(on);
        Ok(())
    }

    /// All present bindings of about ``limit`` addresses-of-record that changed and were not acknowledged.
    #[pyo3(signature = (urgent, limit))]
    fn changes<'py>(&self, py: Python<'py>, urgent: bool, limit: usize) -> PyResult<Bound<'py, PyTuple>> {
        let store = self.open()?;
        let kind = if urgent { Changes::Urgent } else { Changes::All };
        let found = py.detach(|| {
            let mut records = Vec::new();
            let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = store.bindings().changes_in_turn(kind, &mut turn, limit, |aor, record| {
                records.push((record_id(aor), record.map(|record| self.rows(aor, record)).unwrap_or_default()));
            })?;
            drop(turn);
            let (mut gone, mut rows) = (Vec::new(), Vec::new());
            for (place, (id, present)) in records.into_iter().enumerate() {
                let count = i64::try_from(present.len()).unwrap_or(IDS);
                if batch.is_urgent(place) && count < IDS {
                    gone.push((id + count, id + IDS - 1));
                }
                rows.extend(present);
            }
            Ok((batch, gone, rows))
        });
        let (batch, gone, rows) = found.map_err(failed)?;
        (Bound::new(py, PyChanges { batch })?, gone, rows::list(py, rows)?).into_pyobject(py)
    }

    /// What :meth:`changes` gave with ``token`` is in the database.
    #[pyo3(signature = (token))]
    fn acknowledge(&self, py: Python<'_>, token: &Bound<'_, PyChanges>) -> PyResult<()> {
        let store = self.writable()?;
        let batch = &token.get().batch;
        py.detach(|| store.bindings().acknowledge(batch)).map_err(failed)
    }

    /// Writes the changes that :meth:`changes` would give into ``location`` of ``database``, and acknowledges them.
    #[pyo3(signature = (database, urgent, limit))]
    fn write_changes(
        &self,
        py: Python<'_>,
        database: &Bound<'_, PyConnection>,
        urgent: bool,
        limit: usize,
    ) -> PyResult<(usize, usize)> {
        let store = self.writable()?;
        let kind = if urgent { Changes::Urgent } else { Changes::All };
        let written = database.get().with(py, |connection| {
            let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            connection.write_changes(store.bindings(), kind, &mut turn, limit, &self.listeners)
        })?;
        Ok((written.rows, written.records))
    }

    /// Number of changed addresses-of-record not yet acknowledged: urgent, and others.
    fn backlog(&self) -> PyResult<(u64, u64)> {
        let backlog = self.open()?.bindings().backlog();
        Ok((backlog.urgent, backlog.lazy))
    }

    /// Removes about ``limit`` bindings that ended before ``now``. Returns how many were removed.
    #[pyo3(signature = (now, limit))]
    fn sweep(&self, py: Python<'_>, now: f64, limit: usize) -> PyResult<usize> {
        let store = self.writable()?;
        if !now.is_finite() || now < 0.0 {
            return Err(PyValueError::new_err("now is seconds since 1970"));
        }
        let now = now as u64;
        let swept = py.detach(|| {
            let table = store.bindings();
            let (mut removed, mut failure) = (0, None);
            table.sweep(Cursor::default(), now, limit, |aor, _| {
                let mut ended = 0;
                let change = table.update(aor, &mut |present, next| {
                    let bindings = Bindings::read(present).into_iter().flatten();
                    ended = bindings.filter(|stored| stored.binding.expires <= now).count();
                    prune(present, now, next)
                });
                match change {
                    Ok(Change::Remove | Change::Write { .. }) => removed += ended,
                    Ok(Change::Keep) => {}
                    Err(error) => failure = Some(error),
                }
            })?;
            failure.map_or(Ok(removed), Err)
        });
        swept.map_err(failed)
    }

    /// A page of all bindings, about ``limit`` long, in no order worth knowing.
    #[pyo3(signature = (cursor, limit))]
    fn bindings<'py>(
        &self,
        py: Python<'py>,
        cursor: Option<&Bound<'py, PyBytes>>,
        limit: usize,
    ) -> PyResult<Page<'py>> {
        let store = self.open()?;
        let from = read_cursor(cursor)?;
        let page = py.detach(|| {
            let mut rows = Vec::new();
            let next =
                store.bindings().iterate(from, limit.max(1), |aor, record| rows.extend(self.rows(aor, record)))?;
            Ok((next, rows))
        });
        let (next, rows) = page.map_err(failed)?;
        Ok((write_cursor(py, next), rows::list(py, rows)?))
    }

    /// Bindings of one address-of-record, best q first.
    #[pyo3(signature = (username, domain))]
    fn lookup<'py>(&self, py: Python<'py>, username: &str, domain: &str) -> PyResult<Bound<'py, PyList>> {
        let store = self.open()?;
        let aor = rows::aor(username, domain);
        let mut record = Vec::new();
        let found = store.bindings().read(&aor, &mut record).map_err(failed)?;
        let mut rows = if found { self.rows(&aor, &record) } else { Vec::new() };
        // A binding without q stands before those with any, as in `registrar::lookup`.
        let rank = |row: &Row<'_>| if row.q < 0.0 { 1000 } else { (row.q * 1000.0).round() as u32 };
        rows.sort_by_key(|row| Reverse((rank(row), row.last_modified)));
        rows::list(py, rows)
    }

    /// Puts bindings back that came from the database. Returns how many.
    #[pyo3(signature = (rows))]
    fn restore(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<usize> {
        let store = self.writable()?;
        let mut records: HashMap<Vec<u8>, Vec<Row<'static>>> = HashMap::new();
        for row in rows.try_iter()? {
            let row = rows::row(&row?)?;
            records.entry(rows::aor(&row.username, &row.domain)).or_default().push(row);
        }
        let restored = py.detach(|| {
            let (mut restored, mut record) = (0, Vec::new());
            for (aor, mut rows) in records {
                rows.sort_by_key(|row| row.id);
                record.clear();
                match to_record(&rows, &self.listeners, &mut record) {
                    Ok(()) => {}
                    // One absurd row must not keep the others away.
                    Err(StoreError::TooLarge) => continue,
                    Err(error) => return Err(error),
                }
                let due = rows.iter().map(|row| row.expires).min().unwrap_or(u64::MAX);
                match store.bindings().restore(&aor, &record, due) {
                    Ok(true) => restored += rows.len(),
                    Ok(false) | Err(StoreError::TooLarge) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(restored)
        });
        restored.map_err(failed)
    }

    /// Sets the digests (hexadecimal) of ``user`` in ``realm``; ``None`` for those that are not known.
    #[pyo3(signature = (user, realm, md5, sha256, sha512_256, md5_domain = None))]
    #[allow(clippy::too_many_arguments, reason = "one for each column")]
    fn put_credentials(
        &self,
        user: &str,
        realm: &str,
        md5: Option<&str>,
        sha256: Option<&str>,
        sha512_256: Option<&str>,
        md5_domain: Option<&str>,
    ) -> PyResult<()> {
        let store = self.writable()?;
        let digests = Digests {
            md5: hexadecimal("md5", md5)?,
            md5_domain: hexadecimal("md5_domain", md5_domain)?,
            sha256: hexadecimal("sha256", sha256)?,
            sha512_256: hexadecimal("sha512_256", sha512_256)?,
        };
        let mut record = Vec::with_capacity(96);
        digests.write(&mut record);
        store.credentials().replace(&credential_key(user, realm), &record, u64::MAX).map_err(failed)
    }

    /// Forgets the digests of ``user`` in ``realm``. Returns whether there were any.
    #[pyo3(signature = (user, realm))]
    fn remove_credentials(&self, user: &str, realm: &str) -> PyResult<bool> {
        self.writable()?.credentials().forget(&credential_key(user, realm)).map_err(failed)
    }

    /// A page of the keys of all credentials.
    #[pyo3(signature = (cursor, limit))]
    fn credentials<'py>(
        &self,
        py: Python<'py>,
        cursor: Option<&Bound<'py, PyBytes>>,
        limit: usize,
    ) -> PyResult<Page<'py>> {
        let store = self.open()?;
        let from = read_cursor(cursor)?;
        let page = py.detach(|| {
            let mut keys = Vec::new();
            let next = store.credentials().iterate(from, limit.max(1), |key, _| keys.push(split(key)))?;
            Ok((next, keys))
        });
        let (next, keys) = page.map_err(failed)?;
        Ok((write_cursor(py, next), PyList::new(py, keys)?))
    }

    /// Numbers of addresses-of-record and credentials, and octets of the mapped files.
    fn sizes(&self) -> PyResult<HashMap<&'static str, u64>> {
        let store = self.open()?;
        Ok(HashMap::from([
            ("bindings", store.bindings().len()),
            ("credentials", store.credentials().len()),
            ("bans", store.sources().bans(clock::now().unix_ms).count() as u64),
            ("octets", store.allocated_bytes()),
        ]))
    }

    /// Bans in force: source, Unix time of the end, reason.
    fn bans(&self) -> PyResult<Vec<(String, f64, &'static str)>> {
        let store = self.open()?;
        let bans = store.sources().bans(clock::now().unix_ms);
        let mut bans: Vec<_> = bans.map(|ban| (ban.source, ban.until_ms as f64 / 1000.0, ban.reason.text())).collect();
        bans.sort_by_key(|ban| ban.0);
        Ok(bans.into_iter().map(|(source, until, reason)| (source.to_string(), until, reason)).collect())
    }

    /// Bans the source that ``address`` belongs to, for ``seconds``. Returns its name.
    #[pyo3(signature = (address, seconds))]
    fn ban(&self, address: &str, seconds: f64) -> PyResult<String> {
        let now = clock::now().unix_ms;
        let ban = Ban { source: source(address)?, until_ms: now + (seconds * 1000.0) as u64, reason: Reason::Operator };
        self.writable()?.sources().ban(ban, now);
        Ok(ban.source.to_string())
    }

    /// Tells the kernel's program of all bans.
    #[pyo3(signature = (steering))]
    fn tell_bans(&self, steering: &Bound<'_, PySteering>) -> PyResult<()> {
        let store = self.open()?;
        steering.get().steering.bans().fill(store.sources().bans(clock::now().unix_ms))?;
        Ok(())
    }

    /// Ends the ban of the source that ``address`` belongs to. Returns its name; ``None`` when it was not banned.
    #[pyo3(signature = (address))]
    fn lift(&self, address: &str) -> PyResult<Option<String>> {
        let source = source(address)?;
        Ok(self.writable()?.sources().lift(source, clock::now().unix_ms).then(|| source.to_string()))
    }

    /// How the targets of all sets of an effective configuration (JSON) do. Returns JSON.
    #[pyo3(signature = (config_json))]
    fn targets<'py>(&self, py: Python<'py>, config_json: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, targets::list(&*self.open()?, config_json)?.to_string().as_bytes()))
    }

    /// Lets the target with this URI get no new calls, or (``on`` false) again.
    #[pyo3(signature = (uri, on))]
    fn drain(&self, uri: &str, on: bool) -> PyResult<()> {
        targets::drain(&*self.writable()?, uri, on)
    }

    /// Closes the store. ``clean`` (supervisor, last of all): written to disk, kept over a boot.
    #[pyo3(signature = (clean = false))]
    fn close(&self, py: Python<'_>, clean: bool) -> PyResult<()> {
        let Some(store) = self.locked().take() else { return Ok(()) };
        if !clean || self.role != Kind::Supervisor {
            return Ok(());
        }
        match Arc::try_unwrap(store) {
            Ok(store) => py.detach(|| store.close_clean()).map_err(|error| store_error(error.to_string())),
            Err(_) => Err(store_error("the store is in use by another thread".into())),
        }
    }
}

/// The store's own errors in words.
#[cold]
pub(super) fn failed(error: StoreError) -> PyErr {
    let words = match error {
        StoreError::Busy => "another process holds a record of the store and does not let go",
        StoreError::Corrupt => "the store is damaged",
        StoreError::Full => "no room for the store on the disk",
        StoreError::TooLarge => "too large for the store",
    };
    store_error(words.into())
}

fn credential_key(user: &str, realm: &str) -> Vec<u8> {
    let mut key = Vec::new();
    credential::key(user.as_bytes(), realm.as_bytes(), &mut key);
    key
}

/// User and realm; a realm has no `@`, a user name may.
fn split(key: &[u8]) -> (String, String) {
    let text = |octets| String::from_utf8_lossy(octets).into_owned();
    match key.iter().rposition(|octet| *octet == b'@') {
        Some(at) => (text(&key[..at]), text(&key[at + 1..])),
        None => (text(key), String::new()),
    }
}

fn hexadecimal<const N: usize>(name: &str, digest: Option<&str>) -> PyResult<Option<[u8; N]>> {
    let Some(text) = digest else { return Ok(None) };
    let wrong = || PyValueError::new_err(format!("{name} is not {} hexadecimal digits", 2 * N));
    if text.len() != 2 * N || !text.is_ascii() {
        return Err(wrong());
    }
    let mut octets = [0; N];
    for (place, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
    }
    Ok(Some(octets))
}

fn read_cursor(cursor: Option<&Bound<'_, PyBytes>>) -> PyResult<Cursor> {
    let Some(cursor) = cursor else { return Ok(Cursor::default()) };
    let octets = cursor.as_bytes().try_into().map_err(|_| PyOverflowError::new_err("not a cursor of this store"))?;
    Ok(Cursor::from_number(u32::from_be_bytes(octets)))
}

fn write_cursor(py: Python<'_>, next: Option<Cursor>) -> Option<Bound<'_, PyBytes>> {
    next.map(|cursor| PyBytes::new(py, &cursor.to_number().to_be_bytes()))
}
