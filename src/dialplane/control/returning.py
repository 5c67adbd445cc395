"""From ``location`` back to the shared store: after a power cut, and what others wrote (Kamailio, ``users import``)."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, cast

import structlog

from dialplane.database.rows import DOMAIN, EXPIRES, IDS_PER_ACCOUNT, USERNAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dialplane.control.status import MirrorStatus
    from dialplane.control.store import MirroredStore
    from dialplane.database import Database
    from dialplane_native.records import Binding

PAGE = 5000

_log = structlog.get_logger()


class Returning:
    """Takes bindings back into the store. ``grace`` seconds are added: the database may trail by so much."""

    def __init__(
        self,
        store: MirroredStore,
        database: Database,
        status: MirrorStatus,
        *,
        grace: float,
        record_id: Callable[[str, str], int],
    ) -> None:
        self._store = store
        self._database = database
        self._status = status
        self._grace = round(grace)
        self._record_id = record_id

    async def start(self) -> None:
        """Fills the store after it had to be given up; fills the database when it is a new one."""
        if self._store.discarded:
            await self._restore()
            self._store.restored()
        elif not await self._database.bindings(0, 1):
            await self._write_all()
        await self.poll()

    async def poll(self) -> None:
        """Takes in rows that others wrote, and makes them ours."""
        while rows := await self._database.foreign_bindings(PAGE):
            if len(rows) == PAGE and len({_account(row) for row in rows}) > 1:
                rows = _without_last_account(rows)
            await self._adopt(rows)

    async def _restore(self) -> None:
        after, count = 0, 0
        while rows := await self._database.bindings(after, PAGE):
            # The bindings of one address-of-record have neighbouring numbers, and come in one call.
            if len(rows) == PAGE and rows[0][0] // IDS_PER_ACCOUNT != rows[-1][0] // IDS_PER_ACCOUNT:
                last = rows[-1][0] // IDS_PER_ACCOUNT
                rows = [row for row in rows if row[0] // IDS_PER_ACCOUNT != last]
            after = rows[-1][0]
            count += self._store.restore(self._alive(rows))
        self._status.restored += count
        if count:
            _log.warning("bindings restored from the database: the machine went down without a clean stop", count=count)

    async def _write_all(self) -> None:
        """Every binding of the store into a database that has none: a new one, or one that was off until now."""
        cursor = None
        while True:
            cursor, rows = self._store.bindings(cursor, PAGE)
            if rows:
                await self._database.write_bindings([], rows)
                self._status.rows_written += len(rows)
            if cursor is None:
                return

    async def _adopt(self, rows: Sequence[Binding]) -> None:
        own: list[Binding] = []
        for (username, domain), group in itertools.groupby(rows, key=_account):
            alive = self._alive(list(group))
            if alive and not self._store.lookup(username, domain):
                first = self._record_id(username, domain)
                own += [(first + place, *row[1:]) for place, row in enumerate(alive[:IDS_PER_ACCOUNT])]
        # The order matters when we die in between: what is still foreign is taken in again.
        if own:
            await self._database.write_bindings([], own)
            self._status.restored += self._store.restore(own)
        await self._database.delete_bindings([row[0] for row in rows])

    def _alive(self, rows: Sequence[Binding]) -> list[Binding]:
        """Rows that have not ended, their end put off by the grace."""
        now = time.time()
        return [
            cast("Binding", (*row[:EXPIRES], row[EXPIRES] + self._grace, *row[EXPIRES + 1 :]))
            for row in rows
            if row[EXPIRES] + self._grace > now
        ]


def _account(row: Binding) -> tuple[str, str]:
    return row[USERNAME], row[DOMAIN]


def _without_last_account(rows: list[Binding]) -> list[Binding]:
    """The rows without those of the last address-of-record, of which more may follow."""
    last = _account(rows[-1])
    return [row for row in rows if _account(row) != last]
