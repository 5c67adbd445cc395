use crate::layout::file;
use crate::place::Boot;
use crate::space::Unusable;
use crate::testing::{Folder, check, keys_of_one_shard, read, remove, value, write, write_due};
use crate::{Changes, Cursor, MAX_KEY, MAX_VALUE, SharedTable};
use dialplane_core::store::{Change, StoreError, Table};
use std::fs;
use std::sync::atomic::Ordering::Relaxed;

/// The smallest range of addresses that a table is opened with, octets.
const LEAST_RANGE: u64 = 1 << 26;
const KEY: &[u8] = b"alice@example.com";

#[test]
fn what_is_written_is_read_by_every_process() {
    let folder = Folder::new();
    let (one, other) = (folder.open(), folder.open());
    assert_eq!(read(&one, KEY), None);
    for length in [0, 1, 7, 8, 9, 220, 4000, MAX_VALUE] {
        let octets = vec![b'x'; length];
        write(&one, KEY, &octets);
        assert_eq!(read(&other, KEY), Some(octets), "{length}");
    }
    assert_eq!((one.len(), other.len()), (1, 1));
    remove(&other, KEY);
    assert_eq!(read(&one, KEY), None);
    assert!(one.is_empty());
    check(&one);
}

#[test]
fn an_update_sees_what_there_is_and_decides() {
    let folder = Folder::new();
    let table = folder.open();
    for mirrored in [false, true] {
        table.set_mirrored(mirrored);
        let step = |expected: &[u8], change: Change, octets: &[u8]| {
            let verdict = table.update(KEY, &mut |present, next| {
                assert_eq!(present, expected);
                assert!(next.is_empty());
                next.extend_from_slice(octets);
                change
            });
            assert_eq!(verdict, Ok(change));
            read(&table, KEY)
        };
        let writes = Change::Write { due: 5, urgent: false };
        assert_eq!(step(b"", Change::Keep, b"ignored"), None);
        assert_eq!(step(b"", Change::Remove, b""), None);
        assert_eq!(step(b"", writes, b"first").as_deref(), Some(&b"first"[..]));
        assert_eq!(step(b"first", Change::Keep, b"ignored").as_deref(), Some(&b"first"[..]));
        assert_eq!(step(b"first", writes, b"second, longer").as_deref(), Some(&b"second, longer"[..]));
        assert_eq!(step(b"second, longer", Change::Remove, b"ignored"), None);
        assert_eq!(step(b"", Change::Remove, b""), None);
        assert_eq!(step(b"", writes, b"third").as_deref(), Some(&b"third"[..]));
        assert_eq!(step(b"third", Change::Remove, b""), None);
        check(&table);
    }
}

#[test]
fn what_is_too_large_changes_nothing() {
    let folder = Folder::new();
    let table = folder.open();
    write(&table, KEY, b"small");
    let large = vec![0; MAX_VALUE + 1];
    let mut too_large = |_: &[u8], next: &mut Vec<u8>| {
        next.extend_from_slice(&large);
        Change::Write { due: 0, urgent: true }
    };
    assert_eq!(table.update(KEY, &mut too_large), Err(StoreError::TooLarge));
    assert_eq!(read(&table, KEY).as_deref(), Some(&b"small"[..]));
    let long = vec![b'k'; MAX_KEY + 1];
    assert_eq!(table.update(&long, &mut |_, _| Change::Keep), Err(StoreError::TooLarge));
    assert_eq!(read(&table, &long), None);
    write(&table, &long[1..], b"the longest key");
    assert_eq!(read(&table, &long[1..]).as_deref(), Some(&b"the longest key"[..]));
    check(&table);
}

#[test]
fn an_update_within_an_update_of_the_same_shard_is_refused() {
    let folder = Folder::new();
    let table = folder.open();
    write(&table, KEY, b"outer");
    let mut inner = None;
    let outer = table.update(KEY, &mut |_, _| {
        inner = Some(table.update(KEY, &mut |_, _| Change::Remove));
        Change::Keep
    });
    assert_eq!((outer, inner), (Ok(Change::Keep), Some(Err(StoreError::Busy))));
    assert_eq!(read(&table, KEY).as_deref(), Some(&b"outer"[..]));
}

