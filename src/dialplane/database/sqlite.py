"""The database of record in SQLite: write-ahead log, one transaction for each batch, on the disk before it is told.

Times are Julian days, as Kamailio's ``db_sqlite`` writes and reads them; for people there is the view
``location_readable``.

``location.id`` is a hash, and BIGINT, not INTEGER, so that SQLite does not sort the rows by it: they lie in the order
in which they first came, and what registered in one minute and so is refreshed in one minute shares its pages. Sorted
by the hash, each row of a batch was a page of its own to be written: 25 µs in place of 9.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import aiosqlite

from dialplane.database.base import Database, DatabaseError
from dialplane.database.rows import (
    LOCATION_COLUMNS,
    OWN_IDS,
    SUBSCRIBER_COLUMNS,
    TABLE_VERSIONS,
    TIME_COLUMNS,
    Subscriber,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from dialplane_native.records import Account, Binding, IdRange

CHECKPOINT = 8000
"""Pages in the log before they are moved into the file. A registration writes the same few pages again and again, so a
longer log is less to write in all; 8,000 pages are 32 MB."""
BUSY_TIMEOUT = 5.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS version (
    id INTEGER PRIMARY KEY NOT NULL,
    table_name VARCHAR(32) NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_table_name_idx UNIQUE (table_name)
);
CREATE TABLE IF NOT EXISTS subscriber (
    id INTEGER PRIMARY KEY NOT NULL,
    username VARCHAR(64) DEFAULT '' NOT NULL,
    domain VARCHAR(64) DEFAULT '' NOT NULL,
    password VARCHAR(64) DEFAULT '' NOT NULL,
    ha1 VARCHAR(128) DEFAULT '' NOT NULL,
    ha1b VARCHAR(128) DEFAULT '' NOT NULL,
    CONSTRAINT subscriber_account_idx UNIQUE (username, domain)
);
CREATE TABLE IF NOT EXISTS location (
    id BIGINT PRIMARY KEY NOT NULL,
    ruid VARCHAR(64) DEFAULT '' NOT NULL,
    username VARCHAR(64) DEFAULT '' NOT NULL,
    domain VARCHAR(64) DEFAULT NULL,
    contact VARCHAR(512) DEFAULT '' NOT NULL,
    received VARCHAR(128) DEFAULT NULL,
    path VARCHAR(512) DEFAULT NULL,
    expires TIMESTAMP WITHOUT TIME ZONE DEFAULT '2030-05-28 21:32:15' NOT NULL,
    q REAL DEFAULT 1.0 NOT NULL,
    callid VARCHAR(255) DEFAULT 'Default-Call-ID' NOT NULL,
    cseq INTEGER DEFAULT 1 NOT NULL,
    last_modified TIMESTAMP WITHOUT TIME ZONE DEFAULT '2000-01-01 00:00:01' NOT NULL,
    flags INTEGER DEFAULT 0 NOT NULL,
    cflags INTEGER DEFAULT 0 NOT NULL,
    user_agent VARCHAR(255) DEFAULT '' NOT NULL,
    socket VARCHAR(64) DEFAULT NULL,
    methods INTEGER DEFAULT NULL,
    instance VARCHAR(255) DEFAULT NULL,
    reg_id INTEGER DEFAULT 0 NOT NULL,
    server_id INTEGER DEFAULT 0 NOT NULL,
    connection_id INTEGER DEFAULT 0 NOT NULL,
    keepalive INTEGER DEFAULT 0 NOT NULL,
    partition INTEGER DEFAULT 0 NOT NULL
);
CREATE TABLE IF NOT EXISTS dialplane_change (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    username VARCHAR(64) NOT NULL,
    domain VARCHAR(64) NOT NULL
);
CREATE TRIGGER IF NOT EXISTS dialplane_subscriber_insert AFTER INSERT ON subscriber BEGIN
    INSERT INTO dialplane_change (username, domain) VALUES (NEW.username, NEW.domain);
END;
CREATE TRIGGER IF NOT EXISTS dialplane_subscriber_update AFTER UPDATE ON subscriber BEGIN
    INSERT INTO dialplane_change (username, domain) VALUES (OLD.username, OLD.domain);
    INSERT INTO dialplane_change (username, domain)
        SELECT NEW.username, NEW.domain WHERE (NEW.username, NEW.domain) <> (OLD.username, OLD.domain);
END;
CREATE TRIGGER IF NOT EXISTS dialplane_subscriber_delete AFTER DELETE ON subscriber BEGIN
    INSERT INTO dialplane_change (username, domain) VALUES (OLD.username, OLD.domain);
END;
"""
_ADDED_COLUMNS = {
    "location": {"params": "VARCHAR(512) DEFAULT NULL"},
    "subscriber": {
        "ha1_sha256": "VARCHAR(128) DEFAULT '' NOT NULL",
        "ha1_sha512_256": "VARCHAR(128) DEFAULT '' NOT NULL",
    },
}
_READABLE = """
CREATE VIEW IF NOT EXISTS location_readable AS
    SELECT username || '@' || domain AS aor, contact, datetime(expires) AS expires_utc,
        datetime(last_modified) AS last_modified_utc, q, received, path, user_agent, callid, cseq, params
    FROM location
"""

