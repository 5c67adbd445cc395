//! A store in ordinary memory, for tests, benchmarks and fuzzing: the same answers as the shared one, in one process.
//!
//! It keeps the promises of [`crate::store`] in the plainest way, so that it can stand as their model.

pub mod defaults;

use crate::calls::CallTable;
use crate::guard::SourceTable;
use crate::store::{Change, NonceId, NonceUse, Nonces, Store, StoreError, Table, TargetHealth};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All tables empty. See [`Store`].
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Address-of-record → bindings.
    pub bindings: MemoryTable,
    /// `user@realm` → digests.
    pub credentials: MemoryTable,
    /// Nonce counts.
    pub nonces: MemoryNonces,
    /// Health of targets.
    pub health: MemoryHealth,
    /// Bans and buckets.
    pub sources: SourceTable<Box<[AtomicU64]>>,
    /// Calls that targets have open.
    pub calls: CallTable<Box<[AtomicU64]>>,
}

impl Store for MemoryStore {
    type Table = MemoryTable;
    type Nonces = MemoryNonces;
    type Health = MemoryHealth;
    type Words = Box<[AtomicU64]>;

    fn bindings(&self) -> &MemoryTable {
        &self.bindings
    }

    fn credentials(&self) -> &MemoryTable {
        &self.credentials
    }

    fn nonces(&self) -> &MemoryNonces {
        &self.nonces
    }

    fn health(&self) -> &MemoryHealth {
        &self.health
    }

    fn sources(&self) -> &SourceTable<Box<[AtomicU64]>> {
        &self.sources
    }

    fn calls(&self) -> &CallTable<Box<[AtomicU64]>> {
        &self.calls
    }
}

/// See [`Table`].
#[derive(Debug, Default)]
pub struct MemoryTable {
    inner: Mutex<TableInner>,
}

#[derive(Debug, Default)]
struct TableInner {
    records: HashMap<Vec<u8>, Vec<u8>>,
    next: Vec<u8>,
    last: Option<Change>,
    failure: Option<StoreError>,
}

impl MemoryTable {
    /// Puts a record in place.
    pub fn insert(&self, key: &[u8], value: &[u8]) {
        lock(&self.inner).records.insert(key.to_vec(), value.to_vec());
    }

    /// A record, if there is one.
    #[must_use]
    pub fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        lock(&self.inner).records.get(key).cloned()
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.inner).records.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the latest update wanted; `None` before the first.
    #[must_use]
    pub fn last_change(&self) -> Option<Change> {
        lock(&self.inner).last
    }

    /// Makes every later read and update fail; `None` mends the table. An update fails after it was asked for its
    /// change, as when a disk fills up.
    pub fn fail(&self, failure: Option<StoreError>) {
        lock(&self.inner).failure = failure;
    }
}

impl Table for MemoryTable {
    fn read(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        let inner = lock(&self.inner);
        if let Some(failure) = inner.failure {
            return Err(failure);
        }
        let record = inner.records.get(key);
        value.extend_from_slice(record.map_or(&[], Vec::as_slice));
        Ok(record.is_some())
    }

    fn update(&self, key: &[u8], change: &mut dyn FnMut(&[u8], &mut Vec<u8>) -> Change) -> Result<Change, StoreError> {
        let inner = &mut *lock(&self.inner);
        inner.next.clear();
        let record = inner.records.get_mut(key);
        let wanted = change(record.as_ref().map_or(&[], |record| record.as_slice()), &mut inner.next);
        if let Some(failure) = inner.failure {
            return Err(failure);
        }
        match (wanted, record) {
            (Change::Keep, _) => {}
            (Change::Write { .. }, Some(record)) => {
                record.clear();
                record.extend_from_slice(&inner.next);
            }
            (Change::Write { .. }, None) => {
                inner.records.insert(key.to_vec(), inner.next.clone());
            }
            (Change::Remove, _) => {
                inner.records.remove(key);
            }
        }
        inner.last = Some(wanted);
        Ok(wanted)
    }
}

/// See [`Nonces`]: for each of the latest nonces the 64 latest counts, and the fingerprints that used the latest four.
#[derive(Debug, Default)]
pub struct MemoryNonces {
    inner: Mutex<NoncesInner>,
    serial: std::sync::atomic::AtomicU32,
}

#[derive(Debug, Default)]
struct NoncesInner {
    windows: BTreeMap<(u64, u32), Window>,
    /// Nonces up to here may have been forgotten.
    forgotten: Option<(u64, u32)>,
}

#[derive(Debug, Default)]
struct Window {
    highest: u32,
    /// Bit n: count `highest - n` was used.
    used: u64,
    requests: VecDeque<(u32, u32)>,
}

