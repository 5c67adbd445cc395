//! The table against a `BTreeMap`: any sequence of operations, by any of two processes, gives what the map gives.

use crate::layout::SHARDS;
use crate::shard::Shard;
use crate::testing::{Folder, check, read, remove, value, write_due};
use crate::{Changes, Cursor, SharedTable};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Write {
        key: u8,
        length: usize,
        due: u64,
        urgent: bool,
    },
    Remove {
        key: u8,
    },
    Restore {
        key: u8,
        length: usize,
    },
    Replace {
        key: u8,
        length: usize,
    },
    Forget {
        key: u8,
    },
    /// Tells the database all changes of a kind.
    Mirror {
        urgent: bool,
    },
    /// Removes what is due.
    Sweep {
        now: u64,
    },
    /// Brings all shards in order, as after a death.
    Settle,
    Clear,
    Reopen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    value: Vec<u8>,
    due: u64,
}

/// What the table should hold, and what the database should know.
#[derive(Default)]
struct Model {
    records: BTreeMap<u8, Record>,
    /// Whether the last change was urgent.
    changed: BTreeMap<u8, bool>,
    database: BTreeMap<u8, Vec<u8>>,
}

fn key(number: u8) -> Vec<u8> {
    format!("user{number}@example.net").into_bytes()
}

fn number(key: &[u8]) -> u8 {
    let digits = key[4..].split(|octet| *octet == b'@').next().expect("split gives one part");
    std::str::from_utf8(digits).expect("as written").parse().expect("as written")
}

impl Model {
    fn run(&mut self, table: &SharedTable, seed: u64, step: &Step) {
        match *step {
            Step::Write { key: number, length, due, urgent } => {
                let value = value(seed, length);
                write_due(table, &key(number), &value, due, urgent);
                let was_urgent = self.changed.get(&number).is_some_and(|urgent| *urgent);
                self.changed.insert(number, urgent || was_urgent);
                self.records.insert(number, Record { value, due });
            }
            Step::Remove { key: number } => {
                remove(table, &key(number));
                if self.records.remove(&number).is_some() {
                    self.changed.insert(number, true);
                }
            }
            Step::Restore { key: number, length } => {
                let value = value(seed, length);
                let is_free = !self.records.contains_key(&number) && !self.changed.contains_key(&number);
                assert_eq!(table.restore(&key(number), &value, 50), Ok(is_free));
                if is_free {
                    self.database.insert(number, value.clone());
                    self.records.insert(number, Record { value, due: 50 });
                }
            }
            Step::Replace { key: number, length } => {
                let value = value(seed, length);
                table.replace(&key(number), &value, 60).expect("there is room");
                self.changed.remove(&number);
                self.database.insert(number, value.clone());
                self.records.insert(number, Record { value, due: 60 });
            }
            Step::Forget { key: number } => {
                let was_there = self.records.remove(&number).is_some();
                assert_eq!(table.forget(&key(number)), Ok(was_there));
                self.changed.remove(&number);
                self.database.remove(&number);
            }
            Step::Mirror { urgent } => self.mirror(table, urgent),
            Step::Sweep { now } => self.sweep(table, now),
            Step::Settle => {
                for shard in 0..SHARDS {
                    let shard = Shard::new(&table.space, shard).lock().expect("nobody holds it");
                    shard.settle().expect("not damaged");
                }
            }
            Step::Clear => {
                table.clear().expect("nobody holds a lock");
                *self = Self::default();
            }
            Step::Reopen => {}
        }
    }

