//! Bindings from the shared store into a SQLite file: microseconds of this thread's processor time per row, the kernel's
//! share, checkpoints and acknowledgement included.
//!
//! `cargo bench -p dialplane-database [-- RECORDS …]`; one binding per record. The mirror has its turn each time when
//! 50,000 have registered. The folder is temporary; `TMPDIR` chooses the file system.

use dialplane_core::registrar::record::{self, Binding};
use dialplane_core::store::{Change, Store as _, Table as _};
use dialplane_database::Connection;
use dialplane_store::{Changes, Cursor, Role, SharedStore};
use std::path::Path;
use std::time::Duration;

const SCHEMA: &str = concat!(
    include_str!("../../../src/dialplane/database/sqlite.sql"),
    "ALTER TABLE location ADD COLUMN params VARCHAR(512) DEFAULT NULL;"
);
/// Registrations between two turns of the mirror.
const TURN: usize = 50_000;
/// As the control process asks for.
const BATCH: usize = 10_000;
const START: u64 = 1_800_000_000;

fn main() {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    println!("| records | first | refresh | moved | octets per row |\n|---|---|---|---|---|");
    for records in if given.is_empty() { vec![10_000, 100_000] } else { given } {
        measure(records);
    }
}

fn measure(records: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SharedStore::open(&folder.path().join("store"), Role::Supervisor).expect("opened");
    store.bindings().set_mirrored(true);
    let file = folder.path().join("dialplane.db");
    let mut database = open(&file);
    let mut turn = Cursor::default();
    let mut round = |store: &SharedStore, time: u64, port: u16, is_urgent: bool| {
        // As registrations come in: some, then the mirror has its turn.
        let mut spent = 0.0;
        for begin in (0..records).step_by(TURN) {
            for number in begin..records.min(begin + TURN) {
                register(store, number, time, port, is_urgent);
            }
            let start = now();
            loop {
                let table = store.bindings();
                let written = database.write_changes(table, Changes::All, &mut turn, BATCH, &[]).expect("written");
                if written.records == 0 {
                    break;
                }
            }
            spent += now() - start;
        }
        spent / records as f64
    };
    let first = round(&store, START, 5060, true);
    let refresh = round(&store, START + 1800, 5060, false);
    let moved = round(&store, START + 3600, 5062, true);
    drop(database);
    let octets = file.metadata().expect("it is there").len() / records as u64;
    println!("| {records} | {first:.2} | {refresh:.2} | {moved:.2} | {octets} |");
}

fn open(file: &Path) -> Connection {
    let mut database = Connection::open(file, Duration::from_secs(5)).expect("opened");
    database.run_script(SCHEMA).expect("made");
    database
}

/// What a worker does.
fn register(store: &SharedStore, number: usize, time: u64, port: u16, urgent: bool) {
    let aor = format!("user{number:06}@example.com");
    let contact = format!("sip:user{number:06}@198.51.100.{}:{port};ob", number % 256);
    let params = format!(";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-{number:012}>\";reg-id=1");
    let call_id = format!("{number:012x}-{:08x}@198.51.100.{}", number * 7919, number % 256);
    let binding = Binding {
        contact: contact.as_bytes(),
        params: params.as_bytes(),
        q: None,
        expires: time + 3600,
        registered: START,
        modified: time,
        call_id: call_id.as_bytes(),
        cseq: (time - START) as u32 + 1,
        path: b"",
        received: None,
        user_agent: b"Softphone/1.0 (bench)",
    };
    let change = store.bindings().update(aor.as_bytes(), &mut |_, next| {
        record::begin(next);
        binding.write(next).expect("it fits");
        Change::Write { due: binding.expires, urgent }
    });
    change.expect("there is room");
}

/// Microseconds of this thread's processor time.
fn now() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}
