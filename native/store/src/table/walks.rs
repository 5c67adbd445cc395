//! Walks through every instant: a writer that dies before each of its stores, a reader that is overtaken before each of
//! its loads.

use crate::access::hook;
use crate::shard::Shard;
use crate::testing::{Folder, check_shard, keys_of_one_shard, read, remove, seed_of, value, write, write_due};
use crate::{Changes, Cursor, SharedTable};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, mpsc};

/// Records that are there before.
const BEFORE: usize = 12;
/// Loads of a reader that finds a short record, and stores of a writer that refreshes it; some more do not matter.
const LOADS_OF_A_READER: u64 = 24;
const STORES_OF_A_WRITER: [u64; 9] = [1, 2, 3, 4, 6, 8, 11, 14, 17];

/// One thing that a writer does. The keys are all of one shard.
struct Deed {
    name: &'static str,
    prepare: fn(&SharedTable, &[Vec<u8>]),
    act: fn(&SharedTable, &[Vec<u8>]),
}

impl Deed {
    /// Keys that it needs, and one more that it does not touch.
    fn keys(&self) -> usize {
        if self.name.contains("index") { 400 } else { 50 }
    }
}

const DEEDS: &[Deed] = &[
    Deed {
        name: "first record of a shard",
        prepare: |_, _| {},
        act: |table, keys| write(table, &keys[0], &value(2, 40)),
    },
    Deed { name: "new record", prepare: fill, act: |table, keys| write(table, &keys[BEFORE], &value(2, 40)) },
    Deed { name: "refresh", prepare: fill, act: |table, keys| write_due(table, &keys[3], &value(2, 40), 5, false) },
    Deed {
        name: "refresh into the slot that was freed last",
        prepare: |table, keys| {
            fill(table, keys);
            write(table, &keys[4], &value(1, 40));
        },
        act: |table, keys| write(table, &keys[3], &value(2, 40)),
    },
    Deed { name: "another size", prepare: fill, act: |table, keys| write(table, &keys[3], &value(2, 300)) },
    Deed { name: "a chunk of its own", prepare: fill, act: |table, keys| write(table, &keys[3], &value(2, 20_000)) },
    Deed { name: "remove", prepare: fill, act: |table, keys| remove(table, &keys[3]) },
    Deed {
        name: "remove without a database",
        prepare: |table, keys| {
            table.set_mirrored(false);
            fill(table, keys);
        },
        act: |table, keys| remove(table, &keys[3]),
    },
    Deed {
        name: "return of a removed record",
        prepare: |table, keys| {
            fill(table, keys);
            remove(table, &keys[3]);
        },
        act: |table, keys| write(table, &keys[3], &value(2, 40)),
    },
    Deed {
        name: "acknowledgement",
        prepare: |table, keys| {
            fill(table, keys);
            remove(table, &keys[3]);
            remove(table, &keys[7]);
        },
        act: |table, _| {
            let batch = table.changes(Changes::All, Cursor::default(), usize::MAX, |_, _| {}).expect("not damaged");
            table.acknowledge(&batch).expect("nobody else holds a lock");
            table.changes(Changes::All, Cursor::default(), usize::MAX, |_, _| {}).expect("not damaged");
        },
    },
    Deed {
        name: "sweep",
        prepare: fill,
        act: |table, _| {
            let swept = table.sweep(Cursor::default(), 60, usize::MAX, |key, _| remove(table, key));
            assert_eq!(swept, Ok(None));
        },
    },
    Deed {
        name: "joining of free neighbours",
        prepare: |table, keys| {
            fill(table, keys);
            (0..6).for_each(|at| table.forget(&keys[at]).map(|_| ()).expect("there"));
        },
        act: |table, _| Shard::new(&table.space, 0).lock().expect("free").settle().expect("not damaged"),
    },
    Deed {
        name: "next index",
        prepare: |table, keys| {
            fill(table, keys);
            keys[BEFORE..384].iter().for_each(|key| write(table, key, &value(1, 0)));
        },
        act: |table, keys| write(table, &keys[384], &value(2, 0)),
    },
];

fn fill(table: &SharedTable, keys: &[Vec<u8>]) {
    (0..BEFORE).for_each(|at| write_due(table, &keys[at], &value(1, 40), 50 + at as u64, at % 2 == 0));
}

/// What readers see: per key, nothing or the seed of a whole value.
fn view(table: &SharedTable, keys: &[Vec<u8>]) -> Vec<Option<u64>> {
    let seed = |octets: Vec<u8>| seed_of(&octets).expect("a whole value");
    keys.iter().map(|key| read(table, key).map(seed)).collect()
}

