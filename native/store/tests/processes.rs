//! Real processes that share a store, and are killed.
//!
//! A process is this test program once more, told by an environment variable what to be.

use dialplane_core::store::{Change, NonceId, NonceUse, Nonces, Store, StoreError, Table};
use dialplane_store::{Changes, Cursor, OpenProblem, Opened, Role, SharedStore, SharedTable, SharedWords};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::{Duration, Instant};

const ROLE: &str = "DIALPLANE_STORE_TEST_ROLE";
const FOLDER: &str = "DIALPLANE_STORE_TEST_FOLDER";
const ARGUMENTS: [&str; 4] = ["--exact", "process", "--ignored", "--nocapture"];

/// A process of ours; killed when it is dropped.
struct Process(Child);

impl Process {
    /// Starts this program as `role` and waits until it says that it is ready.
    fn start(role: &str, folder: &Path) -> Self {
        let program = std::env::current_exe().expect("known");
        Self::start_by(Command::new(program).args(ARGUMENTS), role, folder)
    }

    fn start_by(command: &mut Command, role: &str, folder: &Path) -> Self {
        let child = command.env(ROLE, role).env(FOLDER, folder).stdout(Stdio::piped()).spawn().expect("started");
        let mut process = Self(child);
        let mut lines = BufReader::new(process.0.stdout.as_mut().expect("piped")).lines();
        let is_ready = lines.any(|line| line.is_ok_and(|line| line.ends_with("ready")));
        assert!(is_ready, "{role} ended before it was ready");
        process
    }

