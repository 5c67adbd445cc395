//! Tables for tests.

use crate::layout::file;
use crate::place::Boot;
use crate::shard::Shard;
use crate::table::SharedTable;
use dialplane_core::store::{Change, Table};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

/// A temporary folder with one table in it, which can be opened as often as one likes.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        // The same hash in every run, so that a failure can be repeated and keys of one shard need not be searched anew.
        for (at, word) in [1, 2].into_iter().enumerate() {
            folder.open().space.header()[file::KEY + at].store(word, Relaxed);
        }
        folder
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("table.store")
    }

    /// The table as another process would open it.
    pub(crate) fn open(&self) -> SharedTable {
        let boot = Boot::current().expect("there is /proc");
        let (table, _) = SharedTable::open_or_create(&self.path(), boot).expect("there is room");
        table
    }
}

/// A value that shows whether it is whole: `length` octets made from `seed`; nothing but zeros from 0.
pub(crate) fn value(seed: u64, length: usize) -> Vec<u8> {
    let mut value = seed.to_le_bytes().to_vec();
    value.extend((8..length.max(8)).map(|at| (seed as usize).wrapping_mul(at + 31) as u8));
    value
}

/// The seed of a value made by [`value`]; `None` when the value is not whole.
pub(crate) fn seed_of(octets: &[u8]) -> Option<u64> {
    let seed = u64::from_le_bytes(octets.get(..8)?.try_into().ok()?);
    (value(seed, octets.len()) == octets).then_some(seed)
}

pub(crate) fn write(table: &SharedTable, key: &[u8], octets: &[u8]) {
    write_due(table, key, octets, u64::MAX, true);
}

pub(crate) fn write_due(table: &SharedTable, key: &[u8], octets: &[u8], due: u64, urgent: bool) {
    let written = table.update(key, &mut |_, next| {
        next.extend_from_slice(octets);
        Change::Write { due, urgent }
    });
    assert_eq!(written, Ok(Change::Write { due, urgent }));
}

pub(crate) fn remove(table: &SharedTable, key: &[u8]) {
    assert_eq!(table.update(key, &mut |_, _| Change::Remove), Ok(Change::Remove));
}

pub(crate) fn read(table: &SharedTable, key: &[u8]) -> Option<Vec<u8>> {
    let mut octets = b"before".to_vec();
    let found = table.read(key, &mut octets).expect("not damaged");
    assert_eq!(octets[..6], *b"before");
    assert!(found || octets.len() == 6, "nothing is appended when there is nothing");
    found.then(|| octets[6..].to_vec())
}

/// The first `count` keys that belong to shard 0, at most 6,000.
pub(crate) fn keys_of_one_shard(table: &SharedTable, count: usize) -> Vec<Vec<u8>> {
    static KEYS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let search = || {
        let keys = (0..).map(|number: u32| format!("user{number}@example.net").into_bytes());
        keys.filter(|key| table.space.hash(key).shard == 0).take(6000).collect()
    };
    KEYS.get_or_init(search)[..count].to_vec()
}

/// Panics with the contradiction, if there is one.
pub(crate) fn check(table: &SharedTable) {
    (0..crate::layout::SHARDS).for_each(|number| check_shard(table, number));
}

/// The same for one shard.
pub(crate) fn check_shard(table: &SharedTable, number: usize) {
    let shard = Shard::new(&table.space, number).lock().expect("nobody holds it");
    assert_eq!(shard.contradiction(), Ok(None), "shard {number}");
}
