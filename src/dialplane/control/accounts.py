"""From ``subscriber`` to the digests in the shared store: all at the start, then each change within two seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from dialplane.control.status import MirrorStatus
    from dialplane.control.store import MirroredStore
    from dialplane.database import Database, Subscriber
    from dialplane_native.records import Account, Credentials

PAGE = 5000
OVERLAP = 64
"""Serial numbers that are looked at again: in PostgreSQL a lower one may be committed after a higher one."""
KEPT_CHANGES = 100_000
"""Serial numbers that stay in the table, for other servers on the same database."""

_log = structlog.get_logger()


class Accounts:
    """Takes subscribers over into the store."""

    def __init__(self, store: MirroredStore, database: Database, realm: str | None, status: MirrorStatus) -> None:
        self._store = store
        self._database = database
        self._realm = realm
        self._status = status
        self._last = 0
        self._seen: set[int] = set()
        self._forgotten = 0

    async def start(self) -> None:
        """Takes over all subscribers, and forgets those that are no more."""
        # First the number, then the rows: what changes in between is looked at twice, not missed.
        self._last = await self._database.last_change()
        self._seen.clear()
        known: set[int] = set()
        after: Account | None = None
        while page := await self._database.subscribers(after, PAGE):
            for row in page:
                key = self._put(row)
                if hash(key) in known and self._realm:
                    _log.warning("two subscribers have the same name in one realm; the last one counts", user=key[0])
                known.add(hash(key))
            after = page[-1].account
        cursor = None
        while True:
            cursor, keys = self._store.credentials(cursor, PAGE)
            for key in keys:
                if hash(key) not in known:
                    self._store.remove_credentials(*key)
            if cursor is None:
                return

    async def poll(self) -> None:
        """Takes over what has changed since the last time."""
        while True:
            changes = await self._database.changes(max(0, self._last - OVERLAP), PAGE)
            fresh = [change for change in changes if change[0] not in self._seen and change[0] > self._forgotten]
            for serial, (username, domain), row in fresh:
                if row is not None:
                    self._put(row)
                else:
                    self._store.remove_credentials(username, self._realm or domain)
                self._seen.add(serial)
                self._last = max(self._last, serial)
            self._seen = {serial for serial in self._seen if serial > self._last - OVERLAP}
            if len(changes) < PAGE:
                break
        if self._last - self._forgotten > 2 * KEPT_CHANGES:
            self._forgotten = self._last - KEPT_CHANGES
            await self._database.forget_changes(self._forgotten)

    def _put(self, row: Subscriber) -> Credentials:
        key = (row.username, row.realm(self._realm))
        md5, sha256, sha512_256 = row.digests(key[1])
        if md5 or sha256 or sha512_256:
            self._store.put_credentials(*key, md5, sha256, sha512_256)
            self._status.credentials += 1
        else:
            self._store.remove_credentials(*key)
        return key