fn prepared(deed: &Deed) -> (Folder, SharedTable, Vec<Vec<u8>>) {
    let folder = Folder::new();
    let table = folder.open();
    let keys = keys_of_one_shard(&table, deed.keys());
    table.set_mirrored(true);
    (deed.prepare)(&table, &keys);
    (folder, table, keys)
}

/// Every store, but not each of the thousand that fill a new index.
fn next_store(store: u64) -> u64 {
    store + if store < 300 { 1 } else { 1 + store / 12 }
}

#[test]
fn a_writer_may_die_before_any_store() {
    for deed in DEEDS {
        let (before, after) = {
            let (_folder, table, keys) = prepared(deed);
            let before = view(&table, &keys);
            (deed.act)(&table, &keys);
            (before, view(&table, &keys))
        };
        let mut stores = 0;
        loop {
            let (folder, table, keys) = prepared(deed);
            let (writer, act) = (folder.open(), deed.act);
            let shared = Arc::new(keys);
            let keys = Arc::clone(&shared);
            let ended = std::thread::spawn(move || {
                hook::die_after(stores);
                act(&writer, &keys);
            });
            let died = ended.join().is_err();
            // Readers go on at once, and see each record as it was before or as it was to be.
            let seen = view(&table, &shared);
            for (at, seen) in seen.iter().enumerate() {
                let name = deed.name;
                assert!(*seen == before[at] || *seen == after[at], "{name}, store {stores}, key {at}: {seen:?}");
            }
            if !died {
                assert_eq!(seen, after, "{}", deed.name);
                check_shard(&table, 0);
                break;
            }
            // Nor does the database wait for a writer to put it in order.
            let mut told = Vec::new();
            let next = folder.open();
            next.changes(Changes::All, Cursor::default(), usize::MAX, |key, _| told.push(key.to_vec()))
                .expect("not damaged");
            for at in (0..seen.len()).filter(|at| table.is_mirrored() && seen[*at] != before[*at]) {
                let is_told = told.contains(&shared[at]) || deed.name == "joining of free neighbours";
                assert!(is_told, "{}, store {stores}: the change of {at}", deed.name);
            }
            // The next writer puts it in order; nothing that was seen is lost by that, no room either.
            let (one_more, others) = shared.split_last().expect("a key");
            write(&table, one_more, &value(3, 40));
            check_shard(&table, 0);
            assert_eq!(view(&table, others), seen[..others.len()], "{}, store {stores}", deed.name);
            // And the deed can be done.
            (deed.act)(&table, &shared);
            check_shard(&table, 0);
            assert_eq!(view(&table, others), after[..others.len()], "{}, store {stores}", deed.name);
            stores = next_store(stores);
        }
        assert!(stores > 3, "{}: died {stores} times", deed.name);
    }
}

/// What others do while a reader stands still. Key 3 has seed 1 before; afterwards seed 2, or it is gone.
const MEANWHILE: &[Deed] = &[
    Deed { name: "refreshed once", prepare: fill, act: |table, keys| write(table, &keys[3], &value(2, 40)) },
    Deed {
        name: "refreshed twice, back into the slot it was in",
        prepare: fill,
        act: |table, keys| {
            write(table, &keys[3], &value(9, 40));
            write(table, &keys[3], &value(2, 40));
        },
    },
    Deed {
        name: "its slot taken by another record",
        prepare: fill,
        act: |table, keys| {
            write(table, &keys[3], &value(2, 40));
            write(table, &keys[5], &value(9, 40));
        },
    },
    Deed {
        name: "removed and written anew in its old slot",
        prepare: |table, keys| {
            table.set_mirrored(false);
            fill(table, keys);
        },
        act: |table, keys| {
            remove(table, &keys[3]);
            write(table, &keys[3], &value(2, 40));
        },
    },
    Deed { name: "removed", prepare: fill, act: |table, keys| remove(table, &keys[3]) },
    Deed {
        name: "forgotten, and its room joined and cut otherwise",
        prepare: fill,
        act: |table, keys| {
            (0..BEFORE).for_each(|at| table.forget(&keys[at]).map(|_| ()).expect("there"));
            Shard::new(&table.space, 0).lock().expect("free").settle().expect("not damaged");
            (20..40).for_each(|at| write(table, &keys[at], &value(9, 61)));
        },
    },
    Deed {
        name: "moved to another index, the old one used for records",
        prepare: fill,
        act: |table, keys| {
            write(table, &keys[3], &value(2, 40));
            keys[BEFORE..].iter().for_each(|key| write(table, key, &value(9, 0)));
            // Zeros look like empty buckets to one who still looks there.
            keys[20..40].iter().for_each(|key| write(table, key, &value(0, 2000)));
        },
    },
    Deed { name: "everything cleared", prepare: fill, act: |table, _| table.clear().expect("free") },
];