    fn mirror(&mut self, table: &SharedTable, urgent: bool) {
        let kind = if urgent { Changes::Urgent } else { Changes::All };
        let mut told = BTreeMap::new();
        let visit = |key: &[u8], value: Option<&[u8]>| {
            assert!(told.insert(number(key), value.map(<[u8]>::to_vec)).is_none(), "told twice");
        };
        let batch = table.changes(kind, Cursor::default(), usize::MAX, visit).expect("not damaged");
        table.acknowledge(&batch).expect("nobody holds a lock");
        let wanted = self.changed.iter().filter(|(_, is_urgent)| **is_urgent || !urgent);
        let expected: BTreeMap<_, _> =
            wanted.map(|(key, _)| (*key, self.records.get(key).map(|record| record.value.clone()))).collect();
        assert_eq!(told, expected);
        self.changed.retain(|_, is_urgent| !*is_urgent && urgent);
        for (key, value) in told {
            match value {
                Some(value) => self.database.insert(key, value),
                None => self.database.remove(&key),
            };
        }
    }

    fn sweep(&mut self, table: &SharedTable, now: u64) {
        let mut visited = Vec::new();
        let swept = table.sweep(Cursor::default(), now, usize::MAX, |key, _| {
            visited.push(number(key));
            remove(table, key);
        });
        assert_eq!(swept, Ok(None));
        visited.sort_unstable();
        let due = self.records.iter().filter(|(_, record)| record.due <= now).map(|(key, _)| *key);
        let due: Vec<u8> = due.collect();
        assert_eq!(visited, due);
        for key in due {
            self.records.remove(&key);
            self.changed.insert(key, true);
        }
    }

    fn compare(&self, table: &SharedTable) {
        for number in 0..=u8::MAX {
            let expected = self.records.get(&number).map(|record| record.value.clone());
            assert_eq!(read(table, &key(number)), expected, "{number}");
        }
        let mut all = BTreeMap::new();
        let visit = |key: &[u8], value: &[u8]| {
            assert!(all.insert(number(key), value.to_vec()).is_none(), "visited twice");
        };
        assert_eq!(table.iterate(Cursor::default(), usize::MAX, visit), Ok(None));
        let expected: BTreeMap<_, _> = self.records.iter().map(|(key, record)| (*key, record.value.clone())).collect();
        assert_eq!(all, expected);
        let urgent = self.changed.values().filter(|urgent| **urgent).count() as u64;
        let backlog = table.backlog();
        assert_eq!((backlog.urgent, backlog.lazy), (urgent, self.changed.len() as u64 - urgent));
        assert_eq!(table.len(), self.records.len() as u64);
        if self.changed.is_empty() {
            assert_eq!(self.database, expected, "the database has all of it");
        }
        check(table);
    }
}

fn step() -> impl Strategy<Value = Step> {
    let length = || prop_oneof![8 => 0..600_usize, 1 => 600..5000_usize];
    let due = prop_oneof![3 => 0..100_u64, 1 => Just(u64::MAX)];
    prop_oneof![
        20 => (any::<u8>(), length(), due, any::<bool>())
            .prop_map(|(key, length, due, urgent)| Step::Write { key, length, due, urgent }),
        8 => any::<u8>().prop_map(|key| Step::Remove { key }),
        2 => (any::<u8>(), length()).prop_map(|(key, length)| Step::Restore { key, length }),
        2 => (any::<u8>(), length()).prop_map(|(key, length)| Step::Replace { key, length }),
        1 => any::<u8>().prop_map(|key| Step::Forget { key }),
        2 => any::<bool>().prop_map(|urgent| Step::Mirror { urgent }),
        1 => (0..100_u64).prop_map(|now| Step::Sweep { now }),
        1 => Just(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_a_map(steps in proptest::collection::vec(step(), 1..400), clear in any::<bool>()) {
        let folder = Folder::new();
        let mut tables = [folder.open(), folder.open()];
        tables[0].set_mirrored(true);
        let mut model = Model::default();
        for (seed, step) in steps.iter().enumerate() {
            let table = &mut tables[seed % 2];
            if matches!(step, Step::Reopen) {
                *table = folder.open();
            }
            model.run(table, seed as u64, step);
        }
        model.compare(&tables[0]);
        if clear {
            model.run(&tables[1], 0, &Step::Clear);
            model.compare(&tables[0]);
        }
    }
}