#[test]
fn a_closure_that_panics_holds_up_nobody() {
    let folder = Folder::new();
    let table = folder.open();
    write(&table, KEY, b"before");
    let update =
        std::panic::AssertUnwindSafe(|| table.update(KEY, &mut |_, _| std::panic::resume_unwind(Box::new(()))));
    assert!(std::panic::catch_unwind(update).is_err());
    assert_eq!(read(&table, KEY).as_deref(), Some(&b"before"[..]));
    write(&table, KEY, b"after");
    check(&table);
}

#[test]
fn it_grows_and_is_found_again() {
    let folder = Folder::new();
    let table = folder.open();
    let key = |number: u64| format!("user{number}@example.net").into_bytes();
    let length = |number: u64| number as usize * 7919 % 700;
    for number in 0..20_000 {
        write(&table, &key(number), &value(number, length(number)));
    }
    check(&table);
    drop(table);
    let table = folder.open();
    assert_eq!(table.len(), 20_000);
    for number in 0..20_000 {
        assert_eq!(read(&table, &key(number)), Some(value(number, length(number))));
    }
    assert_eq!(read(&table, &key(20_000)), None);
    table.clear().expect("nobody holds a lock");
    assert_eq!((table.len(), read(&table, &key(7))), (0, None));
    let octets = table.allocated_bytes();
    for number in 0..20_000 {
        write(&table, &key(number), &value(number, length(number)));
    }
    assert!(table.allocated_bytes() < octets + octets / 8, "what was cleared is used again");
    check(&table);
}

#[test]
fn coming_and_going_does_not_grow() {
    let folder = Folder::new();
    let table = folder.open();
    let keys = keys_of_one_shard(&table, 6000);
    let mut settled = 0;
    for (number, key) in keys.iter().enumerate() {
        write(&table, key, &value(number as u64, 200));
        if let Some(old) = number.checked_sub(300) {
            remove(&table, &keys[old]);
        }
        if number == 2000 {
            settled = table.allocated_bytes();
        }
    }
    assert_eq!(table.len(), 300);
    assert_eq!(table.allocated_bytes(), settled);
    check(&table);
}

#[test]
fn records_that_change_size_do_not_pile_up() {
    let folder = Folder::new();
    let table = folder.open();
    let keys = keys_of_one_shard(&table, 1000);
    let write_all = |length: usize| keys.iter().for_each(|key| write(&table, key, &value(1, length)));
    write_all(400);
    let first = table.allocated_bytes();
    for length in [200, 300, 100, 350, 390, 50, 400] {
        write_all(length);
        check(&table);
    }
    let grown = table.allocated_bytes() - first;
    assert!(grown < 1000 * 400, "{grown} octets more");
}

#[test]
fn the_database_overrules_or_yields() {
    let folder = Folder::new();
    let table = folder.open();
    table.set_mirrored(true);
    assert_eq!(table.restore(KEY, b"from the database", 9), Ok(true));
    assert_eq!(table.restore(KEY, b"again", 9), Ok(false));
    assert_eq!(read(&table, KEY).as_deref(), Some(&b"from the database"[..]));
    remove(&table, KEY);
    assert_eq!(table.restore(KEY, b"risen", 9), Ok(false), "its removal is not in the database yet");
    assert_eq!(read(&table, KEY), None);
    assert_eq!(table.replace(KEY, b"new", 9), Ok(()));
    assert_eq!(read(&table, KEY).as_deref(), Some(&b"new"[..]));
    assert_eq!(table.backlog(), crate::Backlog::default(), "the database knows what came from it");
    assert_eq!(table.forget(KEY), Ok(true));
    assert_eq!(table.forget(KEY), Ok(false));
    assert_eq!((read(&table, KEY), table.backlog()), (None, crate::Backlog::default()));
    check(&table);
}

/// Key, and value unless it was removed.
type Told = (Vec<u8>, Option<Vec<u8>>);

