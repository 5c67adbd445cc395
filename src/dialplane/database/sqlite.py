"""The database of record in SQLite: write-ahead log, one transaction for each batch, on the disk before it is told.

Times are Julian days, as Kamailio's ``db_sqlite`` writes and reads them; for people there is the view
``location_readable``.

``location.id`` is a hash, and BIGINT, not INTEGER, so that SQLite does not sort the rows by it: they lie in the order
in which they first came, and what registered in one minute and so is refreshed in one minute shares its pages. Sorted
by the hash, each row of a batch was a page of its own to be written: 25 µs in place of 9.

Not by :mod:`sqlite3`: the mirror's rows go from the store into the file without becoming Python objects, and one
process must not open one file with two copies of SQLite (see :class:`dialplane_native.server.Connection`). Each method
is one function run in a thread, so that whoever stops waiting for it leaves no transaction half done.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dialplane.database.base import Database, DatabaseError
from dialplane.database.rows import (
    LOCATION_COLUMNS,
    OWN_IDS,
    SUBSCRIBER_COLUMNS,
    TABLE_VERSIONS,
    TIME_COLUMNS,
    Subscriber,
)
from dialplane_native.server import Connection
from dialplane_native.server import DatabaseError as SqliteError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dialplane.control.store import MirroredStore
    from dialplane_native.records import Account, Binding, IdRange

T = TypeVar("T")

CHECKPOINT = 8000
"""Pages in the log before they are moved into the file. A registration writes the same few pages again and again, so a
longer log is less to write in all; 8,000 pages are 64 MB."""
BUSY_TIMEOUT = 5.0

_SCHEMA = files(__package__).joinpath("sqlite.sql").read_text()
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
        self._connection: Connection | None = None

    async def open(self) -> None:
        try:
            self._connection = await self._in_thread(lambda: _open(self._path))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.to_thread(connection.close)

    async def write_changes(self, store: MirroredStore, *, urgent: bool, limit: int) -> tuple[int, bool]:
        connection = self._opened()
        rows, records = await self._in_thread(lambda: store.write_changes(connection, urgent, limit))
        return rows, records > 0

    async def write_bindings(self, gone: Sequence[IdRange], rows: Sequence[Binding]) -> None:
        await self._transaction(lambda inside: write_bindings(inside, gone, rows))

    async def bindings(self, after: int, limit: int) -> list[Binding]:
        return cast("list[Binding]", await self._all(_BINDINGS, (after, limit)))

    async def foreign_bindings(self, limit: int) -> list[Binding]:
        return cast("list[Binding]", await self._all(_FOREIGN, (limit,)))

    async def insert_foreign_bindings(self, rows: Sequence[Binding]) -> None:
        def insert(inside: Connection) -> None:
            last = inside.query(_LAST_FOREIGN)[0][0]
            inside.write(_WRITE_BINDING, [(last + n, *row[1:]) for n, row in enumerate(rows, 1)])

        await self._transaction(insert)

    async def delete_bindings(self, ids: Sequence[int]) -> None:
        sql = "DELETE FROM location WHERE id = ?"
        await self._transaction(lambda inside: inside.write(sql, [(number,) for number in ids]))

    async def subscribers(self, after: Account | None, limit: int) -> list[Subscriber]:
        username, domain = after or ("", "")
        return [_subscriber(row) for row in await self._all(_SUBSCRIBERS, (domain, username, limit))]

    async def subscriber(self, account: Account) -> Subscriber | None:
        rows = await self._all(_ONE_SUBSCRIBER, account)
        return _subscriber(rows[0]) if rows else None

    async def put_subscribers(self, rows: Sequence[Subscriber], *, replace: bool) -> int:
        sql = _ADD_SUBSCRIBER + (_REPLACE if replace else "NOTHING")
        return await self._transaction(lambda inside: inside.write(sql, [row.row for row in rows]))

    async def remove_subscriber(self, account: Account) -> bool:
        sql = "DELETE FROM subscriber WHERE username = ? AND domain = ?"
        return await self._transaction(lambda inside: inside.write(sql, [account])) > 0

    async def last_change(self) -> int:
        return int((await self._all("SELECT COALESCE(MAX(serial), 0) FROM dialplane_change", ()))[0][0])

    async def changes(self, after: int, limit: int) -> list[tuple[int, Account, Subscriber | None]]:
        return [
            (serial, (username, domain), _subscriber(row) if row[0] is not None else None)
            for serial, username, domain, *row in await self._all(_CHANGES, (after, limit))
        ]

    async def forget_changes(self, until: int) -> None:
        sql = "DELETE FROM dialplane_change WHERE serial <= ?"
        await self._transaction(lambda inside: inside.write(sql, [(until,)]))

    async def _transaction(self, work: Callable[[Connection], T]) -> T:
        connection = self._opened()
        return await self._in_thread(lambda: transact(connection, work))

    async def _all(self, sql: str, values: Sequence[int | str]) -> list[tuple[Any, ...]]:
        connection = self._opened()
        return await self._in_thread(lambda: connection.query(sql, values))

    def _opened(self) -> Connection:
        if self._connection is None:
            raise DatabaseError(f"database {self.name}: not open")
        return self._connection

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise DatabaseError(f"database {self.name}: {error.strerror}") from error
        except (SqliteError, ValueError) as error:
            raise DatabaseError(f"database {self.name}: {error}") from error


def transact(connection: Connection, work: Callable[[Connection], T]) -> T:
    """Does ``work`` in a transaction of its own, whole or not at all."""
    connection.script("BEGIN IMMEDIATE")
    try:
        done = work(connection)
        connection.script("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.script("ROLLBACK")
        raise
    return done


def write_bindings(inside: Connection, gone: Sequence[IdRange], rows: Sequence[Binding]) -> None:
    """Deletes the ids in ``gone``, then writes ``rows`` over what has their ids."""
    inside.write("DELETE FROM location WHERE id BETWEEN ? AND ?", gone)
    inside.write(_WRITE_BINDING, rows)


def _open(path: Path) -> Connection:
    # Digests are in it: never readable to others, not even before its tables are there.
    if not path.exists():
        path.touch(0o600)
    connection = Connection(str(path), BUSY_TIMEOUT)
    try:
        # What is acknowledged to the store has to survive a power cut: one fsync for each batch.
        connection.script("PRAGMA synchronous = FULL")
        connection.script(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
        transact(connection, _complete)
    except BaseException:
        connection.close()
        raise
    return connection


def _complete(inside: Connection) -> None:
    inside.script(_SCHEMA)
    for table, columns in _ADDED_COLUMNS.items():
        present = {row[1] for row in inside.query(f"PRAGMA table_info({table})")}
        for column, kind in columns.items():
            if column not in present:
                inside.script(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    inside.script(_READABLE)
    inside.write(
        "INSERT INTO version (table_name, table_version) VALUES (?, ?) ON CONFLICT DO NOTHING", TABLE_VERSIONS.items()
    )


def _subscriber(row: Sequence[object]) -> Subscriber:
    return Subscriber(**{name: str(value or "") for name, value in zip(SUBSCRIBER_COLUMNS, row, strict=True)})