_TO_JULIAN = "? / 86400.0 + 2440587.5"
_FROM_JULIAN = "CAST(ROUND((julianday({0}) - 2440587.5) * 86400) AS INTEGER)"
_COLUMNS = ", ".join(LOCATION_COLUMNS)
_VALUES = ", ".join(_TO_JULIAN if column in TIME_COLUMNS else "?" for column in LOCATION_COLUMNS)
_SELECTED = ", ".join(_FROM_JULIAN.format(column) if column in TIME_COLUMNS else column for column in LOCATION_COLUMNS)
_SET = ", ".join(f"{column} = excluded.{column}" for column in LOCATION_COLUMNS[1:])
_WRITE_BINDING = f"INSERT INTO location ({_COLUMNS}) VALUES ({_VALUES}) ON CONFLICT (id) DO UPDATE SET {_SET}"
_BINDINGS = f"SELECT {_SELECTED} FROM location WHERE id > ? AND id >= {OWN_IDS} ORDER BY id LIMIT ?"
_FOREIGN = f"SELECT {_SELECTED} FROM location WHERE id < {OWN_IDS} ORDER BY username, domain, id LIMIT ?"
_LAST_FOREIGN = f"SELECT COALESCE(MAX(id), 0) FROM location WHERE id < {OWN_IDS}"

_SUBSCRIBER = ", ".join(SUBSCRIBER_COLUMNS)
_SUBSCRIBERS = (
    f"SELECT {_SUBSCRIBER} FROM subscriber WHERE (domain, username) > (?, ?) ORDER BY domain, username LIMIT ?"
)
_ONE_SUBSCRIBER = f"SELECT {_SUBSCRIBER} FROM subscriber WHERE username = ? AND domain = ?"
_ADD_SUBSCRIBER = (
    f"INSERT INTO subscriber ({_SUBSCRIBER}) VALUES ({', '.join('?' * len(SUBSCRIBER_COLUMNS))})"
    " ON CONFLICT (username, domain) DO "
)
_REPLACE = "UPDATE SET " + ", ".join(f"{column} = excluded.{column}" for column in SUBSCRIBER_COLUMNS[2:])
_CHANGES = (
    f"SELECT c.serial, c.username, c.domain, {', '.join('s.' + column for column in SUBSCRIBER_COLUMNS)}"
    " FROM dialplane_change c LEFT JOIN subscriber s ON s.username = c.username AND s.domain = c.domain"
    " WHERE c.serial > ? ORDER BY c.serial LIMIT ?"
)