fn changes(table: &SharedTable, kind: Changes) -> (Vec<Told>, crate::Batch) {
    let mut seen = Vec::new();
    let batch = table
        .changes(kind, Cursor::default(), usize::MAX, |key, value| seen.push((key.to_vec(), value.map(<[u8]>::to_vec))))
        .expect("not damaged");
    assert_eq!((batch.next(), batch.len()), (None, seen.len()));
    seen.sort();
    (seen, batch)
}

#[test]
fn changes_are_told_until_they_are_acknowledged() {
    let folder = Folder::new();
    let table = folder.open();
    table.set_mirrored(true);
    let record = |key: &str, value: &str| (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
    write_due(&table, b"a", b"1", 9, true);
    write_due(&table, b"b", b"1", 9, false);
    write_due(&table, b"b", b"2", 9, false);
    assert_eq!(table.backlog(), crate::Backlog { urgent: 1, lazy: 1 });
    let (seen, urgent) = changes(&table, Changes::Urgent);
    assert_eq!(seen, [record("a", "1")]);
    let (seen, _) = changes(&table, Changes::All);
    assert_eq!(seen, [record("a", "1"), record("b", "2")]);

    // A change after the telling is not covered by the acknowledgement, also when it comes to lie in the same slot; a lazy
    // one does not make it less urgent.
    write_due(&table, b"a", b"0", 9, false);
    write_due(&table, b"a", b"2", 9, false);
    table.acknowledge(&urgent).expect("nobody holds a lock");
    let (seen, urgent) = changes(&table, Changes::Urgent);
    assert_eq!(seen, [record("a", "2")]);
    table.acknowledge(&urgent).expect("nobody holds a lock");
    assert!(changes(&table, Changes::Urgent).0.is_empty());

    // A removal is told, also over a restart, and leaves nothing behind.
    remove(&table, b"b");
    drop(table);
    let table = folder.open();
    let (seen, all) = changes(&table, Changes::Urgent);
    assert_eq!(seen, [(b"b".to_vec(), None)]);
    write_due(&table, b"b", b"3", 9, false);
    table.acknowledge(&all).expect("nobody holds a lock");
    let (seen, all) = changes(&table, Changes::Urgent);
    assert_eq!(seen, [record("b", "3")], "the database deleted it meanwhile");
    remove(&table, b"b");
    table.acknowledge(&all).expect("nobody holds a lock");
    let (seen, all) = changes(&table, Changes::All);
    assert_eq!(seen, [(b"b".to_vec(), None)]);
    table.acknowledge(&all).expect("nobody holds a lock");
    assert!(changes(&table, Changes::All).0.is_empty());
    assert_eq!((table.len(), table.backlog()), (1, crate::Backlog::default()));
    check(&table);
}

#[test]
fn changes_come_in_pages() {
    let folder = Folder::new();
    let table = folder.open();
    table.set_mirrored(true);
    let key = |number: u32| format!("user{number}").into_bytes();
    (0..3000).for_each(|number| write(&table, &key(number), b"value"));
    let (mut seen, mut cursor, mut pages) = (Vec::new(), Some(Cursor::default()), 0);
    while let Some(from) = cursor {
        let batch = table.changes(Changes::All, from, 100, |key, _| seen.push(key.to_vec())).expect("not damaged");
        assert!(batch.len() < 150, "about a hundred: {}", batch.len());
        table.acknowledge(&batch).expect("nobody holds a lock");
        cursor = batch.next();
        pages += 1;
    }
    assert!((20..=31).contains(&pages), "{pages}");
    seen.sort();
    let mut expected: Vec<_> = (0..3000).map(key).collect();
    expected.sort();
    assert_eq!(seen, expected);
    assert_eq!(table.backlog(), crate::Backlog::default());
}

#[test]
fn changes_in_turn_reach_all_though_the_first_change_again() {
    let folder = Folder::new();
    let table = folder.open();
    table.set_mirrored(true);
    let key = |number: u32| format!("user{number}").into_bytes();
    let write_all = || (0..2000).for_each(|number| write(&table, &key(number), b"value"));
    write_all();
    let (mut seen, mut turn) = (std::collections::BTreeSet::new(), Cursor::default());
    for _ in 0..24 {
        let visit =
            |key: &[u8], _: Option<&[u8]>| assert!(seen.insert(key.to_vec()) || seen.len() == 2000, "before its turn");
        let batch = table.changes_in_turn(Changes::Urgent, &mut turn, 100, visit).expect("not damaged");
        table.acknowledge(&batch).expect("nobody holds a lock");
        assert!(batch.next().is_some(), "more than a hundred are left");
        write_all();
    }
    assert_eq!(seen.len(), 2000);
    let batch = table.changes_in_turn(Changes::Urgent, &mut turn, usize::MAX, |_, _| {}).expect("not damaged");
    assert_eq!((batch.len(), batch.next()), (2000, None), "it comes around, and tells nothing twice");
}

#[test]
fn iterating_shows_each_record_once_while_the_index_grows() {
    let folder = Folder::new();
    let table = folder.open();
    let keys = keys_of_one_shard(&table, 6000);
    let (stay, come) = keys.split_at(400);
    stay.iter().for_each(|key| write(&table, key, b"stays"));
    let (mut seen, mut cursor, mut come) = (Vec::new(), Some(Cursor::default()), come.chunks(200));
    while let Some(from) = cursor {
        let next = table.iterate(from, 10, |key, value| {
            if value == b"stays" {
                seen.push(key.to_vec());
            }
        });
        cursor = next.expect("not damaged").map(|next| Cursor::from_number(next.to_number()));
        come.next().into_iter().flatten().for_each(|key| write(&table, key, b"comes meanwhile"));
    }
    assert_eq!(come.len(), 0, "all came in time");
    seen.sort();
    let mut expected = stay.to_vec();
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn the_sweep_visits_what_is_due() {
    let folder = Folder::new();
    let table = folder.open();
    let key = |number: u64| format!("user{number}").into_bytes();
    (0..1000).for_each(|number| write_due(&table, &key(number), b"value", 10_000 + number, false));
    write_due(&table, b"forever", b"value", u64::MAX, false);
    let sweep = |now: u64| {
        let mut visited = Vec::new();
        let (mut cursor, mut pages) = (Some(Cursor::default()), 0);
        while let Some(from) = cursor {
            cursor = table.sweep(from, now, 50, |key, _| visited.push(key.to_vec())).expect("not damaged");
            pages += 1;
        }
        visited.sort();
        (visited, pages)
    };
    let expected = |range: std::ops::RangeInclusive<u64>| {
        let mut keys: Vec<_> = range.map(key).collect();
        keys.sort();
        keys
    };
    assert_eq!(sweep(9_999), (vec![], 1));
    assert_eq!(sweep(10_000).0, expected(0..=0));
    assert_eq!(sweep(10_099).0, expected(0..=99), "left as they are, they are due again");
    write_due(&table, &key(5), b"refreshed", 20_000, false);
    remove(&table, &key(6));
    let mut left = expected(0..=99);
    left.retain(|left| *left != key(5) && *left != key(6));
    assert_eq!(sweep(10_099).0, left);
    let (all, pages) = sweep(30_000);
    assert_eq!((all.len(), pages > 15), (999, true));
    assert_eq!(sweep(u64::MAX).0.len(), 999, "never is never");
    // What the visitor removes is gone, and then there is nothing to look at.
    let removed = table.sweep(Cursor::default(), 30_000, usize::MAX, |key, _| remove(&table, key));
    assert_eq!((removed, table.len(), sweep(30_000)), (Ok(None), 1, (vec![], 1)));
    check(&table);
}

#[test]
fn only_a_file_that_can_be_trusted_is_taken() {
    type Harm = fn(&Folder);
    fn set(folder: &Folder, at: usize, value: u64) {
        let file = fs::File::options().write(true).open(folder.path()).expect("there");
        std::os::unix::fs::FileExt::write_all_at(&file, &value.to_le_bytes(), at as u64 * 8).expect("writable");
    }
    fn shorten(folder: &Folder, octets: u64) {
        let file = fs::File::options().write(true).open(folder.path()).expect("there");
        file.set_len(octets).expect("writable");
    }
    fn copy(folder: &Folder) {
        let copy = folder.path().with_extension("copy");
        fs::copy(folder.path(), &copy).expect("readable");
        fs::rename(copy, folder.path()).expect("writable");
    }
    let cases: [(&str, Harm, Option<Unusable>); 9] = [
        ("as it was left", |_| {}, None),
        ("removed", |folder| fs::remove_file(folder.path()).expect("there"), Some(Unusable::Missing)),
        ("empty", |folder| shorten(folder, 0), Some(Unusable::Damaged)),
        ("cut", |folder| shorten(folder, 97 * 4096), Some(Unusable::Damaged)),
        ("something else", |folder| set(folder, file::MAGIC, 7), Some(Unusable::Damaged)),
        ("an older version", |folder| set(folder, file::VERSION, 0), Some(Unusable::OtherVersion)),
        ("another boot", |folder| set(folder, file::BOOT, 7), Some(Unusable::UncleanBoot)),
        ("a copy", copy, Some(Unusable::Copied)),
        (
            "closed clean, copied, another boot",
            |folder| {
                folder.open().mark_clean().expect("the disk takes it");
                set(folder, file::BOOT, 7);
                copy(folder);
            },
            None,
        ),
    ];
    for (name, harm, expected) in cases {
        let folder = Folder::new();
        let table = folder.open();
        write(&table, KEY, b"value");
        table.restored();
        drop(table);
        harm(&folder);
        let boot = Boot::current().expect("there is /proc");
        let (table, unusable) = SharedTable::open_or_create(&folder.path(), boot).expect("there is room");
        assert_eq!(unusable, expected, "{name}");
        assert_eq!(read(&table, KEY).is_some(), expected.is_none(), "{name}");
        assert_eq!(table.awaits_restore(), expected.is_some(), "{name}");
        assert_eq!(table.space.header()[file::CLEAN].load(Relaxed), 0, "{name}: in use again");
        check(&table);
        let member = SharedTable::open(&folder.path(), boot).expect("readable").expect("in use");
        assert_eq!(read(&member, KEY), read(&table, KEY), "{name}");
    }
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let folder = Folder::new();
    write(&folder.open(), KEY, b"value");
    let file = fs::File::options().write(true).open(folder.path()).expect("there");
    let newer = super::super::layout::VERSION + 1;
    std::os::unix::fs::FileExt::write_all_at(&file, &newer.to_le_bytes(), file::VERSION as u64 * 8).expect("writable");
    let before = fs::read(folder.path()).expect("readable");
    let error = SharedTable::open_or_create(&folder.path(), Boot::current().expect("/proc")).expect_err("refused");
    assert_eq!(error.to_string(), "written by a newer dialplane; install that one, or remove the file");
    assert!(fs::read(folder.path()).expect("readable") == before);
}

#[test]
fn without_room_nothing_breaks() {
    let large = |octet: u8| vec![octet; 60_000];
    let folder = Folder::new();
    let table = folder.open();
    let keys = keys_of_one_shard(&table, 2000);
    // The range of addresses is what runs out here; the disk is tried in tests/, where the limit can be set.
    table.space.header()[file::RESERVED].store(LEAST_RANGE / 8, Relaxed);
    let limited = folder.open();
    let mut stored = Vec::new();
    let refused = keys.iter().find_map(|key| {
        let octets = large(1);
        let written = limited.update(key, &mut |_, next| {
            next.extend_from_slice(&octets);
            Change::Write { due: u64::MAX, urgent: true }
        });
        written.inspect(|_| stored.push(key)).err()
    });
    assert_eq!(refused, Some(StoreError::Full));
    assert!(stored.len() > 700, "{}", stored.len());
    for key in &stored {
        assert_eq!(read(&limited, key), Some(large(1)));
    }
    // What is there can be removed, and what was removed makes room.
    remove(&limited, stored[1]);
    remove(&limited, stored[2]);
    write(&limited, stored[0], &large(2));
    write(&limited, &keys[stored.len()], &large(3));
    check(&limited);
}
