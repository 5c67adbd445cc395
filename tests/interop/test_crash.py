"""SIGKILL: of one process under load, and of all of them at once. No binding that was answered 200 is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from .capture import Capture
from .differs import differs
from .endpoint import Endpoint
from .process import Process
from .sipp import Sipp, finish
from .subject import Server, Setup, User
from .waiting import eventually

USERS = tuple(User(f"user{number}", f"secret{number}") for number in range(300))
ADDRESSES = {f"sip:{user.name}@example.org" for user in USERS}
SETUP = Setup(users=(*USERS, User("bob", "builder")), record_route=True)
DIES_WHOLE = "ends as a whole when one of its processes dies"


def register_all(sipp: Sipp, *, while_running: Callable[[Process], None] | None = None, rate: int = 300) -> None:
    """Every user with digest from one SIPp; it sends again what is not answered, as RFC 3261 §17.1.2.2 says."""
    rows = [(user.name, f"[authentication username={user.name} password={user.password}]") for user in USERS]
    options = ["-auth_uri", "example.org"]
    with sipp.running(
        "register-many", "alice", calls=len(rows), rate=rate, rows=rows, keys={"expires": "600"}, options=options
    ) as registering:
        if while_running is not None:
            while_running(registering)
        finish(registering)


def every_contact_answers(bob: Endpoint) -> None:
    """A request for each address-of-record arrives at the contact that was registered."""
    with Endpoint("alice") as alice:
        for user in USERS:
            asked = bob.request("MESSAGE", f"sip:{user.name}@example.org", body="there?", content_type="text/plain")
            bob.send(asked)
            seen = alice.receive_request("MESSAGE")
            assert seen.uri.startswith(f"sip:{user.name}@192.0.2.11")
            alice.respond(seen, 200, "OK")
            assert bob.receive_response(call_id=asked["call-id"]).status == 200


def kill_again_and_again(server: Server, part: str, capture: Capture, *, times: int) -> Callable[[Process], None]:
    """Kills one process of a part, waits for its successor and for traffic, kills the next."""

    def run(load: Process) -> None:
        for _ in range(times):
            traffic = capture.mark()
            eventually(lambda: capture.mark() > traffic + 60)  # noqa: B023
            assert load.status is None, "the load ended before all was killed"
            before = server.processes()[part]
            assert before, f"no {part} to kill"
            os.kill(before[0], signal.SIGKILL)
            eventually(lambda: len(now := server.processes()[part]) >= len(before) and before[0] not in now)  # noqa: B023

    return run


@differs(kamailio=DIES_WHOLE)
@pytest.mark.parametrize("part", ["worker", "control"])
def test_registrations_while_a_process_dies(
    serve: Callable[[Setup], Server], sipp: Sipp, bob: Endpoint, capture: Capture, part: str
) -> None:
    server = serve(SETUP)
    supervisor = server.pid
    register_all(sipp, while_running=kill_again_and_again(server, part, capture, times=4), rate=100)
    assert server.pid == supervisor
    every_contact_answers(bob)
    eventually(lambda: server.locations().keys() >= ADDRESSES)


@differs(kamailio=DIES_WHOLE)
def test_calls_while_workers_die(serve: Callable[[Setup], Server], sipp: Sipp, capture: Capture) -> None:
    """A stateless proxy has nothing to lose but datagrams, and those the user agents send again."""
    server = serve(SETUP)
    with Endpoint("bob") as bob:
        assert bob.register("bob", password="builder").status == 200
    with (
        sipp.running("uas", "bob", calls=300, seconds=30) as answering,
        sipp.running("uac", "alice", calls=300, rate=100, seconds=30, options=["-d", "200"]) as calling,
    ):
        kill_again_and_again(server, "worker", capture, times=4)(calling)
        finish(calling)
        finish(answering)


def test_all_processes_die(serve: Callable[[Setup], Server], sipp: Sipp, bob: Endpoint) -> None:
    """Right after the last 200; started again, nobody has to register anew."""
    server = serve(SETUP)
    register_all(sipp)
    server.kill_all()
    server.start()
    every_contact_answers(bob)
    eventually(lambda: server.locations().keys() >= ADDRESSES)


def test_graceful_stop_and_start(serve: Callable[[Setup], Server], sipp: Sipp, bob: Endpoint) -> None:
    server = serve(SETUP)
    register_all(sipp)
    server.stop()
    assert server.locations().keys() >= ADDRESSES, "a stop writes everything to the database"
    server.start()
    every_contact_answers(bob)


def test_database_shows_every_binding(serve: Callable[[Setup], Server], sipp: Sipp) -> None:
    """Read with an ordinary SQL client while the server runs."""
    server = serve(SETUP)
    register_all(sipp)
    eventually(lambda: server.locations().keys() >= ADDRESSES)
    assert all(
        contacts == {f"{address.split('@')[0]}@192.0.2.11:5060"} for address, contacts in server.locations().items()
    )