    /// Waits for it; whether it ended well.
    fn ends_well(mut self) -> bool {
        // What it still says is for nobody, but it must not find the pipe closed.
        let rest = std::io::copy(self.0.stdout.as_mut().expect("piped"), &mut std::io::sink());
        rest.is_ok() && self.0.wait().expect("our own child").success()
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("our own child").is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL. It may have ended by itself, and is waited for in any case.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the other processes are.
#[test]
#[ignore = "started by the other tests"]
fn process() {
    let (Ok(role), Ok(folder)) = (std::env::var(ROLE), std::env::var(FOLDER)) else { return };
    let folder = Path::new(&folder);
    let member = || SharedStore::open(folder, Role::Member).expect("there is a supervisor");
    let ready = || println!("ready");
    let (name, number) = role.split_once(' ').unwrap_or((&role, "0"));
    let number: u64 = number.parse().expect("a number");
    match name {
        "supervisor" => {
            let _store = SharedStore::open(folder, Role::Supervisor).expect("free");
            ready();
            std::thread::park();
        }
        "filler" => {
            let store = SharedStore::open(folder, Role::Supervisor).expect("free");
            for at in 0..number {
                write(store.bindings(), &key(0, at), &value(at, 220)).expect("there is room");
            }
            ready();
            std::thread::park();
        }
        "full" => fill_until_full(folder, ready),
        "writer" => Writer::open(member(), folder, number).run(ready),
        "mirror" => mirror(&member(), ready),
        "reader" => read_all(&member(), ready),
        "nonces" => mark_all(&member(), &journal(folder), ready),
        other => unreachable!("no such role: {other}"),
    }
}

fn key(writer: u64, at: u64) -> Vec<u8> {
    format!("user{at}@writer{writer}.example.net").into_bytes()
}

/// A value that shows whether it is whole.
fn value(seed: u64, length: u64) -> Vec<u8> {
    let mut value = seed.to_le_bytes().to_vec();
    value.extend((0..length).map(|at| (seed ^ at) as u8));
    value
}

fn seed_of(octets: &[u8]) -> u64 {
    let seed = u64::from_le_bytes(octets[..8].try_into().expect("eight"));
    assert_eq!(octets, value(seed, octets.len() as u64 - 8), "a torn value");
    seed
}

fn write(table: &SharedTable, key: &[u8], octets: &[u8]) -> Result<Change, StoreError> {
    table.update(key, &mut |_, next| {
        next.extend_from_slice(octets);
        Change::Write { due: 1, urgent: true }
    })
}

fn read(table: &SharedTable, key: &[u8]) -> Option<u64> {
    let mut octets = Vec::new();
    table.read(key, &mut octets).expect("not damaged").then(|| seed_of(&octets))
}

const WRITERS: u64 = 3;
/// Keys that one writer has for itself, and counters that all share.
const KEYS: u64 = 300;
const COUNTERS: u64 = 4;
/// Words of the journal per writer: what was answered for each key, what is under way, counts that were answered.
const WORDS: u64 = KEYS + 1 + COUNTERS;

fn journal(folder: &Path) -> SharedWords {
    SharedWords::open_or_create(&folder.join("journal"), 1, (WRITERS * WORDS) as usize).expect("there is room")
}

/// Writes without end, and notes beside the store what it was answered.
struct Writer {
    store: SharedStore,
    journal: SharedWords,
    number: u64,
    chance: u64,
}

impl Writer {
    fn open(store: SharedStore, folder: &Path, number: u64) -> Self {
        Self { store, journal: journal(folder), number, chance: u64::from(std::process::id()) }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % below
    }

    fn run(mut self, ready: impl Fn()) {
        ready();
        let words = self.number * WORDS;
        loop {
            let at = self.draw(KEYS);
            let (length, is_removal) = (self.draw(600), self.draw(5) == 0);
            let answered = &self.journal[(words + at) as usize];
            let next = (answered.load(Acquire) | 1) + u64::from(!is_removal);
            self.journal[(words + KEYS) as usize].store(at, Release);
            let table = self.store.bindings();
            let done = if is_removal {
                table.update(&key(self.number, at), &mut |_, _| Change::Remove)
            } else {
                write(table, &key(self.number, at), &value(next, length))
            };
            done.expect("there is room");
            // An odd number says that the record was removed.
            answered.store(if is_removal { next + 2 } else { next }, Release);

            let counter = self.draw(COUNTERS);
            let counted = self.store.credentials().update(&key(WRITERS, counter), &mut |present, next| {
                let count = present.try_into().map_or(0, u64::from_le_bytes);
                next.extend_from_slice(&(count + 1).to_le_bytes());
                Change::Write { due: u64::MAX, urgent: false }
            });
            counted.expect("there is room");
            self.journal[(words + KEYS + 1 + counter) as usize].fetch_add(1, AcqRel);
        }
    }
}

/// Every answered write of a dead writer is there, and of the one under way all or nothing. Notes which it was.
fn check_writer(table: &SharedTable, journal: &SharedWords, number: u64) {
    let words = number * WORDS;
    let under_way = journal[(words + KEYS) as usize].load(Acquire);
    for at in 0..KEYS {
        let word = &journal[(words + at) as usize];
        let answered = word.load(Acquire);
        let expected = (answered.is_multiple_of(2) && answered > 0).then_some(answered);
        let seen = read(table, &key(number, at));
        if seen == expected {
            continue;
        }
        let next = (answered | 1) + 1;
        assert_eq!(under_way, at, "writer {number}: record {at} is {seen:?} and was answered as {expected:?}");
        assert!(seen.is_none_or(|seen| seen == next), "{seen:?} after {answered}");
        word.store(seen.unwrap_or(next + 1), Release);
    }
}

fn mirror(store: &SharedStore, ready: impl Fn()) {
    ready();
    let table = store.bindings();
    loop {
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            let batch = table
                .changes(Changes::All, from, 100, |_, value| {
                    value.map(seed_of);
                })
                .expect("not damaged");
            table.acknowledge(&batch).expect("not damaged");
            cursor = batch.next();
        }
        let swept = table.sweep(Cursor::default(), 2, usize::MAX, |_, value| {
            seed_of(value);
        });
        assert_eq!(swept, Ok(None));
    }
}

fn read_all(store: &SharedStore, ready: impl Fn()) {
    ready();
    loop {
        for writer in 0..WRITERS {
            for at in 0..KEYS {
                read(store.bindings(), &key(writer, at));
            }
        }
        let visit = |_: &[u8], value: &[u8]| {
            seed_of(value);
        };
        assert_eq!(store.bindings().iterate(Cursor::default(), usize::MAX, visit), Ok(None));
    }
}

#[test]
fn killed_writers_lose_nothing_that_was_answered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SharedStore::open(folder.path(), Role::Supervisor).expect("free");
    store.bindings().set_mirrored(true);
    let journal = journal(folder.path());
    let start = |number: u64| {
        let role = if number == WRITERS { "mirror".to_owned() } else { format!("writer {number}") };
        Process::start(&role, folder.path())
    };
    let mut processes: Vec<Option<Process>> = (0..=WRITERS).map(|number| Some(start(number))).collect();
    let mut reader = Process::start("reader", folder.path());
    let begin = Instant::now();
    let (mut kills, mut chance) = (0, 1_u64);
    while kills < 40 || begin.elapsed() < Duration::from_secs(5) {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (chance >> 33) % (WRITERS + 1);
        // It was ready a moment ago or long since; how far it has got is chance.
        drop(processes[number as usize].take());
        kills += 1;
        if number < WRITERS {
            check_writer(store.bindings(), &journal, number);
        }
        processes[number as usize] = Some(start(number));
    }
    drop(processes);
    (0..WRITERS).for_each(|number| check_writer(store.bindings(), &journal, number));
    assert!(reader.is_running(), "the reader saw something torn");
    drop(reader);

    for counter in 0..COUNTERS {
        let words = (0..WRITERS).map(|number| (number * WORDS + KEYS + 1 + counter) as usize);
        let answered: u64 = words.map(|word| journal[word].load(Acquire)).sum();
        let mut octets = Vec::new();
        store.credentials().read(&key(WRITERS, counter), &mut octets).expect("not damaged");
        let count = octets.try_into().map_or(0, u64::from_le_bytes);
        assert!((answered..=answered + kills + WRITERS).contains(&count), "{count} of {answered}");
    }
    for table in [store.bindings(), store.credentials()] {
        assert_eq!(table.verify(), Ok(()));
        let mut count = 0;
        assert_eq!(table.iterate(Cursor::default(), usize::MAX, |_, _| count += 1), Ok(None));
        assert_eq!(count, table.len());
    }
}

