//! From a store to a SQLite file and what another client reads there. Real files, several connections.

use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport};
use dialplane_core::registrar::record::{self, Binding};
use dialplane_core::registrar::row::{from_record, record_id};
use dialplane_core::store::{Change, Store as _, StoreError, Table as _};
use dialplane_database::{Connection, Error, Value, Written};
use dialplane_store::{Changes, Cursor, Role, SharedStore};
use std::time::Duration;

/// As the server makes a new file: without the column that it adds to tables of Kamailio's.
const SCHEMA: &str = concat!(
    include_str!("../../../src/dialplane/database/sqlite.sql"),
    "ALTER TABLE location ADD COLUMN params VARCHAR(512) DEFAULT NULL;"
);
const START: u64 = 1_800_000_000;
const ALICE: &[u8] = b"alice@example.com";
const BOB: &[u8] = b"bob@example.com";

struct World {
    store: SharedStore,
    database: Connection,
    turn: Cursor,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = SharedStore::open(&folder.path().join("store"), Role::Supervisor).expect("opened");
        store.bindings().set_mirrored(true);
        let mut database = connect(&folder, 5_000);
        database.run_script(SCHEMA).expect("made");
        Self { store, database, turn: Cursor::default(), folder }
    }

    fn register(&self, aor: &[u8], bindings: &[Binding<'_>], urgent: bool) {
        let written = self.store.bindings().update(aor, &mut |_, next| {
            record::begin(next);
            bindings.iter().for_each(|binding| binding.write(next).expect("it fits"));
            Change::Write { due: u64::MAX, urgent }
        });
        written.expect("there is room");
    }

    fn write(&mut self, kind: Changes) -> Result<Written, Error> {
        self.database.write_changes(self.store.bindings(), kind, &mut self.turn, 1000, &sockets())
    }

    fn backlog(&self) -> (u64, u64) {
        let backlog = self.store.bindings().backlog();
        (backlog.urgent, backlog.lazy)
    }

    /// As another client sees it.
    fn select(&self, sql: &str) -> Vec<Vec<Value>> {
        connect(&self.folder, 0).execute(sql, vec![Vec::new()]).expect("read").rows
    }

    /// Ids behind the first of the account, and contacts.
    fn contacts(&self, aor: &[u8]) -> Vec<(i64, String)> {
        let first = record_id(aor);
        let sql = format!(
            "SELECT id - {first}, contact FROM location WHERE id BETWEEN {first} AND {first} + 255 ORDER BY id"
        );
        let rows = self.select(&sql).into_iter().filter_map(|row| match &row[..] {
            [Value::Integer(place), Value::Text(contact)] => Some((*place, contact.clone())),
            _ => None,
        });
        rows.collect()
    }
}

fn connect(folder: &tempfile::TempDir, patience: u64) -> Connection {
    Connection::open(&folder.path().join("x.db"), Duration::from_millis(patience)).expect("opened")
}

fn sockets() -> Vec<String> {
    vec!["udp:192.0.2.10:5060".to_owned()]
}

fn binding(contact: &str) -> Binding<'_> {
    Binding {
        contact: contact.as_bytes(),
        params: b"",
        q: None,
        expires: START + 3600,
        registered: START,
        modified: START,
        call_id: b"1@10.0.0.5",
        cseq: 1,
        path: b"",
        received: None,
        user_agent: b"Phone/1",
    }
}

fn places<const N: usize>(contacts: [&str; N]) -> Vec<(i64, String)> {
    (0..).zip(contacts.map(str::to_owned)).collect()
}

fn wrote(rows: usize, records: usize) -> Written {
    Written { rows, records }
}

