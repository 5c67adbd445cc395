"""The database of record in PostgreSQL. Same tables and columns; times are local time, as Kamailio's are."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import asyncpg

from dialplane.database.base import Database, DatabaseError
from dialplane.database.rows import (
    EXPIRES,
    IDS_PER_ACCOUNT,
    LOCATION_COLUMNS,
    MODIFIED,
    OWN_IDS,
    SUBSCRIBER_COLUMNS,
    TABLE_VERSIONS,
    TIME_COLUMNS,
    Subscriber,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from dialplane_native.records import Account, Binding, IdRange

CONNECT_TIMEOUT = 5.0
STATEMENT_TIMEOUT = 60.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS version (
    id SERIAL PRIMARY KEY NOT NULL,
    table_name VARCHAR(32) NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_table_name_idx UNIQUE (table_name)
);
CREATE TABLE IF NOT EXISTS subscriber (
    id SERIAL PRIMARY KEY NOT NULL,
    username VARCHAR(64) DEFAULT '' NOT NULL,
    domain VARCHAR(64) DEFAULT '' NOT NULL,
    password VARCHAR(64) DEFAULT '' NOT NULL,
    ha1 VARCHAR(128) DEFAULT '' NOT NULL,
    ha1b VARCHAR(128) DEFAULT '' NOT NULL,
    CONSTRAINT subscriber_account_idx UNIQUE (username, domain)
);
CREATE TABLE IF NOT EXISTS location (
    id BIGSERIAL PRIMARY KEY NOT NULL,
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
    serial BIGSERIAL PRIMARY KEY NOT NULL,
    username VARCHAR(64) NOT NULL,
    domain VARCHAR(64) NOT NULL
);
ALTER TABLE location ADD COLUMN IF NOT EXISTS params VARCHAR(512) DEFAULT NULL;
ALTER TABLE subscriber ADD COLUMN IF NOT EXISTS ha1_sha256 VARCHAR(128) DEFAULT '' NOT NULL;
ALTER TABLE subscriber ADD COLUMN IF NOT EXISTS ha1_sha512_256 VARCHAR(128) DEFAULT '' NOT NULL;
CREATE OR REPLACE FUNCTION dialplane_note_change() RETURNS trigger AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO dialplane_change (username, domain) VALUES (OLD.username, OLD.domain);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND (NEW.username, NEW.domain) <> (OLD.username, OLD.domain)) THEN
        INSERT INTO dialplane_change (username, domain) VALUES (NEW.username, NEW.domain);
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER dialplane_subscriber AFTER INSERT OR UPDATE OR DELETE ON subscriber
    FOR EACH ROW EXECUTE FUNCTION dialplane_note_change();
"""
# Kamailio makes a SERIAL of 32 bits; our numbers are hashes of 63.
_ID_TYPE = """
SELECT data_type FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = 'location' AND column_name = 'id'
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('dialplane'))"

_COLUMNS = ", ".join(LOCATION_COLUMNS)
_VALUES = ", ".join(f"${n}" for n in range(1, len(LOCATION_COLUMNS) + 1))
_WRITE_BINDING = f"INSERT INTO location ({_COLUMNS}) VALUES ({_VALUES}) ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in LOCATION_COLUMNS[1:]
)
_DELETE_RANGES = (
    "DELETE FROM location USING unnest($1::bigint[], $2::bigint[]) AS r (l, h) WHERE id BETWEEN r.l AND r.h"
)
_BINDINGS = f"SELECT {_COLUMNS} FROM location WHERE id > $1 AND id >= {OWN_IDS} ORDER BY id LIMIT $2"
_FOREIGN = f"SELECT {_COLUMNS} FROM location WHERE id < {OWN_IDS} ORDER BY username, domain, id LIMIT $1"
_LAST_FOREIGN = f"SELECT COALESCE(MAX(id), 0) FROM location WHERE id < {OWN_IDS}"

_SUBSCRIBER = ", ".join(SUBSCRIBER_COLUMNS)
_SUBSCRIBERS = (
    f"SELECT {_SUBSCRIBER} FROM subscriber WHERE (domain, username) > ($1, $2) ORDER BY domain, username LIMIT $3"
)
_ONE_SUBSCRIBER = f"SELECT {_SUBSCRIBER} FROM subscriber WHERE username = $1 AND domain = $2"
_ADD_SUBSCRIBERS = (
    f"INSERT INTO subscriber ({_SUBSCRIBER}) SELECT * FROM unnest("
    + ", ".join(f"${n}::varchar[]" for n in range(1, len(SUBSCRIBER_COLUMNS) + 1))
    + ") ON CONFLICT (username, domain) DO "
)
_REPLACE = "UPDATE SET " + ", ".join(f"{column} = excluded.{column}" for column in SUBSCRIBER_COLUMNS[2:])
_CHANGES = (
    f"SELECT c.serial, c.username, c.domain, {', '.join('s.' + column for column in SUBSCRIBER_COLUMNS)}"
    " FROM dialplane_change c LEFT JOIN subscriber s ON s.username = c.username AND s.domain = c.domain"
    " WHERE c.serial > $1 ORDER BY c.serial LIMIT $2"
)


class PostgresqlDatabase(Database):
    """A PostgreSQL database that exists; the tables in it are made when they are missing."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def open(self) -> None:
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await connection.close(timeout=CONNECT_TIMEOUT)

    async def write_bindings(self, gone: Sequence[IdRange], rows: Sequence[Binding]) -> None:
        async with self._transaction() as inside:
            # From the first id of the address-of-record: a table made by Kamailio wants each ruid once, and a binding
            # that moves up would meet its own old row.
            first = [low & -IDS_PER_ACCOUNT for low, _ in gone]
            await inside.execute(_DELETE_RANGES, first, [high for _, high in gone])
            await inside.executemany(_WRITE_BINDING, [_with_dates(row) for row in sorted(rows)])

    async def bindings(self, after: int, limit: int) -> list[Binding]:
        return [_without_dates(row) for row in await self._all(_BINDINGS, after, limit)]

    async def foreign_bindings(self, limit: int) -> list[Binding]:
        return [_without_dates(row) for row in await self._all(_FOREIGN, limit)]

    async def insert_foreign_bindings(self, rows: Sequence[Binding]) -> None:
        async with self._transaction() as inside:
            last = await inside.fetchval(_LAST_FOREIGN)
            numbered = [_with_dates(cast("Binding", (last + n, *row[1:]))) for n, row in enumerate(rows, 1)]
            await inside.executemany(_WRITE_BINDING, numbered)

    async def delete_bindings(self, ids: Sequence[int]) -> None:
        async with self._transaction() as inside:
            await inside.execute("DELETE FROM location WHERE id = ANY($1::bigint[])", list(ids))

    async def subscribers(self, after: Account | None, limit: int) -> list[Subscriber]:
        username, domain = after or ("", "")
        return [_subscriber(row) for row in await self._all(_SUBSCRIBERS, domain, username, limit)]

    async def subscriber(self, account: Account) -> Subscriber | None:
        rows = await self._all(_ONE_SUBSCRIBER, *account)
        return _subscriber(rows[0]) if rows else None

    async def put_subscribers(self, rows: Sequence[Subscriber], *, replace: bool) -> int:
        if not rows:
            return 0
        sql = _ADD_SUBSCRIBERS + (_REPLACE if replace else "NOTHING")
        # One statement may not touch a row twice: what would be left if they came one by one.
        distinct: dict[Account, Subscriber] = {}
        for row in rows:
            if replace or row.account not in distinct:
                distinct[row.account] = row
        async with self._transaction() as inside:
            status = await inside.execute(sql, *map(list, zip(*(row.row for row in distinct.values()), strict=True)))
            return _affected(status)

    async def remove_subscriber(self, account: Account) -> bool:
        async with self._transaction() as inside:
            status = await inside.execute("DELETE FROM subscriber WHERE username = $1 AND domain = $2", *account)
            return _affected(status) > 0

    async def last_change(self) -> int:
        return int((await self._all("SELECT COALESCE(MAX(serial), 0) FROM dialplane_change"))[0][0])

    async def changes(self, after: int, limit: int) -> list[tuple[int, Account, Subscriber | None]]:
        return [
            (serial, (username, domain), _subscriber(row) if row[0] is not None else None)
            for serial, username, domain, *row in await self._all(_CHANGES, after, limit)
        ]

    async def forget_changes(self, until: int) -> None:
        async with self._transaction() as inside:
            await inside.execute("DELETE FROM dialplane_change WHERE serial <= $1", until)

    async def _open(self) -> None:
        with self._errors():
            self._connection = await asyncpg.connect(
                self._url, timeout=CONNECT_TIMEOUT, command_timeout=STATEMENT_TIMEOUT
            )
            async with self._transaction() as inside:
                # Two servers that start together must not both make the tables.
                await inside.execute(_LOCK)
                await inside.execute("SET LOCAL client_min_messages = warning")
                await inside.execute(_SCHEMA)
                if await inside.fetchval(_ID_TYPE) != "bigint":
                    await inside.execute("ALTER TABLE location ALTER COLUMN id TYPE BIGINT")
                await inside.executemany(
                    "INSERT INTO version (table_name, table_version) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                    list(TABLE_VERSIONS.items()),
                )

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        with self._errors():
            connection = self._opened()
            async with connection.transaction():
                yield connection

    async def _all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._errors():
            return [tuple(row) for row in await self._opened().fetch(sql, *values)]

    def _opened(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            raise DatabaseError(f"database {self.name}: not connected")
        return self._connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, OSError) and error.errno:
                # asyncpg's words are "Connect call failed"; the system's are why.
                reason = os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
            raise DatabaseError(f"database {self.name}: {reason.splitlines()[0]}") from error


def _with_dates(row: Binding) -> tuple[Any, ...]:
    values: list[Any] = list(row)
    for index in (EXPIRES, MODIFIED):
        values[index] = datetime.fromtimestamp(values[index])  # noqa: DTZ006 - the column has no zone: local time
    return tuple(values)


def _without_dates(row: Sequence[Any]) -> Binding:
    return cast(
        "Binding",
        tuple(
            round(value.timestamp()) if name in TIME_COLUMNS else value
            for name, value in zip(LOCATION_COLUMNS, row, strict=True)
        ),
    )


def _subscriber(row: Sequence[object]) -> Subscriber:
    return Subscriber(**{name: str(value or "") for name, value in zip(SUBSCRIBER_COLUMNS, row, strict=True)})


def _affected(status: str) -> int:
    """Rows of a command tag such as ``INSERT 0 7``."""
    return int(status.rpartition(" ")[2])