class SqliteDatabase(Database):
    """A SQLite file. Made when it is missing, as long as its folder is there."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._path = Path(path)
        self._connection: aiosqlite.Connection | None = None

    async def open(self) -> None:
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                await connection.close()

    async def write_bindings(self, gone: Sequence[IdRange], rows: Sequence[Binding]) -> None:
        async with self._transaction() as inside:
            await inside.executemany("DELETE FROM location WHERE id BETWEEN ? AND ?", gone)
            await inside.executemany(_WRITE_BINDING, rows)

    async def bindings(self, after: int, limit: int) -> list[Binding]:
        return cast("list[Binding]", await self._all(_BINDINGS, (after, limit)))

    async def foreign_bindings(self, limit: int) -> list[Binding]:
        return cast("list[Binding]", await self._all(_FOREIGN, (limit,)))

    async def insert_foreign_bindings(self, rows: Sequence[Binding]) -> None:
        async with self._transaction() as inside:
            async with inside.execute(_LAST_FOREIGN) as cursor:
                last = (await cursor.fetchone() or (0,))[0]
            await inside.executemany(_WRITE_BINDING, [(last + n, *row[1:]) for n, row in enumerate(rows, 1)])

    async def delete_bindings(self, ids: Sequence[int]) -> None:
        async with self._transaction() as inside:
            await inside.executemany("DELETE FROM location WHERE id = ?", [(number,) for number in ids])

    async def subscribers(self, after: Account | None, limit: int) -> list[Subscriber]:
        username, domain = after or ("", "")
        return [_subscriber(row) for row in await self._all(_SUBSCRIBERS, (domain, username, limit))]

    async def subscriber(self, account: Account) -> Subscriber | None:
        rows = await self._all(_ONE_SUBSCRIBER, account)
        return _subscriber(rows[0]) if rows else None

    async def put_subscribers(self, rows: Sequence[Subscriber], *, replace: bool) -> int:
        async with self._transaction() as inside:
            before = inside.total_changes
            sql = _ADD_SUBSCRIBER + (_REPLACE if replace else "NOTHING")
            await inside.executemany(sql, [row.row for row in rows])
            # The trigger writes as many rows as the statement.
            return (inside.total_changes - before) // 2

    async def remove_subscriber(self, account: Account) -> bool:
        async with self._transaction() as inside:
            cursor = await inside.execute("DELETE FROM subscriber WHERE username = ? AND domain = ?", account)
            return cursor.rowcount > 0

    async def last_change(self) -> int:
        return int((await self._all("SELECT COALESCE(MAX(serial), 0) FROM dialplane_change", ()))[0][0])

    async def changes(self, after: int, limit: int) -> list[tuple[int, Account, Subscriber | None]]:
        return [
            (serial, (username, domain), _subscriber(row) if row[0] is not None else None)
            for serial, username, domain, *row in await self._all(_CHANGES, (after, limit))
        ]

    async def forget_changes(self, until: int) -> None:
        async with self._transaction() as inside:
            await inside.execute("DELETE FROM dialplane_change WHERE serial <= ?", (until,))

    async def _open(self) -> None:
        with self._errors():
            is_new = not self._path.exists()
            # What cannot be opened is found here: a failed aiosqlite.connect leaves a thread behind that nobody can
            # wait for, and that still wants to speak to the loop.
            sqlite3.connect(self._path).close()
            connection = await aiosqlite.connect(self._path, isolation_level=None, timeout=BUSY_TIMEOUT)
            self._connection = connection
            await connection.execute("PRAGMA journal_mode = WAL")
            # What is acknowledged to the store has to survive a power cut: one fsync for each batch.
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
            await connection.executescript(_SCHEMA)
            async with self._transaction() as inside:
                for table, columns in _ADDED_COLUMNS.items():
                    await _add_columns(inside, table, columns)
                await inside.execute(_READABLE)
                await inside.executemany(
                    "INSERT INTO version (table_name, table_version) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    TABLE_VERSIONS.items(),
                )
            if is_new:
                self._path.chmod(0o600)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        with self._errors():
            connection = self._opened()
            await connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                await connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    await connection.execute("ROLLBACK")
                raise

    async def _all(self, sql: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
        with self._errors():
            return [tuple(row) for row in await self._opened().execute_fetchall(sql, values)]

    def _opened(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise DatabaseError(f"database {self.name}: not open")
        return self._connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise DatabaseError(f"database {self.name}: {error}") from error


async def _add_columns(connection: aiosqlite.Connection, table: str, columns: dict[str, str]) -> None:
    present = {row[1] for row in await connection.execute_fetchall(f"PRAGMA table_info({table})")}
    for column, kind in columns.items():
        if column not in present:
            await connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def _subscriber(row: Sequence[object]) -> Subscriber:
    return Subscriber(**{name: str(value or "") for name, value in zip(SUBSCRIBER_COLUMNS, row, strict=True)})