impl Nonces for MemoryNonces {
    fn next_serial(&self) -> u32 {
        self.serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    fn mark(&self, nonce: NonceId, nc: u32) -> NonceUse {
        self.use_count(nonce, nc, None)
    }

    fn mark_request(&self, nonce: NonceId, nc: u32, fingerprint: u32) -> NonceUse {
        self.use_count(nonce, nc, Some(fingerprint))
    }
}

impl MemoryNonces {
    fn use_count(&self, nonce: NonceId, nc: u32, fingerprint: Option<u32>) -> NonceUse {
        let inner = &mut *lock(&self.inner);
        let key = (nonce.issued_ms, nonce.serial);
        if !inner.windows.contains_key(&key) {
            if inner.forgotten.is_some_and(|forgotten| key <= forgotten) {
                return NonceUse::Stale;
            }
            if inner.windows.len() >= NONCES {
                inner.forgotten = inner.windows.pop_first().map(|(key, _)| key);
            }
        }
        inner.windows.entry(key).or_default().mark(nc, fingerprint)
    }
}

impl Window {
    fn mark(&mut self, nc: u32, fingerprint: Option<u32>) -> NonceUse {
        if nc > self.highest {
            self.used = self.used.checked_shl(nc - self.highest).unwrap_or(0);
            self.highest = nc;
        }
        let behind = self.highest - nc;
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        if bit == 0 || self.used & bit != 0 {
            let repeated = fingerprint.is_some_and(|fingerprint| self.requests.contains(&(nc, fingerprint)));
            return if repeated { NonceUse::Repeated } else { NonceUse::Replayed };
        }
        self.used |= bit;
        if let Some(fingerprint) = fingerprint {
            self.requests.truncate(3);
            self.requests.push_front((nc, fingerprint));
        }
        NonceUse::Fresh
    }
}

/// See [`TargetHealth`].
#[derive(Debug, Default)]
pub struct MemoryHealth {
    states: Mutex<HashMap<u64, u64>>,
}

impl TargetHealth for MemoryHealth {
    fn read(&self, target: u64) -> u64 {
        lock(&self.states).get(&target).copied().unwrap_or(0)
    }

    fn write(&self, target: u64, state: u64) {
        lock(&self.states).insert(target, state);
    }

    fn update(&self, target: u64, mut change: impl FnMut(u64) -> u64) {
        let states = &mut *lock(&self.states);
        let state = states.entry(target).or_insert(0);
        *state = change(*state);
    }
}

/// A test that panicked with the lock held has failed already; the others go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Windows kept; the oldest nonce goes first.
const NONCES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: NonceId = NonceId { issued_ms: 5, serial: 5 };

    #[test]
    fn a_count_is_used_once() {
        let nonces = MemoryNonces::default();
        for (nc, expected) in [
            (1, NonceUse::Fresh),
            (1, NonceUse::Replayed),
            (3, NonceUse::Fresh),
            (2, NonceUse::Fresh),
            (2, NonceUse::Replayed),
            (1, NonceUse::Replayed),
            (67, NonceUse::Fresh),
            (4, NonceUse::Fresh),
            (3, NonceUse::Replayed),
            (u32::MAX, NonceUse::Fresh),
            (u32::MAX, NonceUse::Replayed),
        ] {
            assert_eq!(nonces.mark(NONCE, nc), expected, "{nc}");
        }
    }

    #[test]
    fn the_same_request_is_repeated() {
        let nonces = MemoryNonces::default();
        for (nc, fingerprint, expected) in [
            (1, 100, NonceUse::Fresh),
            (1, 100, NonceUse::Repeated),
            (1, 101, NonceUse::Replayed),
            (2, 100, NonceUse::Fresh),
            (1, 100, NonceUse::Repeated),
            (3, 7, NonceUse::Fresh),
            (4, 7, NonceUse::Fresh),
            (5, 7, NonceUse::Fresh),
            (1, 100, NonceUse::Replayed),
        ] {
            assert_eq!(nonces.mark_request(NONCE, nc, fingerprint), expected, "{nc} {fingerprint}");
        }
    }

    #[test]
    fn old_nonces_are_forgotten() {
        let nonces = MemoryNonces::default();
        for serial in 0..=NONCES as u32 {
            assert_eq!(nonces.mark(NonceId { issued_ms: 9, serial }, 1), NonceUse::Fresh);
        }
        assert_eq!(nonces.mark(NonceId { issued_ms: 9, serial: 0 }, 2), NonceUse::Stale);
        assert_eq!(nonces.mark(NonceId { issued_ms: 9, serial: 1 }, 2), NonceUse::Fresh);
    }

    #[test]
    fn a_failed_update_changes_nothing() {
        let table = MemoryTable::default();
        table.insert(b"key", b"old");
        table.fail(Some(StoreError::Full));
        let write = &mut |_: &[u8], next: &mut Vec<u8>| {
            next.extend_from_slice(b"new");
            Change::Write { due: 0, urgent: true }
        };
        assert_eq!(table.update(b"key", write), Err(StoreError::Full));
        table.fail(None);
        assert_eq!(table.value(b"key").as_deref(), Some(&b"old"[..]));
        assert!(table.update(b"key", write).is_ok());
        assert_eq!(table.value(b"key").as_deref(), Some(&b"new"[..]));
        assert_eq!(table.update(b"key", &mut |_, _| Change::Remove), Ok(Change::Remove));
        assert!(table.is_empty());
    }
}