/// Runs `look` once undisturbed for each load it makes, with the deed done before that load.
fn overtake<T>(deed: &Deed, look: impl Fn(&SharedTable, &[Vec<u8>]) -> T, judge: impl Fn(T, u64)) {
    let mut loads = 0;
    loop {
        let (folder, table, keys) = prepared(deed);
        let other = folder.open();
        let (act, theirs) = (deed.act, keys.clone());
        hook::before_load_after(loads, move || act(&other, &theirs));
        let seen = look(&table, &keys);
        if hook::clear() > 0 {
            break;
        }
        judge(seen, loads);
        check_shard(&table, 0);
        loads += 1;
    }
    assert!(loads > 5, "{}: {loads} loads", deed.name);
}

#[test]
fn a_reader_may_be_overtaken_before_any_load() {
    for deed in MEANWHILE {
        let (_folder, table, keys) = prepared(deed);
        (deed.act)(&table, &keys);
        let after = view(&table, &keys)[3];
        overtake(
            deed,
            |table, keys| view(table, &keys[3..4])[0],
            |seen, load| assert!(seen == Some(1) || seen == after, "{}, load {load}: {seen:?}", deed.name),
        );
    }
}

/// A reader stands still twice: at first while a writer refreshes the record and begins to write it once more, into the
/// slot that the reader is looking at; then while that writer ends.
#[test]
fn a_reader_may_be_overtaken_twice() {
    let (folder, table, keys) = prepared(&MEANWHILE[0]);
    let mut turns = 0;
    for first in 0..LOADS_OF_A_READER {
        for second in 0..LOADS_OF_A_READER - first {
            for stores in STORES_OF_A_WRITER {
                write(&table, &keys[3], &value(1, 40));
                let (resume, resumed) = mpsc::channel::<()>();
                let (waits, waiting) = mpsc::channel();
                let (key, other) = (keys[3].clone(), folder.open());
                let writer = std::thread::spawn(move || {
                    // Where a message finds nobody, the reader has ended without coming so far.
                    let _ = resumed.recv();
                    write(&other, &key, &value(9, 40));
                    let (at_store, again) = (waits.clone(), resumed);
                    hook::before_store_after(stores, move || {
                        let _ = at_store.send(());
                        let _ = again.recv();
                    });
                    write(&other, &key, &value(2, 40));
                    if hook::clear_stores() > 0 {
                        let _ = waits.send(());
                    }
                });
                let writer = Rc::new(Cell::new(Some(writer)));
                let (go, wait) = (resume.clone(), waiting);
                hook::before_load_after(first, move || {
                    let _ = go.send(());
                    let _ = wait.recv();
                });
                let (go, end) = (resume.clone(), Rc::clone(&writer));
                hook::before_load_after(second, move || {
                    let _ = go.send(());
                    end.take().map(std::thread::JoinHandle::join).expect("runs until now").expect("does not fail");
                });
                let octets = read(&table, &keys[3]);
                let seen = octets.as_ref().and_then(|octets| seed_of(octets));
                let left = hook::clear();
                for _ in 0..left {
                    let _ = resume.send(());
                }
                if let Some(writer) = writer.take() {
                    writer.join().expect("does not fail");
                }
                assert!(matches!(seen, Some(1 | 2 | 9)), "{first}, {second}, {stores}: {seen:?} {octets:?}");
                turns += usize::from(left == 0);
            }
        }
    }
    assert!(turns > 500, "{turns}");
}

#[test]
fn one_who_goes_through_may_be_overtaken_before_any_load() {
    for deed in MEANWHILE {
        let (_folder, table, keys) = prepared(deed);
        (deed.act)(&table, &keys);
        let after = view(&table, &keys);
        overtake(
            deed,
            |table, keys| {
                let block = table.space.hash(&keys[3]).tag.block();
                let from = Cursor::from_number(block as u32);
                let mut seen = Vec::new();
                let visit = |key: &[u8], value: &[u8]| {
                    let at = keys.iter().position(|other| other == key).expect("one of ours");
                    seen.push((at, seed_of(value).expect("a whole value")));
                };
                table.iterate(from, 1, visit).expect("not damaged");
                seen
            },
            |seen, load| {
                for (at, seed) in &seen {
                    let is_possible = Some(*seed) == after[*at] || *seed == 1 && *at < BEFORE;
                    assert!(is_possible, "{}, load {load}: {at} has {seed}", deed.name);
                    assert_eq!(seen.iter().filter(|(other, _)| other == at).count(), 1, "{}, load {load}", deed.name);
                }
                // Whoever is there the whole time is seen.
                let stays = after[3].is_some() && deed.name != "removed and written anew in its old slot";
                assert!(!stays || seen.iter().any(|(at, _)| *at == 3), "{}, load {load}", deed.name);
            },
        );
    }
}
