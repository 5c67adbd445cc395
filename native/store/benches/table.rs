//! The bindings table beside LMDB (`heed`), one operation per transaction as a registrar needs it: put, refresh, get, and
//! get while another process writes. Keys of 30 octets, values of 220, refreshed and read in an order that no
//! cache foresees.
//!
//! `cargo bench -p dialplane-store --bench table [-- [own] RECORDS …]`; prints a Markdown table, nanoseconds per operation.
//! Then what the control process does with the own one. The folder is temporary; `TMPDIR` chooses the file system.

use dialplane_core::store::{Change, Store, Table};
use dialplane_store::{Changes, Cursor, Role, SharedStore};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions};
use std::hint::black_box;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const KEY: usize = 30;
const VALUE: usize = 220;
const DEFAULT_RECORDS: [u64; 3] = [1_000, 100_000, 1_000_000];
/// Operations per measurement, at least.
const OPERATIONS: u64 = 300_000;
const SLICES: u64 = 10;

trait Subject {
    fn put(&self, key: &[u8], value: &[u8]);
    fn refresh(&self, key: &[u8], stamp: u64);
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> bool;
    fn octets(&self) -> u64;
}

struct Own(SharedStore);

impl Subject for Own {
    fn put(&self, key: &[u8], value: &[u8]) {
        let written = self.0.bindings().update(key, &mut |_, next| {
            next.extend_from_slice(value);
            Change::Write { due: 2_000_000_000, urgent: true }
        });
        written.expect("there is room");
    }

    fn refresh(&self, key: &[u8], stamp: u64) {
        let written = self.0.bindings().update(key, &mut |present, next| {
            next.extend_from_slice(present);
            next[..8].copy_from_slice(&stamp.to_le_bytes());
            Change::Write { due: 2_000_000_000 + stamp, urgent: false }
        });
        written.expect("there is room");
    }

    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> bool {
        self.0.bindings().read(key, value).expect("not damaged")
    }

    fn octets(&self) -> u64 {
        self.0.bindings().allocated_bytes()
    }
}

struct Lmdb {
    env: Env,
    database: Database<Bytes, Bytes>,
}

impl Lmdb {
    #[allow(unsafe_code, reason = "the one call that opens an LMDB environment")]
    fn open(folder: &Path) -> Self {
        let mut options = EnvOpenOptions::new();
        options.map_size(4 << 30);
        // SAFETY: each process opens the environment once.
        let env = unsafe {
            options.flags(EnvFlags::WRITE_MAP | EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC);
            options.open(folder).expect("opened")
        };
        let mut write = env.write_txn().expect("begun");
        let database = env.create_database(&mut write, None).expect("made");
        write.commit().expect("committed");
        Self { env, database }
    }
}

impl Subject for Lmdb {
    fn put(&self, key: &[u8], value: &[u8]) {
        let mut write = self.env.write_txn().expect("begun");
        self.database.put(&mut write, key, value).expect("there is room");
        write.commit().expect("committed");
    }

    fn refresh(&self, key: &[u8], stamp: u64) {
        let mut write = self.env.write_txn().expect("begun");
        let mut value = [0; VALUE];
        value.copy_from_slice(self.database.get(&write, key).expect("read").expect("there"));
        value[..8].copy_from_slice(&stamp.to_le_bytes());
        self.database.put(&mut write, key, &value).expect("there is room");
        write.commit().expect("committed");
    }

    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> bool {
        let read = self.env.read_txn().expect("begun");
        let found = self.database.get(&read, key).expect("read");
        found.inspect(|found| value.extend_from_slice(found)).is_some()
    }

    fn octets(&self) -> u64 {
        self.env.non_free_pages_size().expect("known")
    }
}

