"""The database of record, the same tests for SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from dialplane.database import Database, DatabaseError, Subscriber, database
from dialplane.database.rows import (
    DOMAIN,
    EXPIRES,
    IDS_PER_ACCOUNT,
    LOCATION_COLUMNS,
    MODIFIED,
    OWN_IDS,
    SUBSCRIBER_COLUMNS,
    USERNAME,
)
from dialplane_native.records import Binding
from dialplane_native.server import Connection

pytestmark = pytest.mark.asyncio
NOW = 1_790_000_000


def row(account: int, place: int = 0, **changes: Any) -> Binding:
    """A binding of one of our accounts."""
    values = {
        "id": OWN_IDS + account * IDS_PER_ACCOUNT + place,
        "ruid": f"dp-{account}-{place}",
        "username": f"user{account}",
        "domain": "example.com",
        "contact": f"sip:user{account}@192.0.2.{place}:5060",
        "params": None,
        "received": None,
        "path": None,
        "expires": NOW + account,
        "q": -1.0,
        "callid": "call",
        "cseq": 1,
        "last_modified": NOW,
        "user_agent": "test",
        "socket": "udp:192.0.2.1:5060",
        "instance": None,
        "reg_id": 0,
    }
    assert tuple(values) == LOCATION_COLUMNS
    return tuple((values | changes).values())  # type: ignore[return-value]


async def execute(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Runs a statement as any other SQL client would."""
    if url.startswith("sqlite:"):
        # The one copy of SQLite that a process may use for a file.
        connection = Connection(url.removeprefix("sqlite:"), 5)
        try:
            return connection.query(sql)
        finally:
            connection.close()
    client = await asyncpg.connect(url)
    try:
        return [tuple(record) for record in await client.fetch(sql)]
    finally:
        await client.close()


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path / 'dialplane.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"d{uuid.uuid4().hex}"
    await execute(server, f"CREATE DATABASE {name}")
    yield server.rpartition("/")[0] + "/" + name
    await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture
async def db(url: str) -> AsyncIterator[Database]:
    async with database(url) as opened:
        yield opened


async def test_the_named_columns_are_where_they_are_said_to_be() -> None:
    assert LOCATION_COLUMNS[USERNAME] == "username"
    assert LOCATION_COLUMNS[DOMAIN] == "domain"
    assert LOCATION_COLUMNS[EXPIRES] == "expires"
    assert LOCATION_COLUMNS[MODIFIED] == "last_modified"
    assert Subscriber.__struct_fields__ == SUBSCRIBER_COLUMNS


async def test_opening_twice_changes_nothing(url: str) -> None:
    for _ in range(2):
        async with database(url) as opened:
            await opened.write_bindings([], [row(1)])
            assert await opened.bindings(0, 10) == [row(1)]


async def test_two_may_open_it_at_once(url: str) -> None:
    async def once() -> None:
        async with database(url) as opened:
            await opened.last_change()

    await asyncio.gather(*(once() for _ in range(4)))


async def test_bindings_come_back_as_they_were_written(db: Database) -> None:
    full = row(
        7,
        1,
        params=';+sip.instance="<urn:uuid:1>";reg-id=1',
        received="sip:198.51.100.1:4000",
        path="<sip:edge.example.com;lr>",
        q=0.7 if "sqlite" in type(db).__name__.lower() else 0.5,
        instance="<urn:uuid:1>",
        reg_id=1,
    )
    await db.write_bindings([], [row(9), full, row(7)])
    assert await db.bindings(0, 10) == [row(7), full, row(9)]
    assert await db.bindings(row(7)[0], 1) == [full]


async def test_writing_again_replaces_and_what_is_gone_is_deleted(db: Database) -> None:
    await db.write_bindings([], [row(1, 0), row(1, 1), row(1, 2), row(2, 0)])
    first = row(1)[0]
    kept = row(1, 0, ruid="dp-1-2", contact="sip:moved@192.0.2.9", cseq=5)
    await db.write_bindings([(first + 1, first + 255)], [kept])
    assert await db.bindings(0, 10) == [kept, row(2)]
    await db.write_bindings([(first, first + 255)], [])
    assert await db.bindings(0, 10) == [row(2)]


async def test_a_batch_is_written_whole_or_not_at_all(db: Database) -> None:
    await db.write_bindings([], [row(1)])
    first = row(1)[0]
    broken = row(2, cseq=object())
    with pytest.raises(DatabaseError):
        await db.write_bindings([(first, first + 255)], [row(3), broken])
    assert await db.bindings(0, 10) == [row(1)]


async def test_times_are_those_that_any_client_reads(db: Database, url: str) -> None:
    now = int(time.time())
    await db.write_bindings([], [row(1, expires=now)])
    if url.startswith("sqlite:"):
        for column, table in (("expires", "location"), ("expires_utc", "location_readable")):
            assert await execute(url, f"SELECT strftime('%s', {column}) FROM {table}") == [(str(now),)]
    else:
        read = (await execute(url, "SELECT expires FROM location"))[0][0]
        assert read.timestamp() == now


async def test_rows_of_others_are_told_apart(db: Database) -> None:
    await db.write_bindings([], [row(1)])
    await db.insert_foreign_bindings([row(3, id=0), row(2, id=0)])
    await db.insert_foreign_bindings([row(2, 1, id=0)])
    foreign = await db.foreign_bindings(10)
    assert [r[1:] for r in foreign] == [row(2)[1:], row(2, 1)[1:], row(3)[1:]]
    assert await db.bindings(0, 10) == [row(1)]
    await db.delete_bindings([r[0] for r in foreign])
    assert await db.foreign_bindings(10) == []
    assert await db.bindings(0, 10) == [row(1)]


