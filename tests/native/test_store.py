"""``Store``: what control process and supervisor do with the shared store."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from dialplane_native import DialplaneError, StoreError
from dialplane_native.records import Binding
from dialplane_native.server import Store, record_id

LISTENERS = ["udp:192.0.2.1:5060", "udp:192.0.2.2:5060"]
NOW = 1_800_000_000


def binding(username: str = "alice", place: int = 0, **changes: Any) -> Binding:
    columns: dict[str, Any] = {
        "id": record_id(username, "example.com") + place,
        "ruid": "",
        "username": username,
        "domain": "example.com",
        "contact": f"sip:{username}@198.51.100.7:{5060 + place}",
        "params": None,
        "received": None,
        "path": None,
        "expires": NOW + 3600,
        "q": -1.0,
        "callid": "1@198.51.100.7",
        "cseq": 1,
        "last_modified": NOW,
        "user_agent": "Phone/1",
        "socket": None,
        "instance": None,
        "reg_id": 0,
    }
    assert changes.keys() <= columns.keys()
    return cast("Binding", tuple((columns | changes).values()))


def but_ruid(row: Binding) -> tuple[object, ...]:
    return (row[0], *row[2:])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(str(tmp_path), "supervisor", LISTENERS)
    yield opened
    opened.close()


def test_what_cannot_be_used_is_given_up_and_the_reason_told(tmp_path: Path) -> None:
    opened = Store(str(tmp_path), "supervisor", LISTENERS)
    assert (opened.discarded, opened.given_up) == (True, None), "there was none"
    opened.restored()
    opened.close(clean=True)
    opened = Store(str(tmp_path), "supervisor", LISTENERS)
    assert (opened.discarded, opened.given_up) == (False, None)
    opened.close(clean=True)
    (table,) = tmp_path.glob("bindings*")
    table.write_bytes(b"no table")
    opened = Store(str(tmp_path), "supervisor", LISTENERS)
    assert (opened.discarded, opened.given_up) == (True, "it is damaged")
    opened.close()


def test_a_new_store_awaits_the_database(tmp_path: Path, store: Store) -> None:
    other = Store(str(tmp_path), "control")
    assert [opened.discarded for opened in (store, other)] == [True, True]
    other.restored()
    assert [opened.discarded for opened in (store, other)] == [False, False]
    assert store.sizes()["bindings"] == store.sizes()["credentials"] == 0
    assert store.sizes()["octets"] > 0
    assert store.backlog() == (0, 0)


ROWS = [
    binding(q=0.25),
    binding(place=1, q=1.0, received="sip:198.51.100.9:40000;transport=udp", socket="udp:192.0.2.2:5060"),
    binding(place=2, path="<sip:p1.example.com;lr>,<sip:p2.example.com;lr>", cseq=4_294_967_295),
    binding(place=3, params=';+sip.instance="<urn:uuid:1>";reg-id=7;audio', instance="<urn:uuid:1>", reg_id=7, q=0.0),
]


def test_rows_come_back_as_they_were(store: Store) -> None:
    assert store.restore(ROWS) == 4
    cursor, rows = store.bindings(None, 100)
    assert cursor is None
    assert [but_ruid(row) for row in rows] == [but_ruid(row) for row in ROWS]
    assert len({row[1] for row in rows}) == 4
    assert all(row[1].startswith("dp-") for row in rows)
    assert [row[0] - record_id("alice", "example.com") for row in store.lookup("alice", "EXAMPLE.com")] == [1, 2, 0, 3]
    assert store.lookup("bob", "example.com") == []


def test_restoring_leaves_alone_who_has_bindings(store: Store) -> None:
    assert store.restore([binding()]) == 1
    assert store.restore([binding(contact="sip:other@host"), binding("bob")]) == 1
    assert store.lookup("alice", "example.com")[0][4] == "sip:alice@198.51.100.7:5060"
    assert store.sizes()["bindings"] == 2


def test_what_comes_from_the_database_is_not_news_to_it(store: Store) -> None:
    store.mirror(True)
    store.restore(ROWS)
    assert store.backlog() == (0, 0)
    _, ranges, rows = store.changes(False, 10)
    assert (ranges, rows) == ([], [])


def test_sweeping(store: Store) -> None:
    store.mirror(True)
    ended = [binding(expires=NOW + 10), binding(place=1, expires=NOW + 100), binding("bob", expires=NOW + 10)]
    store.restore(ended)
    assert store.sweep(NOW, 10) == 0
    assert store.sweep(NOW + 10, 10) == 2
    assert store.sweep(NOW + 10, 10) == 0
    assert store.lookup("bob", "example.com") == []
    token, ranges, rows = store.changes(True, 10)
    alice, bob = record_id("alice", "example.com"), record_id("bob", "example.com")
    assert sorted(ranges) == sorted([(alice + 1, alice + 255), (bob, bob + 255)])
    assert [(row[0], row[4]) for row in rows] == [(alice, "sip:alice@198.51.100.7:5061")], "rows move up"
    assert store.backlog() == (2, 0)
    assert store.changes(True, 10)[1:] == (ranges, rows), "not acknowledged"
    store.acknowledge(token)
    assert store.backlog() == (0, 0)
    assert store.changes(False, 10)[1:] == ([], [])


def test_changes_in_batches(store: Store) -> None:
    store.mirror(True)
    count = 300
    store.restore([binding(f"user{number}", expires=NOW + 10) for number in range(count)])
    assert sum(iter(lambda: store.sweep(NOW + 11, 50), 0)) == count
    seen: set[int] = set()
    while True:
        token, ranges, rows = store.changes(True, 64)
        if not ranges and not rows:
            break
        seen |= {first for first, _ in ranges}
        store.acknowledge(token)
    assert seen == {record_id(f"user{number}", "example.com") for number in range(count)}


def test_without_a_mirror_nothing_is_noted(store: Store) -> None:
    store.mirror(False)
    store.restore([binding(expires=NOW + 10)])
    assert store.sweep(NOW + 11, 10) == 1
    assert store.backlog() == (0, 0)


def test_pages_split_no_address_of_record(store: Store) -> None:
    users = [f"user{number}" for number in range(500)]
    store.restore([binding(user, place) for user in users for place in range(2)])
    pages, cursor = [], None
    while True:
        cursor, rows = store.bindings(cursor, 50)
        pages.append(rows)
        if cursor is None:
            break
        assert isinstance(cursor, bytes)
    assert len(pages) > 3
    assert sorted(row[2] for page in pages for row in page) == sorted(users * 2)
    owners = [{row[2] for row in page} for page in pages]
    assert sum(map(len, owners)) == len(set().union(*owners))


def test_record_ids() -> None:
    digest = int.from_bytes(hashlib.sha256(b"alice@example.com").digest()[:8], "big")
    assert record_id("alice", "Example.COM") == 2**62 + (digest >> 10) * 256
    assert record_id("alice", "example.com.") == record_id("alice", "example.com")
    assert record_id("", "example.com") != record_id("alice", "example.com")
    assert record_id("a", "[2001:DB8::0:1]") == record_id("a", "[2001:db8::1]")
    assert max(record_id(f"u{number}", "x") for number in range(1000)) < 2**63 - 255


def test_credentials(store: Store) -> None:
    md5, sha256 = "0123456789abcdef" * 2, "AB" * 32
    store.put_credentials("alice", "example.com", md5, sha256, None)
    store.put_credentials("bob@home", "example.com", None, None, "00" * 32, md5)
    assert sorted(store.credentials(None, 10)[1]) == [("alice", "example.com"), ("bob@home", "example.com")]
    assert store.sizes()["credentials"] == 2
    assert store.remove_credentials("alice", "example.com")
    assert not store.remove_credentials("alice", "example.com")
    assert store.credentials(None, 10) == (None, [("bob@home", "example.com")])
    for bad in ("", "00", "zz" * 16, "é" * 16, md5 + "0"):
        with pytest.raises(ValueError, match="md5 is not 32 hexadecimal digits"):
            store.put_credentials("x", "y", bad, None, None)
    assert store.backlog() == (0, 0)


def test_several_processes_roles(tmp_path: Path, store: Store) -> None:
    reader, control = Store(str(tmp_path), "reader", LISTENERS), Store(str(tmp_path), "control", LISTENERS)
    control.restore(ROWS)
    assert reader.lookup("alice", "example.com") == store.lookup("alice", "example.com") != []
    assert Store(str(tmp_path), "reader").lookup("alice", "example.com")[0][14] is None, "without listeners no socket"
    changes: list[Any] = [
        reader.restored,
        lambda: reader.mirror(True),
        lambda: reader.sweep(NOW, 1),
        lambda: reader.restore(ROWS),
        lambda: reader.remove_credentials("a", "b"),
        lambda: reader.put_credentials("a", "b", None, None, None),
    ]
    for change in changes:
        with pytest.raises(StoreError, match="opened for reading"):
            change()
    with pytest.raises(StoreError, match="another dialplane server"):
        Store(str(tmp_path), "supervisor")


def test_opening_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Store(str(tmp_path / "none"), "reader")
    assert isinstance(caught.value, DialplaneError)
    with pytest.raises(ValueError, match="supervisor, control or reader"):
        Store(str(tmp_path), "owner")  # type: ignore[arg-type]


def test_closing(tmp_path: Path) -> None:
    first = Store(str(tmp_path), "supervisor", LISTENERS)
    first.restore(ROWS)
    first.restored()
    first.close(clean=True)
    first.close()
    for use in (first.sizes, lambda: first.lookup("a", "b"), lambda: first.sweep(1, 1), lambda: first.discarded):
        with pytest.raises(StoreError, match="closed"):
            use()
    second = Store(str(tmp_path), "supervisor", LISTENERS)
    assert not second.discarded
    assert second.sizes()["bindings"] == 1
    second.close()


@pytest.mark.parametrize(
    "rows",
    [[()], [("x",) * 16], [binding(cseq="x")], [binding("x", domain=None)], [binding(expires=None)], [7], 7],
)
def test_rows_that_are_none(store: Store, rows: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        store.restore(rows)
    assert store.sizes()["bindings"] == 0


def test_absurd_numbers_of_others(store: Store) -> None:
    rows = [binding(cseq=-5, last_modified=-1, q=7.5, reg_id=-1, params="", path="")]
    assert store.restore(rows) == 1
    (row,) = store.lookup("alice", "example.com")
    assert (row[5], row[7], row[9], row[11], row[12], row[16]) == (None, None, -1.0, 0, 0, 0)
    assert store.restore([binding("bob", contact="sip:" + "x" * 70_000), binding("carol")]) == 1, (
        "too large for a record"
    )


def test_a_token_is_one_of_ours(store: Store) -> None:
    with pytest.raises(TypeError):
        store.acknowledge(object())
    with pytest.raises(OverflowError):
        store.bindings(b"xx", 1)
    with pytest.raises(ValueError, match="seconds since 1970"):
        store.sweep(float("nan"), 1)


def test_threads_share_a_store(store: Store) -> None:
    store.restore([binding(f"user{number}") for number in range(200)])
    counts: list[int] = []

    def look() -> None:
        counts.extend(len(store.lookup(f"user{number}", "example.com")) for number in range(200))
        counts.append(len(store.bindings(None, 1000)[1]))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [1] * 800 + [200] * 4