fn key(number: u64) -> [u8; KEY] {
    let mut key = *b"user00000000@sip.example.net..";
    let mut rest = number;
    for octet in key[4..12].iter_mut().rev() {
        *octet = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// A permutation of 0..records that jumps.
fn order(records: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |step: u64| step.wrapping_mul(2_654_435_761) % records)
}

/// Nanoseconds of this thread's processor time, the kernel's share included.
fn now() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Nanoseconds per operation on record 0, 1, …, in the best of some slices: the others were disturbed.
fn best(records: u64, mut operation: impl FnMut(u64)) -> f64 {
    let slice = records.max(OPERATIONS) / SLICES;
    let mut order = order(records);
    let slices = (0..SLICES).map(|_| {
        let start = now();
        order.by_ref().take(slice as usize).for_each(&mut operation);
        (now() - start) / slice as f64
    });
    slices.fold(f64::INFINITY, f64::min)
}

fn open(which: &str, folder: &Path, role: Role) -> Box<dyn Subject> {
    match which {
        "own" => {
            let store = SharedStore::open(folder, role).expect("opened");
            store.bindings().set_mirrored(true);
            Box::new(Own(store))
        }
        _ => Box::new(Lmdb::open(folder)),
    }
}

fn measure(which: &str, records: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let subject = open(which, folder.path(), Role::Supervisor);
    let value = [b'v'; VALUE];
    // Growing is part of it, and not evenly spread.
    let start = now();
    (0..records).for_each(|n| subject.put(&key(n), &value));
    let put = (now() - start) / records as f64;
    // First touches and page faults are over now.
    order(records).take(records as usize).for_each(|n| subject.refresh(&key(n), n));
    let refresh = best(records, |n| subject.refresh(&key(n), n));
    let mut found = Vec::with_capacity(VALUE);
    let mut get = |subject: &dyn Subject| {
        best(records, |n| {
            found.clear();
            assert!(black_box(subject.get(&key(n), &mut found)));
        })
    };
    let quiet = get(&*subject);
    let mut writer = spawn_writer(which, folder.path(), records);
    let busy = get(&*subject);
    writer.kill().expect("our own child");
    writer.wait().expect("our own child");
    let octets = subject.octets() / records;
    println!("| {which} | {records} | {put:.0} | {refresh:.0} | {quiet:.0} | {busy:.0} | {octets} |");
}

/// What the control process and a starting worker do.
fn measure_control(records: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SharedStore::open(folder.path(), Role::Supervisor).expect("opened");
    let table = store.bindings();
    table.set_mirrored(true);
    (0..records)
        .for_each(|n| table.restore(&key(n), &[b'v'; VALUE], 2_000_000_000).map(|_| ()).expect("there is room"));
    let time = |work: &mut dyn FnMut()| {
        let start = now();
        work();
        (now() - start) / 1e3
    };
    let open = time(&mut || drop(SharedStore::open(folder.path(), Role::Member).expect("there is a supervisor")));
    let sweep = time(&mut || {
        table.sweep(Cursor::default(), 1_999_999_999, 1000, |_, _| {}).expect("not damaged");
    });
    let subject = Own(store);
    order(records).take(records as usize).for_each(|n| subject.refresh(&key(n), n));
    let table = subject.0.bindings();
    let mut told = 0;
    let mirror = time(&mut || {
        let mut turn = Cursor::default();
        while table.backlog().lazy > 0 {
            let batch = table.changes_in_turn(Changes::All, &mut turn, 4000, |_, _| told += 1).expect("not damaged");
            table.acknowledge(&batch).expect("nobody holds a lock");
        }
    });
    assert_eq!(told, records);
    let quiet = |what: &str| {
        let changes = time(&mut || {
            table.changes(Changes::All, Cursor::default(), 4000, |_, _| {}).expect("not damaged");
        });
        println!("{records} records: {changes:.0} µs to look for changes {what}");
    };
    quiet("when all were just acknowledged");
    quiet("when there was nothing the last time");
    println!("{records} records: {:.0} ns to tell and acknowledge one", mirror * 1e3 / records as f64);
    println!("{records} records: {sweep:.0} µs to sweep when nothing is due");
    println!("{records} records: {open:.0} µs to open");
}

/// Another process that refreshes records until it is killed; returns when it has begun.
fn spawn_writer(which: &str, folder: &Path, records: u64) -> Child {
    let program = std::env::current_exe().expect("known");
    let mut child = Command::new(program)
        .args(["writer", which, folder.to_str().expect("a plain name"), &records.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut ready = [0];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut ready).expect("the child says so");
    child
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [command, which, folder, records] = &arguments[..]
        && command == "writer"
    {
        let subject = open(which, Path::new(folder), Role::Member);
        println!("ready");
        order(records.parse().expect("a number")).for_each(|n| subject.refresh(&key(n), n));
    }
    let chosen: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let chosen = if chosen.is_empty() { DEFAULT_RECORDS.to_vec() } else { chosen };
    println!("| table | records | put | refresh | get | get beside a writer | octets per record |");
    println!("|---|---|---|---|---|---|---|");
    for &records in &chosen {
        for which in ["own", "lmdb"] {
            if !arguments.iter().any(|argument| argument == "own") || which == "own" {
                measure(which, records);
            }
        }
    }
    chosen.into_iter().for_each(measure_control);
}