def user(name: str, **changes: str) -> Subscriber:
    return Subscriber(username=name, domain="example.com", **changes)


async def test_subscribers(db: Database) -> None:
    assert await db.put_subscribers([user("bob", ha1="b"), user("alice", ha1="a")], replace=False) == 2
    assert await db.put_subscribers([user("alice", ha1="x"), user("carol", ha1="c")], replace=False) == 1
    assert await db.subscriber(("alice", "example.com")) == user("alice", ha1="a")
    assert await db.put_subscribers([user("alice", ha1="x")], replace=True) == 1
    assert await db.subscriber(("alice", "example.com")) == user("alice", ha1="x")
    assert await db.subscriber(("alice", "example.org")) is None
    assert [row.username for row in await db.subscribers(None, 2)] == ["alice", "bob"]
    assert [row.username for row in await db.subscribers(("bob", "example.com"), 2)] == ["carol"]
    assert await db.remove_subscriber(("bob", "example.com")) is True
    assert await db.remove_subscriber(("bob", "example.com")) is False


async def test_whoever_changes_a_subscriber_is_noticed(db: Database, url: str) -> None:
    await execute(url, "INSERT INTO subscriber (username, domain, ha1) VALUES ('a', 'd', '1'), ('b', 'd', '2')")
    mark = await db.last_change()
    await execute(url, "UPDATE subscriber SET ha1 = '3' WHERE username = 'a'")
    await execute(url, "DELETE FROM subscriber WHERE username = 'b'")
    await execute(url, "INSERT INTO subscriber (username, domain, password) VALUES ('c', 'd', 'secret')")
    changes = await db.changes(mark, 10)
    assert [(account, row and (row.ha1, row.password)) for _, account, row in changes] == [
        (("a", "d"), ("3", "")),
        (("b", "d"), None),
        (("c", "d"), ("", "secret")),
    ]
    serials = [serial for serial, _, _ in changes]
    assert serials == sorted(serials)
    assert serials[-1] == await db.last_change()


async def test_a_renamed_subscriber_is_two_changes(db: Database, url: str) -> None:
    await db.put_subscribers([user("old", ha1="1")], replace=False)
    mark = await db.last_change()
    await execute(url, "UPDATE subscriber SET username = 'new'")
    assert [(account[0], row is not None) for _, account, row in await db.changes(mark, 10)] == [
        ("old", False),
        ("new", True),
    ]


async def test_changes_are_forgotten(db: Database) -> None:
    await db.put_subscribers([user("a"), user("b"), user("c")], replace=False)
    first = (await db.changes(0, 1))[0][0]
    await db.forget_changes(first)
    assert [account[0] for _, account, _ in await db.changes(0, 10)] == ["b", "c"]


async def test_the_tables_of_kamailio_are_taken_as_they_are(url: str) -> None:
    kind = "sqlite" if url.startswith("sqlite:") else "postgres"
    for statement in (Path(__file__).parent / f"kamailio-{kind}.sql").read_text().split(";\n"):
        if statement.strip():
            await execute(url, statement)
    async with database(url) as db:
        assert [r[1:5] for r in await db.foreign_bindings(10)] == [
            ("uloc-1", "alice", "example.com", "sip:alice@192.0.2.1:5060")
        ]
        assert (await db.subscriber(("alice", "example.com"))) == Subscriber(
            username="alice",
            domain="example.com",
            ha1="e6c80ce2dd3a9ae1e0e1a6ae6e5b3f3b",
            ha1b="a4a3f4a8b4a7e5f1b9c3d2e1f0a9b8c7",
        )
        # ruid is unique there, and a binding that moves up brings its own along.
        await db.write_bindings([], [row(1, 0), row(1, 1)])
        first = row(1)[0]
        await db.write_bindings([(first + 1, first + 255)], [row(1, 0, ruid="dp-1-1")])
        assert await db.bindings(0, 10) == [row(1, 0, ruid="dp-1-1")]
    assert await execute(url, "SELECT table_version FROM version WHERE table_name = 'location'") == [(9,)]


async def test_sqlite_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"database .*none/x\.db: No such file or directory"):
        async with database(f"sqlite:{tmp_path / 'none' / 'x.db'}"):
            pass


async def test_sqlite_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database, but long enough to be looked at by anyone who reads it" * 20)
    with pytest.raises(DatabaseError, match="file is not a database"):
        async with database(f"sqlite:{tmp_path / 'x.db'}"):
            pass


async def test_a_new_sqlite_file_is_for_its_owner_only(tmp_path: Path) -> None:
    async with database(f"sqlite:{tmp_path / 'x.db'}"):
        assert (tmp_path / "x.db").stat().st_mode & 0o777 == 0o600


async def test_postgresql_that_is_not_there() -> None:
    with pytest.raises(DatabaseError, match=r"database 127\.0\.0\.1:1/x: .*[Cc]onnect") as raised:
        async with database("postgresql://user:secret@127.0.0.1:1/x"):
            pass
    assert "secret" not in str(raised.value)


async def test_what_is_not_open_says_so(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"not (open|connected)"):
        await database(url).last_change()