#[test]
fn every_column_is_where_it_belongs() {
    let mut world = World::new();
    let full = Binding {
        params: b";+sip.instance=\"<urn:uuid:1>\";reg-id=7;audio",
        q: dialplane_syntax::header::QValue::from_thousandths(250),
        path: b"<sip:p1.example.com;lr>",
        received: Some(Path {
            transport: Transport::Tcp,
            listener: ListenerId(0),
            connection: ConnectionId(0),
            peer: "198.51.100.7:1024".parse().expect("an address"),
        }),
        ..binding("sip:a1")
    };
    world.register(ALICE, &[full, Binding { user_agent: b"caf\xe9", ..binding("sip:a2") }], true);
    assert_eq!(world.write(Changes::Urgent).expect("written"), wrote(2, 1));
    let columns = "id, ruid, username, domain, contact, params, received, path, \
        CAST(ROUND((julianday(expires) - 2440587.5) * 86400) AS INTEGER), q, callid, cseq, \
        CAST(ROUND((julianday(last_modified) - 2440587.5) * 86400) AS INTEGER), user_agent, socket, instance, reg_id";
    let found = world.select(&format!("SELECT {columns} FROM location ORDER BY id"));
    let mut octets = Vec::new();
    assert!(world.store.bindings().read(ALICE, &mut octets).expect("read"));
    let sockets = sockets();
    let expected = from_record(ALICE, &octets, &sockets).expect("good").map(|row| {
        let text = |text: &str| Value::Text(text.to_owned());
        let optional = |value: Option<&str>| value.map_or(Value::Null, text);
        vec![
            Value::Integer(row.id),
            text(&row.ruid),
            text(&row.username),
            text(&row.domain),
            text(&row.contact),
            optional(row.params.as_deref()),
            optional(row.received.as_deref()),
            optional(row.path.as_deref()),
            Value::Integer(row.expires as i64),
            Value::Real(row.q),
            text(&row.callid),
            Value::Integer(row.cseq.into()),
            Value::Integer(row.last_modified as i64),
            text(&row.user_agent),
            optional(row.socket.as_deref()),
            optional(row.instance.as_deref()),
            Value::Integer(row.reg_id.into()),
        ]
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(found[0][6], Value::Text("sip:198.51.100.7:1024;transport=tcp".into()));
    assert_eq!(found[1][13], Value::Text("caf\u{fffd}".into()));
}

#[test]
fn bindings_come_are_refreshed_move_up_and_go() {
    let mut world = World::new();
    assert_eq!(world.write(Changes::All).expect("nothing"), wrote(0, 0));
    world.register(ALICE, &["sip:a1", "sip:a2", "sip:a3"].map(binding), true);
    world.register(BOB, &[binding("sip:b1")], true);
    assert_eq!(world.write(Changes::Urgent).expect("written"), wrote(4, 2));
    assert_eq!(world.contacts(ALICE), places(["sip:a1", "sip:a2", "sip:a3"]));
    assert_eq!(world.contacts(BOB), places(["sip:b1"]));

    world.register(BOB, &[Binding { cseq: 2, ..binding("sip:b1") }], false);
    assert_eq!(world.write(Changes::Urgent).expect("nothing"), wrote(0, 0));
    assert_eq!(world.backlog(), (0, 1));
    assert_eq!(world.write(Changes::All).expect("written"), wrote(1, 1));
    assert_eq!(world.select("SELECT cseq FROM location WHERE contact = 'sip:b1'"), [[Value::Integer(2)]]);

    world.register(ALICE, &["sip:a2", "sip:a3"].map(binding), true);
    assert_eq!(world.write(Changes::All).expect("written"), wrote(2, 1));
    assert_eq!(world.contacts(ALICE), places(["sip:a2", "sip:a3"]));
    world.store.bindings().update(ALICE, &mut |_, _| Change::Remove).expect("removed");
    assert_eq!(world.write(Changes::All).expect("written"), wrote(0, 1));
    assert_eq!(world.contacts(ALICE), []);
    assert_eq!(world.contacts(BOB), places(["sip:b1"]));
    assert_eq!(world.backlog(), (0, 0));
}

#[test]
fn a_refresh_changes_its_columns_and_brings_back_a_row_that_somebody_deleted() {
    let mut world = World::new();
    let first = Binding { user_agent: b"Phone/1", ..binding("sip:alice@192.0.2.1") };
    world.register(ALICE, &[first], true);
    assert_eq!(world.write(Changes::All).expect("written"), wrote(1, 1));
    let renewed = Binding { expires: START + 7200, modified: START + 60, cseq: 9, call_id: b"other", ..first };
    let columns = "SELECT contact, user_agent, callid, cseq, CAST(ROUND((expires - 2440587.5) * 86400) AS INTEGER), \
        CAST(ROUND((last_modified - 2440587.5) * 86400) AS INTEGER) FROM location";
    let expected = vec![vec![
        Value::Text("sip:alice@192.0.2.1".to_owned()),
        Value::Text("Phone/1".to_owned()),
        Value::Text("other".to_owned()),
        Value::Integer(9),
        Value::Integer(START as i64 + 7200),
        Value::Integer(START as i64 + 60),
    ]];
    for delete in [false, true] {
        if delete {
            connect(&world.folder, 0).run_script("DELETE FROM location").expect("deleted");
        }
        world.register(ALICE, &[renewed], false);
        assert_eq!(world.write(Changes::All).expect("written"), wrote(1, 1));
        assert_eq!(world.select(columns), expected);
    }
}

/// Gone and here again before the mirror looked: the rows of before are not new.
#[test]
fn who_registers_anew_leaves_no_row_behind() {
    let mut world = World::new();
    world.register(ALICE, &["sip:a1", "sip:a2"].map(binding), true);
    world.write(Changes::All).expect("written");
    world.store.bindings().update(ALICE, &mut |_, _| Change::Remove).expect("removed");
    world.register(ALICE, &[Binding { registered: START + 9, modified: START + 9, ..binding("sip:a3") }], true);
    assert_eq!(world.write(Changes::All).expect("written"), wrote(1, 1));
    assert_eq!(world.contacts(ALICE), places(["sip:a3"]));
}

#[test]
fn rows_lie_in_the_order_in_which_they_were_registered() {
    let mut world = World::new();
    for number in 0..100 {
        let registered = START + (number * 37) % 100;
        let late = Binding { registered, modified: registered, cseq: registered as u32, ..binding("sip:u") };
        world.register(format!("u{number}@example.com").as_bytes(), &[late], true);
    }
    assert_eq!(world.write(Changes::All).expect("written"), wrote(100, 100));
    let found = world.select("SELECT cseq FROM location ORDER BY rowid");
    assert_eq!(found, (0..100).map(|number| vec![Value::Integer((START + number) as i64)]).collect::<Vec<_>>());
}

#[test]
fn refreshes_are_written_when_nothing_is_urgent() {
    let mut world = World::new();
    world.register(ALICE, &["sip:a1", "sip:a2"].map(binding), true);
    world.register(BOB, &[binding("sip:b1")], true);
    world.write(Changes::All).expect("written");
    let refreshed = |contact| Binding { cseq: 2, ..binding(contact) };
    world.register(ALICE, &["sip:a1", "sip:a2"].map(refreshed), false);
    world.register(BOB, &[binding("sip:b2")], true);
    let refreshed = "SELECT contact FROM location WHERE cseq = 2 ORDER BY contact";
    assert_eq!(world.write(Changes::All).expect("written"), wrote(1, 1));
    assert_eq!((world.contacts(BOB), world.select(refreshed)), (places(["sip:b2"]), Vec::new()));
    assert_eq!(world.write(Changes::Lazy).expect("written"), wrote(2, 1));
    assert_eq!(world.select(refreshed), ["sip:a1", "sip:a2"].map(|contact| [Value::Text(contact.into())]));
    assert_eq!(world.backlog(), (0, 0));
}

#[test]
fn a_new_file_has_large_pages() {
    let world = World::new();
    let header = std::fs::read(world.folder.path().join("x.db")).expect("read");
    assert_eq!(header[16..18], 8192_u16.to_be_bytes());
}

#[test]
fn a_table_in_which_ruid_is_unique() {
    let mut world = World::new();
    world.database.run_script("CREATE UNIQUE INDEX kamailio ON location (ruid)").expect("made");
    world.register(ALICE, &["sip:a1", "sip:a2"].map(binding), true);
    world.write(Changes::All).expect("written");
    world.register(ALICE, &[binding("sip:a2")], true);
    world.write(Changes::All).expect("written");
    assert_eq!(world.contacts(ALICE), places(["sip:a2"]));
}

#[test]
fn batches_end_when_all_is_written() {
    let mut world = World::new();
    for number in 0..3000 {
        world.register(format!("u{number}@example.com").as_bytes(), &[binding("sip:u")], number % 2 == 0);
    }
    assert_eq!(
        std::iter::from_fn(
            || Some(world.write(Changes::Urgent)).filter(|done| !matches!(done, Ok(done) if done.records == 0))
        )
        .map(|done| done.expect("written").rows)
        .sum::<usize>(),
        1500
    );
    let mut rows = 0;
    while let written @ 1.. = world.write(Changes::All).expect("written").rows {
        rows += written;
    }
    assert_eq!((rows, world.backlog()), (1500, (0, 0)));
    assert_eq!(
        world.select("SELECT COUNT(*), COUNT(DISTINCT id) FROM location"),
        [[Value::Integer(3000), Value::Integer(3000)]]
    );
}

/// What a process that is killed between the two leaves behind: written, and not acknowledged.
#[test]
fn what_was_not_acknowledged_is_written_again() {
    let mut world = World::new();
    world.register(ALICE, &["sip:a1", "sip:a2"].map(binding), true);
    let World { store, database, turn, .. } = &mut world;
    let mut failed = None;
    // Whoever changes the record holds the lock that the acknowledgement needs.
    let kept = store.bindings().update(ALICE, &mut |_, _| {
        failed = Some(database.write_changes(store.bindings(), Changes::All, turn, 1000, &[]));
        Change::Keep
    });
    assert_eq!(kept, Ok(Change::Keep));
    assert!(matches!(failed, Some(Err(Error::Store(StoreError::Busy)))), "{failed:?}");
    let before = world.select("SELECT * FROM location ORDER BY id");
    assert_eq!((before.len(), world.backlog()), (2, (1, 0)));
    assert_eq!(world.write(Changes::All).expect("written"), wrote(2, 1));
    assert_eq!(world.select("SELECT * FROM location ORDER BY id"), before);
    assert_eq!(world.backlog(), (0, 0));
}

#[test]
fn a_file_that_is_locked() {
    let mut world = World::new();
    world.register(ALICE, &[binding("sip:a1")], true);
    let mut other = connect(&world.folder, 0);
    other.run_script("BEGIN IMMEDIATE").expect("begun");
    world.database = connect(&world.folder, 1);
    let error = world.write(Changes::All).expect_err("locked");
    assert_eq!(error.to_string(), "database is locked");
    assert_eq!(world.backlog(), (1, 0));
    assert!(!world.database.is_in_transaction());
    other.run_script("COMMIT").expect("ended");
    assert_eq!(world.write(Changes::All).expect("written"), wrote(1, 1));
}

#[test]
fn a_disk_that_is_full() {
    let mut world = World::new();
    world.register(BOB, &[binding("sip:b1")], true);
    world.write(Changes::All).expect("written");
    for number in 0..1000 {
        world.register(format!("u{number}@example.com").as_bytes(), &[binding("sip:u")], true);
    }
    world.database.run_script("PRAGMA max_page_count = 10").expect("set");
    let error = world.write(Changes::All).expect_err("full");
    assert_eq!(error.to_string(), "database or disk is full");
    assert!(!world.database.is_in_transaction());
    assert_eq!(world.backlog(), (1000, 0));
    assert_eq!(world.select("SELECT COUNT(*) FROM location"), [[Value::Integer(1)]], "whole or not at all");
    world.database.run_script("PRAGMA max_page_count = 100000").expect("set");
    assert_eq!(world.write(Changes::All).expect("written"), wrote(1000, 1000));
}

#[test]
fn a_record_that_cannot_be_read_has_no_rows() {
    let mut world = World::new();
    world.register(ALICE, &[binding("sip:a1")], true);
    world.write(Changes::All).expect("written");
    let written = world.store.bindings().update(ALICE, &mut |_, next| {
        next.extend_from_slice(b"\xffnonsense");
        Change::Write { due: u64::MAX, urgent: true }
    });
    written.expect("there is room");
    assert_eq!(world.write(Changes::All).expect("written"), wrote(0, 1));
    assert_eq!((world.contacts(ALICE), world.backlog()), (Vec::new(), (0, 0)));
}

#[test]
fn plain_statements() {
    let mut world = World::new();
    let database = &mut world.database;
    database
        .run_script("CREATE TABLE t (a, b); CREATE TRIGGER more AFTER INSERT ON t BEGIN UPDATE t SET b = 1; END")
        .expect("made");
    let rows = [Value::Null, Value::Integer(-1), Value::Real(0.5), Value::Text("é".into()), Value::Blob(vec![0, 255])];
    let rows: Vec<Vec<Value>> = rows.into_iter().map(|value| vec![value]).collect();
    assert_eq!(database.execute("INSERT INTO t (a) VALUES (?)", rows.clone()).expect("done").changes, 5);
    let found = database.execute("SELECT a FROM t ORDER BY rowid", vec![Vec::new()]).expect("done");
    assert_eq!((found.rows, found.changes), (rows, 0));
    let odd = database.execute("SELECT CAST(x'41ff' AS TEXT)", vec![Vec::new()]).expect("done").rows;
    assert_eq!(odd, [[Value::Text("A\u{fffd}".into())]]);
    for (sql, values, words) in [
        ("SELEKT 1", vec![], "near \"SELEKT\": syntax error"),
        ("SELECT ?", vec![], "Wrong number of parameters passed to query. Got 0, needed 1"),
    ] {
        let error = database.execute(sql, vec![values]).expect_err("wrong").to_string();
        assert!(error.starts_with(words), "{error}");
    }
}
