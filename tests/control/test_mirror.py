"""The mirror between a store and a real SQLite database."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from dialplane.config import Config
from dialplane.control.mirror import Mirror
from dialplane.control.status import MirrorStatus
from dialplane.database import database
from dialplane.database.rows import LOCATION_COLUMNS
from dialplane_native.records import Account, Binding
from dialplane_native.server import Connection, Store

from .memory import MemoryStore, record_id

pytestmark = pytest.mark.asyncio
SOON = int(time.time()) + 3600


def bind(account: Account, *contacts: str, expires: int = SOON) -> list[Binding]:
    """The bindings of an account, one for each contact."""
    values: dict[str, Any] = {
        "params": None, "received": None, "path": None, "expires": expires, "q": -1.0, "callid": "c", "cseq": 1,
        "last_modified": SOON - 3600, "user_agent": "test", "socket": None, "instance": None, "reg_id": 0,
    }  # fmt: skip
    rows = []
    for place, contact in enumerate(contacts):
        head = {
            "id": record_id(*account) + place,
            "ruid": f"{account}-{contact}",
            "username": account[0],
            "domain": account[1],
            "contact": f"sip:{contact}",
        }
        assert (*head, *values) == LOCATION_COLUMNS
        rows.append((*head.values(), *values.values()))
    return rows


class Running:
    """A mirror that runs, its store and its file."""

    def __init__(self, file: Path, store: Any, mirror: Mirror, status: MirrorStatus) -> None:
        self.file = file
        self.store = store
        self.mirror = mirror
        self.status = status

    def sql(self, statement: str, *values: int | str) -> list[tuple[Any, ...]]:
        """Another SQL client; by the one copy of SQLite that a process may use for a file."""
        with contextlib.closing(Connection(str(self.file), 5)) as connection:
            return connection.query(statement, values)

    def contacts(self) -> list[str]:
        return [row[0] for row in self.sql("SELECT contact FROM location ORDER BY contact")]

    async def until(self, condition: Callable[[], object], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def mirroring(
    file: Path,
    store: MemoryStore | Store,
    *,
    realm: str | None = None,
    urgent: float = 0.1,
    refresh: float = 0.4,
    bindings: bool = True,
) -> AsyncIterator[Running]:
    base = Config()
    config = msgspec.structs.replace(
        base,
        database=msgspec.structs.replace(
            base.database, url=f"sqlite:{file}", urgent=urgent, refresh=refresh, bindings=bindings
        ),
        auth=msgspec.structs.replace(base.auth, realm=realm),
    )
    status = MirrorStatus(database=str(file))
    mirror = Mirror(config, store, database(config.database.url), status, record_id)
    task = asyncio.create_task(mirror.run())
    try:
        yield Running(file, store, mirror, status)
        mirror.stop()
        await asyncio.wait_for(task, 10)
    finally:
        mirror.stop()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


ALICE, BOB = ("alice", "example.com"), ("bob", "example.com")


async def test_bindings_come_move_and_go(tmp_path: Path) -> None:
    async with mirroring(tmp_path / "x.db", MemoryStore()) as running:
        await running.mirror.is_caught_up.wait()
        running.store.register(ALICE, bind(ALICE, "a1", "a2"))
        running.store.register(BOB, bind(BOB, "b1"))
        await running.until(lambda: running.contacts() == ["sip:a1", "sip:a2", "sip:b1"])
        running.store.register(ALICE, bind(ALICE, "a2"))
        await running.until(lambda: running.contacts() == ["sip:a2", "sip:b1"])
        running.store.register(BOB, [])
        await running.until(lambda: running.contacts() == ["sip:a2"])
        await running.until(lambda: running.store.backlog() == (0, 0))
        assert running.status.rows_written == 4


async def test_bindings_stay_out_of_the_database_on_request(tmp_path: Path) -> None:
    store = MemoryStore(discarded=True)
    async with mirroring(tmp_path / "x.db", store, bindings=False) as running:
        await running.mirror.is_caught_up.wait()
        assert not store.is_mirrored
        assert not store.discarded
        running.store.register(ALICE, bind(ALICE, "a1"))
        running.sql("INSERT INTO subscriber (username, domain, ha1) VALUES ('bob', 'example.com', ?)", "0" * 32)
        await running.until(lambda: store.digests)
    assert running.contacts() == []


async def test_a_refresh_waits_and_then_comes_too(tmp_path: Path) -> None:
    async with mirroring(tmp_path / "x.db", MemoryStore(), refresh=0.6) as running:
        await running.mirror.is_caught_up.wait()
        running.store.register(ALICE, bind(ALICE, "a1"))
        await running.until(running.contacts)
        begin = time.monotonic()
        running.store.register(ALICE, bind(ALICE, "a1", expires=SOON + 60), urgent=False)
        ends = "SELECT CAST(ROUND((julianday(expires) - 2440587.5) * 86400) AS INTEGER) FROM location"
        await running.until(lambda: running.sql(ends) == [(SOON + 60,)])
        assert time.monotonic() - begin <= 0.6 + 0.3


async def test_what_is_left_at_the_end_is_written(tmp_path: Path) -> None:
    async with mirroring(tmp_path / "x.db", MemoryStore(), urgent=60, refresh=60) as running:
        await running.mirror.is_caught_up.wait()
        running.store.register(ALICE, bind(ALICE, "a1"))
        running.store.register(BOB, bind(BOB, "b1"), urgent=False)
    assert running.contacts() == ["sip:a1", "sip:b1"]


async def test_subscribers_of_any_client_are_known_within_two_seconds(tmp_path: Path) -> None:
    async with mirroring(tmp_path / "x.db", MemoryStore()) as running:
        await running.mirror.is_caught_up.wait()
        begin = time.monotonic()
        ha1 = hashlib.md5(b"alice:example.com:secret").hexdigest()
        running.sql("INSERT INTO subscriber (username, domain, ha1) VALUES (?, ?, ?)", *ALICE, ha1.upper())
        await running.until(lambda: running.store.digests == {ALICE: (ha1, None, None)})
        assert time.monotonic() - begin < 2
        running.sql("UPDATE subscriber SET ha1 = '', password = 'new'")
        await running.until(
            lambda: running.store.digests[ALICE][0] == hashlib.md5(b"alice:example.com:new").hexdigest()
        )
        assert running.store.digests[ALICE][1] == hashlib.sha256(b"alice:example.com:new").hexdigest()
        running.sql("UPDATE subscriber SET password = ''")
        await running.until(lambda: running.store.digests == {})
        running.sql("UPDATE subscriber SET username = 'carol', ha1 = ?", ha1)
        await running.until(lambda: running.store.digests == {("carol", "example.com"): (ha1, None, None)})
        running.sql("DELETE FROM subscriber")
        await running.until(lambda: running.store.digests == {})


async def test_at_the_start_the_store_has_exactly_the_subscribers_of_the_database(tmp_path: Path) -> None:
    store = MemoryStore()
    store.put_credentials("gone", "example.com", "0" * 32, None, None)
    async with mirroring(tmp_path / "x.db", store) as running:
        await running.mirror.is_caught_up.wait()
    running.sql("INSERT INTO subscriber (username, domain, ha1_sha256) VALUES ('bob', 'example.com', ?)", "1" * 64)
    async with mirroring(tmp_path / "x.db", store) as running:
        await running.mirror.is_caught_up.wait()
        assert store.digests == {BOB: (None, "1" * 64, None)}


async def test_a_configured_realm_is_the_realm_of_all(tmp_path: Path) -> None:
    async with mirroring(tmp_path / "x.db", MemoryStore(), realm="sip") as running:
        await running.mirror.is_caught_up.wait()
        running.sql("INSERT INTO subscriber (username, domain, password) VALUES ('bob', 'example.com', 'x')")
        await running.until(lambda: ("bob", "sip") in running.store.digests)
        assert running.store.digests["bob", "sip"][0] == hashlib.md5(b"bob:sip:x").hexdigest()


async def test_after_a_power_cut_bindings_come_back_with_grace(tmp_path: Path) -> None:
    before = MemoryStore()
    now = int(time.time())
    async with mirroring(tmp_path / "x.db", before) as running:
        await running.mirror.is_caught_up.wait()
        before.register(ALICE, bind(ALICE, "a1", "a2"))
        before.register(BOB, bind(BOB, "b1", expires=now - 10))
        for number in range(12000):
            account = (f"user{number}", "example.com")
            before.register(account, bind(account, f"u{number}"))
        await running.until(lambda: before.backlog() == (0, 0))
    after = MemoryStore(discarded=True)
    async with mirroring(tmp_path / "x.db", after, refresh=30) as running:
        await running.mirror.is_caught_up.wait()
        assert after.discarded is False
        assert {row[4] for row in after.lookup(*ALICE)} == {"sip:a1", "sip:a2"}
        assert {row[8] for row in after.lookup(*ALICE)} == {SOON + 30}
        assert len(after.lookup(*BOB)) == 1, "ended less than the grace ago"
        assert running.status.restored == 12003


async def test_a_new_database_gets_what_the_store_has(tmp_path: Path) -> None:
    store = MemoryStore()
    store.accounts[ALICE] = bind(ALICE, "a1")
    async with mirroring(tmp_path / "x.db", store) as running:
        await running.until(lambda: running.file.exists() and running.mirror.is_caught_up.is_set())
        assert running.contacts() == ["sip:a1"]


async def test_rows_of_others_are_taken_in_and_made_ours(tmp_path: Path) -> None:
    store = MemoryStore()
    async with mirroring(tmp_path / "x.db", store) as running:
        await running.mirror.is_caught_up.wait()
        store.register(BOB, bind(BOB, "b1"))
        await running.until(running.contacts)
        async with database(f"sqlite:{running.file}") as other:
            await other.insert_foreign_bindings(
                bind(ALICE, "a1", "a2") + bind(BOB, "old") + bind(("eve", "x.org"), "e1", expires=1000)
            )
        await running.until(lambda: running.sql("SELECT MIN(id) FROM location")[0][0] >= 1 << 62)
        assert running.contacts() == ["sip:a1", "sip:a2", "sip:b1"]
        assert {row[4] for row in store.lookup(*ALICE)} == {"sip:a1", "sip:a2"}
        assert [row[4] for row in store.lookup(*BOB)] == ["sip:b1"], "who is registered stays as he is"
        store.register(ALICE, bind(ALICE, "a3"))
        await running.until(lambda: running.contacts() == ["sip:a3", "sip:b1"])


async def test_an_outage_is_told_once_and_nothing_is_lost(tmp_path: Path) -> None:
    store = MemoryStore()
    with capture_logs() as logs:
        async with mirroring(tmp_path / "x.db", store) as running:
            await running.mirror.is_caught_up.wait()
            running.sql("CREATE TRIGGER full BEFORE INSERT ON location BEGIN SELECT RAISE(ABORT, 'disk full'); END")
            store.register(ALICE, bind(ALICE, "a1"))
            await running.until(lambda: running.status.failures >= 3)
            assert running.status.error == f"database {running.file}: disk full"
            assert store.backlog() == (1, 0)
            running.sql("DROP TRIGGER full")
            await running.until(lambda: running.contacts() == ["sip:a1"])
            await running.until(lambda: store.backlog() == (0, 0))
            await running.until(lambda: running.status.error is None)
    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("error", "database failed; calls and registrations go on without it"),
        ("info", "database is back"),
    ]


async def test_a_database_that_is_locked_by_another_is_waited_for(tmp_path: Path) -> None:
    store = MemoryStore()
    async with mirroring(tmp_path / "x.db", store) as running:
        await running.mirror.is_caught_up.wait()
        blocker = Connection(str(running.file), 5)
        blocker.script("BEGIN IMMEDIATE")
        store.register(ALICE, bind(ALICE, "a1"))
        await running.until(lambda: store.backlog() == (1, 0))
        blocker.script("COMMIT")
        blocker.close()
        await running.until(lambda: running.contacts() == ["sip:a1"])


async def test_the_file_survives_being_killed(tmp_path: Path) -> None:
    """A batch that is acknowledged is in the file even if nobody closes it."""
    store = MemoryStore()
    async with mirroring(tmp_path / "x.db", store) as running:
        await running.mirror.is_caught_up.wait()
        store.register(ALICE, bind(ALICE, "a1"))
        await running.until(lambda: store.backlog() == (0, 0))
        copy = tmp_path / "copy.db"
        for suffix in ("", "-wal"):
            shutil.copy(f"{running.file}{suffix}", f"{copy}{suffix}")
        with contextlib.closing(Connection(str(copy), 0)) as reader:
            assert reader.query("SELECT contact FROM location") == [("sip:a1",)]


async def test_the_store_that_serves(tmp_path: Path) -> None:
    """Rows go from the shared store into the file as the store shows them to Python."""
    (tmp_path / "store").mkdir()
    store = Store(str(tmp_path / "store"), "supervisor", ["udp:192.0.2.1:5060"])
    ended, lives = bind(ALICE, "a1", expires=1000)[0], bind(ALICE, "a1", "a2")[1]
    lives = (*lives[:5], ";audio", "sip:198.51.100.7:1024;transport=udp", "<sip:p.example.com;lr>", *lives[8:])
    lives = (*lives[:14], "udp:192.0.2.1:5060", *lives[15:])
    store.restore([ended, lives, *bind(BOB, "b1", expires=1000)])
    store.restored()
    async with mirroring(tmp_path / "x.db", store) as running:
        await running.mirror.is_caught_up.wait()
        assert running.contacts() == ["sip:a1", "sip:a2", "sip:b1"]
        assert store.sweep(2000, 10) == 2
        await running.until(lambda: store.backlog() == (0, 0))
        async with database(f"sqlite:{running.file}") as reader:
            rows = await reader.bindings(0, 10)
        assert rows == store.bindings(None, 10)[1]
        assert [(row[0], *row[4:8], row[14]) for row in rows] == [(record_id(*ALICE), *lives[4:8], lives[14])]
        assert running.status.rows_written == 3 + 1
    store.close()
