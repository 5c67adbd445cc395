"""A shared store in memory, for tests of what lies above it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from dialplane.database.rows import DOMAIN, EXPIRES, IDS_PER_ACCOUNT, OWN_IDS, USERNAME
from dialplane.database.sqlite import transact, write_bindings
from dialplane_native.records import Account, Binding, Credentials, IdRange
from dialplane_native.server import Connection


def record_id(username: str, domain: str) -> int:
    """As the native one."""
    octets = hashlib.sha256(f"{username}@{domain}".encode()).digest()
    return OWN_IDS + (int.from_bytes(octets[:7], "big") >> 2) * IDS_PER_ACCOUNT


class MemoryStore:
    """Keeps bindings, credentials, and notes of what the database has not heard of."""

    def __init__(self, *, discarded: bool = False) -> None:
        self.accounts: dict[Account, list[Binding]] = {}
        self.digests: dict[Credentials, tuple[str | None, ...]] = {}
        self.notes: dict[Account, bool] = {}
        self.discarded = discarded
        self.is_mirrored = False

    def targets(self, config_json: bytes) -> bytes:
        rows = [{"set": "s", "uri": f"sip:192.0.2.{n}", "state": state, "calls": n, "latency": None}
                for n, state in enumerate(("up", "down"))]  # fmt: skip
        return json.dumps(rows).encode()

    def restored(self) -> None:
        self.discarded = False

    def mirror(self, on: bool) -> None:
        self.is_mirrored = on

    def register(self, account: Account, bindings: Sequence[Binding], *, urgent: bool = True) -> None:
        """What a worker does."""
        self.accounts[account] = list(bindings)
        self.notes[account] = self.notes.get(account, False) or urgent

    def changes(self, urgent: bool, limit: int) -> tuple[object, list[IdRange], list[Binding]]:
        wanted = [account for account, is_urgent in self.notes.items() if is_urgent or not urgent][:limit]
        token = [(account, list(self.accounts[account])) for account in wanted]
        gone = []
        for account in wanted:
            first = record_id(*account)
            if self.notes[account]:
                gone.append((first + len(self.accounts[account]), first + IDS_PER_ACCOUNT - 1))
        return token, gone, [row for account in wanted for row in self.accounts[account]]

    def acknowledge(self, token: object) -> None:
        for account, rows in token:  # type: ignore[attr-defined]
            if self.accounts[account] == rows:
                del self.notes[account]

    def write_changes(self, database: Connection, urgent: bool, limit: int) -> tuple[int, int]:
        token, gone, rows = self.changes(urgent, limit)
        if gone or rows:
            transact(database, lambda inside: write_bindings(inside, gone, rows))
            self.acknowledge(token)
        return len(rows), len(gone) + len(rows)

    def backlog(self) -> tuple[int, int]:
        urgent = sum(self.notes.values())
        return urgent, len(self.notes) - urgent

    def sweep(self, now: float, limit: int) -> int:
        ended = [(a, row) for a, rows in self.accounts.items() for row in rows if row[EXPIRES] <= now][:limit]
        for account, row in ended:
            self.register(account, [other for other in self.accounts[account] if other != row])
        return len(ended)

    def bindings(self, cursor: bytes | None, limit: int) -> tuple[bytes | None, list[Binding]]:
        rows = [row for rows in self.accounts.values() for row in rows]
        start = int(cursor or b"0")
        end = start + limit
        return (b"%d" % end if end < len(rows) else None), rows[start:end]

    def lookup(self, username: str, domain: str) -> list[Binding]:
        return self.accounts.get((username, domain), [])

    def restore(self, rows: Sequence[Binding]) -> int:
        fresh = {(row[USERNAME], row[DOMAIN]) for row in rows} - {a for a, kept in self.accounts.items() if kept}
        count = 0
        for row in rows:
            account = (row[USERNAME], row[DOMAIN])
            if account in fresh:
                self.accounts.setdefault(account, []).append(row)
                count += 1
        return count

    def put_credentials(
        self, user: str, realm: str, md5: str | None, sha256: str | None, sha512_256: str | None
    ) -> None:
        self.digests[user, realm] = (md5, sha256, sha512_256)

    def remove_credentials(self, user: str, realm: str) -> bool:
        return self.digests.pop((user, realm), None) is not None

    def credentials(self, cursor: bytes | None, limit: int) -> tuple[bytes | None, list[Credentials]]:
        return None, list(self.digests)

    def sizes(self) -> dict[str, int]:
        return {"bindings": sum(map(bool, self.accounts.values())), "credentials": len(self.digests), "octets": 0}
