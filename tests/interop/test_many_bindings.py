"""SIGKILL in the midst of registrations, to each kind of process and to all: not one that was answered 200 is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from .crowd import Crowd
from .subject import EVERYBODY, NAME, Server, Setup
from .waiting import eventually

FULL = "DIALPLANE_FULL" in os.environ
BINDINGS = 100_000 if FULL else 20_000
READY = 2.0 if FULL else 10.0
"""Seconds from the start to the first answer; where the machine does other things meanwhile, more."""

pytestmark = pytest.mark.skipif(NAME == "kamailio", reason="the suite sets Kamailio up as a stateless proxy")


def lives(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def started(server: Server) -> float:
    """Starts it again; gives the seconds until it answers."""
    begin = time.monotonic()
    server.start()
    return time.monotonic() - begin


@pytest.mark.timeout(300)
def test_nothing_is_lost(serve: Callable[[Setup], Server]) -> None:
    server = serve(Setup(register_auth=False, trusted=EVERYBODY, max_expires=7200))
    took: list[float] = []

    def kill(part: str, place: int = 0) -> None:
        os.kill(server.processes()[part][place], signal.SIGKILL)

    def kill_supervisor() -> None:
        victims = [pid for part in server.processes().values() for pid in part]
        kill("supervisor")
        eventually(lambda: not any(lives(pid) for pid in victims))  # the others end with it
        server.kill_all()
        took.append(started(server))

    def kill_everything() -> None:
        server.kill_all()
        took.append(started(server))

    deeds: list[Callable[[], None]] = [
        lambda: kill("worker"),
        lambda: kill("control"),
        lambda: kill("worker", 1),
        kill_supervisor,
        kill_everything,
    ]
    times = {BINDINGS * (place + 1) // (len(deeds) + 1): deed for place, deed in enumerate(deeds)}

    def strike(answered: int) -> None:
        if answered in times:
            times[answered]()

    with Crowd("alice") as crowd:
        answers = crowd.register(range(BINDINGS), each=strike)
        kill_everything()
        assert len(took) == 3
        assert all(answer.startswith(b"SIP/2.0 200 ") for answer in answers.values())
        found = crowd.look_up(range(BINDINGS))
        lost = [number for number, answer in found.items() if f"<{crowd.contact(number)}>".encode() not in answer]
        print(f"{BINDINGS} bindings, {len(lost)} lost; ready after {', '.join(f'{one:.2f} s' for one in took)}")
        assert (len(found), lost) == (BINDINGS, [])
        assert max(took) <= READY
    eventually(lambda: len(server.locations()) == BINDINGS, seconds=60)