#[test]
fn when_all_are_killed_everything_is_still_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    drop(Process::start("filler 20000", folder.path()));
    let store = SharedStore::open(folder.path(), Role::Supervisor).expect("its owner is dead");
    assert_eq!((store.opened(), store.bindings().len()), (Opened::Existing, 20_000));
    for at in 0..20_000 {
        assert_eq!(read(store.bindings(), &key(0, at)), Some(at));
    }
    write(store.bindings(), &key(0, 0), &value(7, 220)).expect("there is room");
    assert_eq!(store.bindings().verify(), Ok(()));
}

#[test]
fn a_folder_has_one_supervisor() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let absent = SharedStore::open(folder.path(), Role::Member).expect_err("nobody has made it");
    assert!(absent.to_string().starts_with("no dialplane server has run with "), "{absent}");

    let first = Process::start("supervisor", folder.path());
    let refused = SharedStore::open(folder.path(), Role::Supervisor).expect_err("there is one");
    assert!(matches!(refused.problem, OpenProblem::InUse(Some(pid)) if pid == first.0.id()), "{refused}");
    let expected = format!("another dialplane server (process {}) uses {}", first.0.id(), folder.path().display());
    assert_eq!(refused.to_string(), expected);
    let member = SharedStore::open(folder.path(), Role::Member).expect("there is a supervisor");
    drop(first);
    let second = SharedStore::open(folder.path(), Role::Supervisor).expect("the first is dead");
    assert_eq!(second.secret(), member.secret());
    write(member.bindings(), b"key", &value(1, 10)).expect("there is room");
    assert_eq!(read(second.bindings(), b"key"), Some(1), "members of the first go on with the second");
}

#[test]
fn a_clean_close_is_noted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SharedStore::open(folder.path(), Role::Supervisor).expect("free");
    assert!(matches!(store.opened(), Opened::Discarded(_)) && store.bindings().awaits_restore());
    store.bindings().restored();
    write(store.bindings(), b"key", &value(1, 10)).expect("there is room");
    store.close_clean().expect("the disk takes it");
    let store = open_again(folder.path());
    assert_eq!((store.opened(), read(store.bindings(), b"key")), (Opened::Existing, Some(1)));
    assert!(!store.bindings().awaits_restore());
}

/// Opens a folder that its supervisor has just left. A process that another test is starting has our descriptors until it
/// runs its own program, the lock among them.
fn open_again(folder: &Path) -> SharedStore {
    let mut tries = (0..1_000_000).map(|_| SharedStore::open(folder, Role::Supervisor));
    let opened = tries.find(|opened| match opened {
        Err(refused) if matches!(refused.problem, OpenProblem::InUse(_)) => {
            std::thread::yield_now();
            false
        }
        _ => true,
    });
    opened.expect("the lock is free some time").expect("free again")
}

fn fill_until_full(folder: &Path, ready: impl Fn()) {
    let store = SharedStore::open(folder, Role::Supervisor).expect("the limit allows that much");
    let table = store.bindings();
    let full = (0..).find_map(|at| write(table, &key(0, at), &value(at, 30_000)).err().map(|error| (at, error)));
    let (count, error) = full.expect("there is a limit");
    assert_eq!(error, StoreError::Full);
    assert!(count > 100, "{count}");
    (0..count).for_each(|at| assert_eq!(read(table, &key(0, at)), Some(at)));
    // What is removed makes room.
    assert_eq!(table.update(&key(0, 0), &mut |_, _| Change::Remove), Ok(Change::Remove));
    assert_eq!(table.verify(), Ok(()));
    ready();
}

#[test]
fn a_full_disk_is_an_answer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("known");
    // A limit on the size of files refuses as a full disk does, and needs no disk of its own. 20 MiB in blocks of 512.
    let script = format!("trap '' XFSZ; ulimit -f 40960; exec \"$0\" {}", ARGUMENTS.join(" "));
    let process = Process::start_by(Command::new("sh").args(["-c", &script]).arg(program), "full", folder.path());
    assert!(process.ends_well());
}

const NONCES: u64 = 40;
const COUNTS: u64 = 20;

/// Tries every count of every nonce, and notes beside the store which ones it won.
fn mark_all(store: &SharedStore, journal: &SharedWords, ready: impl Fn()) {
    ready();
    for nonce in 0..NONCES {
        for nc in 1..=COUNTS {
            let id = NonceId { issued_ms: 1 << 41, serial: nonce as u32 };
            if store.nonces().mark(id, nc as u32) == NonceUse::Fresh {
                journal[(nonce * COUNTS + nc - 1) as usize].fetch_add(1, AcqRel);
            }
        }
    }
}

#[test]
fn a_nonce_count_is_used_by_one_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _store = SharedStore::open(folder.path(), Role::Supervisor).expect("free");
    let journal = journal(folder.path());
    let processes: Vec<Process> = (0..4).map(|_| Process::start("nonces", folder.path())).collect();
    assert!(processes.into_iter().all(Process::ends_well));
    assert!((0..NONCES * COUNTS).all(|word| journal[word as usize].load(Acquire) == 1));
}
