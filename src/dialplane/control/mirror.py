"""Keeps the database of record and the shared store alike, without a SIP message ever waiting for it.

Bindings go from the store to the database, write-behind: new, moved and removed ones within ``database.urgent``
seconds, refreshes within ``database.refresh``. The store remembers what is not written yet, so that an outage of the
database costs no memory and loses nothing. Subscribers go the other way: whatever SQL client changes one, the store has
it within two seconds. After a power cut, when the store had to be given up, the bindings come back from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import structlog

from dialplane.control.accounts import Accounts
from dialplane.control.returning import Returning
from dialplane.database import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dialplane.config import Config
    from dialplane.control.status import MirrorStatus
    from dialplane.control.store import MirroredStore
    from dialplane.database import Database

BATCH = 10_000
"""Addresses-of-record in one transaction."""
POLL = 0.5
"""Seconds between two looks for subscribers or bindings that others wrote."""
LONGEST_PAUSE = 30.0
"""Seconds between two attempts to reach the database, at most."""

_log = structlog.get_logger()


class Mirror:
    """Runs until :meth:`stop`; errors of the database are met with patience."""

    def __init__(
        self,
        config: Config,
        store: MirroredStore,
        database: Database,
        status: MirrorStatus,
        record_id: Callable[[str, str], int],
    ) -> None:
        self.is_caught_up = asyncio.Event()
        """Set once the store has what the database has."""
        self._config = config.database
        self._store = store
        self._database = database
        self._status = status
        self._accounts = Accounts(store, database, config.auth.realm, status)
        self._returning = Returning(store, database, status, grace=config.database.refresh, record_id=record_id)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Mirrors until told to stop; then writes what is left, if the database lets us."""
        self._store.mirror(self._config.bindings)
        if not self._config.bindings:
            self._store.restored()
        pause = 0.25
        while not self._stopping.is_set():
            try:
                async with self._database:
                    if self._config.bindings:
                        await self._returning.start()
                    await self._accounts.start()
                    self.is_caught_up.set()
                    await self._flush(urgent=False)
                    # A database that can be read but not written (a full disk) has not come back.
                    self._is_connected()
                    pause = 0.25
                    await self._mirror()
                    await self._flush(urgent=False)
            except DatabaseError as error:
                self._has_failed(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def stop(self) -> None:
        """Asks :meth:`run` to finish."""
        self._stopping.set()

    async def _mirror(self) -> None:
        # Half of what is allowed between two looks; the other half is for the write itself.
        jobs: list[tuple[float, Callable[[], Awaitable[object]]]] = [(POLL, self._accounts.poll)]
        if self._config.bindings:
            jobs += [
                (self._config.urgent / 2, lambda: self._flush(urgent=True)),
                (self._config.refresh * 0.75, lambda: self._flush(urgent=False)),
                (POLL, self._returning.poll),
            ]
        due = [time.monotonic() + interval for interval, _ in jobs]
        while not self._stopping.is_set():
            next_job = min(range(len(jobs)), key=due.__getitem__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), max(0.0, due[next_job] - time.monotonic()))
            if self._stopping.is_set():
                return
            interval, job = jobs[next_job]
            due[next_job] = time.monotonic() + interval
            await job()

    async def _flush(self, *, urgent: bool) -> None:
        """Writes all changes there are, in batches."""
        if not self._config.bindings:
            return
        begin = time.monotonic()
        while True:
            rows, has_changed = await self._database.write_changes(self._store, urgent=urgent, limit=BATCH)
            if not has_changed:
                break
            self._status.rows_written += rows
            self._status.batches += 1
            self._status.behind = round(time.monotonic() - begin, 3)

    def _is_connected(self) -> None:
        if self._status.error is not None:
            _log.info("database is back", database=self._status.database)
        self._status.connected, self._status.error = True, None

    def _has_failed(self, error: DatabaseError) -> None:
        """Logs an outage once, however long it lasts."""
        self._status.failures += 1
        if self._status.error is None:
            _log.error("database failed; calls and registrations go on without it", error=str(error))
        self._status.connected, self._status.error = False, str(error)
