"""Subscribers and bindings from the files that people have."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from pathlib import Path

import pytest

from dialplane.database.rows import EXPIRES, LOCATION_COLUMNS
from dialplane.errors import DataError, MissingFileError
from dialplane.imports import records
from dialplane.imports.record import Record, binding, subscriber

HA1 = "0123456789abcdef0123456789abcdef"
DATA = Path(__file__).parent / "data"
MYSQL = (DATA / "mysql.sql").read_text()
PG_DUMP = (DATA / "postgresql.sql").read_text()
SQLITE_DUMP = (DATA / "sqlite.sql").read_text()

CSV = """username;domain;password
alice;Example.COM;secret
bob@example.org;;"se;cret"
"""


def rows(folder: Path, name: str, text: str | bytes) -> list[Record]:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(records(file))


def named(found: list[Record], table: str) -> list[dict[str, str | None]]:
    return [record.values for record in found if record.table == table]


def test_a_dump_of_mysql(tmp_path: Path) -> None:
    found = rows(tmp_path, "x.sql", MYSQL)
    assert [(row["username"], row["password"], row["ha1"]) for row in named(found, "subscriber")] == [
        ("alice", "", HA1),
        ("o'brien", "a\\b;('x')", ""),
        ("bob", None, HA1),
    ]
    assert named(found, "location")[0]["instance"] == "<urn:uuid:1>"


def test_a_dump_of_postgresql(tmp_path: Path) -> None:
    found = named(rows(tmp_path, "x.sql", PG_DUMP), "subscriber")
    assert [(row["username"], row["password"], row["ha1"]) for row in found] == [
        ("alice", "", HA1),
        ("o'brien", "a\\b\tc", None),
    ]


def test_a_dump_of_sqlite(tmp_path: Path) -> None:
    found = rows(tmp_path, "x.sql", SQLITE_DUMP)
    assert [(row["username"], row["password"]) for row in named(found, "subscriber")] == [
        ("alice", ""),
        ("o'brien", "back\\"),
    ]
    assert named(found, "location")[0]["expires"] == "2462649.5"


def test_a_dump_with_the_line_of_each_row(tmp_path: Path) -> None:
    assert [record.place.rpartition(":")[2] for record in rows(tmp_path, "x.sql", SQLITE_DUMP)] == ["12", "13", "14"]


def test_a_database_of_kamailio(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "kamailio.db") as connection:
        connection.executescript(SQLITE_DUMP.partition("INSERT INTO location")[0] + "COMMIT;")
    connection.close()
    found = list(records(tmp_path / "kamailio.db"))
    assert [row["username"] for row in named(found, "subscriber")] == ["alice", "o'brien"]
    assert [(record.done, record.total) for record in found] == [(1, 2), (2, 2)]


def test_a_csv_file(tmp_path: Path) -> None:
    found = rows(tmp_path, "x.csv", "\ufeff" + CSV)
    made = [subscriber(record, domain=None, realm=None) for record in found]
    assert [made[0].account, made[1].account] == [("alice", "example.com"), ("bob", "example.org")]
    assert made[0].ha1 == hashlib.md5(b"alice:example.com:secret").hexdigest()
    assert made[1].ha1 == hashlib.md5(b"bob:example.org:se;cret").hexdigest()
    assert made[1].ha1_sha256 == hashlib.sha256(b"bob:example.org:se;cret").hexdigest()
    assert made[0].ha1b == hashlib.md5(b"alice@example.com:example.com:secret").hexdigest()
    assert all(row.password == "" for row in made)


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    for name, text in (("x.sql", MYSQL), ("y.sql", PG_DUMP), ("z.csv", CSV)):
        found = rows(tmp_path, name, text)
        assert [record.done for record in found] == sorted(record.done for record in found)
        assert 0 < found[0].done <= found[-1].done <= found[-1].total


def record(**values: str | None) -> Record:
    return Record("subscriber", values, "x:1", 1, 1)


def test_a_digest_of_the_file_counts_more_than_the_password() -> None:
    made = subscriber(record(username="a", domain="d", password="p", ha1=HA1.upper()), domain=None, realm=None)
    assert made.ha1 == HA1
    assert made.ha1_sha256 == hashlib.sha256(b"a:d:p").hexdigest()


def test_domain_and_realm_may_be_given() -> None:
    made = subscriber(record(username="a", password="p"), domain="d", realm="r")
    assert made.domain == "d"
    assert made.ha1 == hashlib.md5(b"a:r:p").hexdigest()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"username": "", "domain": "d", "ha1": HA1}, "a row without user name"),
        ({"username": "a", "ha1": HA1}, "a row without domain"),
        ({"username": "a", "domain": "d"}, "a row with neither password nor digest"),
        ({"username": "a", "domain": "d", "ha1": "xyz"}, "ha1 is not a digest of 32 hexadecimal digits"),
        ({"username": "a", "domain": "d", "ha1_sha256": HA1}, "ha1_sha256 is not a digest of 64 hexadecimal digits"),
    ],
)
def test_a_row_that_is_no_subscriber(values: dict[str, str], problem: str) -> None:
    with pytest.raises(DataError, match=f"x:1: {problem}"):
        subscriber(record(**values), domain=None, realm=None)


def test_a_binding(tmp_path: Path) -> None:
    (found,) = [r for r in rows(tmp_path, "x.sql", MYSQL) if r.table == "location"]
    made = dict(zip(LOCATION_COLUMNS, binding(found, domain=None), strict=True))
    assert made["contact"] == "sip:alice@192.0.2.1:5060"
    assert made["params"] == ';+sip.instance="<urn:uuid:1>";reg-id=1'
    assert made["expires"] == time.mktime((2030, 5, 28, 21, 32, 15, 0, 0, -1))
    assert made["q"] == -1.0


def test_times_of_sqlite_are_julian_days(tmp_path: Path) -> None:
    (found,) = [r for r in rows(tmp_path, "x.sql", SQLITE_DUMP) if r.table == "location"]
    assert binding(found, domain=None)[EXPIRES] == round((2462649.5 - 2440587.5) * 86400)


def test_a_binding_for_ever_lasts_long() -> None:
    row = Record("location", {"username": "a", "domain": "d", "contact": "sip:a@d", "expires": "0"}, "x:1", 1, 1)
    assert binding(row, domain=None)[EXPIRES] > time.time() + 86400 * 365


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"username": "a", "domain": "d"}, "a binding without user name, domain or contact"),
        ({"username": "a", "domain": "d", "contact": "sip:a", "expires": "soon"}, '"soon" is not a time'),
    ],
)
def test_a_row_that_is_no_binding(values: dict[str, str | None], problem: str) -> None:
    with pytest.raises(DataError, match=f"x:1: {problem}"):
        binding(Record("location", values, "x:1", 1, 1), domain=None)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("x.txt", b"hello\n", "neither a SQLite database nor an SQL dump nor a CSV file"),
        ("x.sql", b"CREATE TABLE x (a int);\n", "holds no rows of subscriber or location"),
        ("x.sql", b"INSERT INTO subscriber (username, ha1) VALUES ('a');\n", "x.sql:1: 1 values for 2 columns"),
        ("x.sql", b"\nINSERT INTO subscriber (username) VALUES (%);\n", "x.sql:2: a value that cannot be read"),
        ("x.csv", b"username,domain\na\n", "x.csv:2: 1 values where the first line names 2 columns"),
        ("x.csv", b"username,domain\n\xff,b\n", "x.csv: 'utf-8' codec can't decode"),
        ("x.db", b"SQLite format 3\0" + bytes(100), "x.db: "),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, name: str, text: bytes, problem: str) -> None:
    with pytest.raises(DataError) as raised:
        rows(tmp_path, name, text)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_without_the_tables(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()
    with pytest.raises(DataError, match="has no table subscriber and no table location"):
        list(records(tmp_path / "x.db"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="No such file"):
        records(tmp_path / "none.sql")
