"""Calls under load while processes die or are replaced. Counted, never timed."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from .endpoint import Endpoint
from .process import Process
from .sipp import Sipp, finish
from .subject import NAME, Server, Setup
from .waiting import eventually

pytestmark = pytest.mark.skipif(NAME == "kamailio", reason="the suite sets Kamailio up as a stateless proxy")

SETUP = Setup(register_auth=False, record_route=True, trusted=("192.0.2.0/24",))
RATE = 300
"""Calls in a second."""
TALK = 1700
"""Milliseconds that each lasts: 500 are up at that rate."""


def registered(*hosts: str) -> None:
    """``bob`` at the first host, then users named like their hosts."""
    for name, host in zip(("bob", *hosts[1:]), hosts, strict=True):
        with Endpoint(host) as phone:
            assert phone.register(name).status == 200


@contextmanager
def calls(sipp: Sipp) -> Iterator[Process]:
    """Calls all the time; in the end those that are up go on to their end, and not one may have failed."""
    options = ["-d", str(TALK), "-trace_stat", "-fd", "1"]
    with (
        sipp.running("uas", "bob", calls=1_000_000, seconds=240),
        sipp.running("uac", "alice", calls=1_000_000, rate=RATE, seconds=240, options=options) as calling,
    ):
        eventually(lambda: answered(calling) >= RATE, seconds=20)
        yield calling
        assert calling.status is None, "the load ended before all was done"
        # No new calls.
        os.kill(calling.pid, signal.SIGUSR1)
        finish(calling, seconds=60)
        counted = statistics(calling)
        assert (counted["FailedCall(C)"], counted["SuccessfulCall(C)"]) == (0, counted["TotalCallCreated"])


def replaced(server: Server, part: str, pid: int) -> bool:
    """Whether another process stands in for this one. The spare, which comes a little later, looks like a worker."""
    now = server.processes()[part]
    return pid not in now and len(now) >= (server.setup.workers if part == "worker" else 1)


def kill(server: Server, part: str, number: int) -> None:
    """SIGKILL to one process of a part; returns when it has a successor."""
    # The youngest may be the spare.
    running = server.processes()[part][: server.setup.workers if part == "worker" else 1]
    victim = running[number % len(running)]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: replaced(server, part, victim))


def test_a_process_dies_each_second(serve: Callable[[Setup], Server], sipp: Sipp) -> None:
    """500 calls up, 300 more each second, 5,000 bindings: no call and no binding is lost."""
    server = serve(SETUP)
    registered("bob")
    sipp.run("register-open", "carol", calls=5000, rate=2500)
    with calls(sipp) as calling:
        for number in range(8):
            kill(server, "control" if number == 4 else "worker", number)
            before = answered(calling)
            eventually(lambda: answered(calling) >= before + RATE // 2)  # noqa: B023 - asked at once
    eventually(lambda: len(server.locations()) == 5001)


def test_reloads_and_upgrades(serve: Callable[[Setup], Server], sipp: Sipp) -> None:
    """Under 300 calls a second, 20 reloads and 4 upgrades: no call fails."""
    server = serve(SETUP)
    registered("bob")
    with calls(sipp):
        for number in range(4):
            before = server.processes()["worker"]
            server.upgrade()
            assert not set(before) & set(server.processes()["worker"])
            for reload in range(5):
                server.reload(changed=reload == number)


def answered(calling: Process) -> int:
    """Calls of a SIPp up to now: it writes its counts each second."""
    return statistics(calling).get("TotalCallCreated", 0)


def statistics(sipp: Process) -> dict[str, int]:
    """The latest line of its statistics."""
    for file in sipp.log.parent.glob("*_.csv"):
        rows = list(csv.DictReader(file.read_text().splitlines(), delimiter=";"))
        if rows:
            return {key: int(value) for key, value in rows[-1].items() if key and value and value.isdecimal()}
    return {}
