"""``dialplane upgrade`` closes no connection: the processes that have them go on with them, and with nothing else."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable
from typing import Any

import pytest

from dialplane.supervisor.asking import ask

from .edge import TOKENS, Edge
from .phone import Phone
from .running import until
from .wires import StreamPhone


def started(make_edge: Callable[..., Edge], workers: int) -> Edge:
    made = make_edge(workers=workers)
    for user in ("alice", "bob"):
        made.server.add_user(user)
    made.server.start()
    return made


def facts(edge: Edge) -> dict[str, Any]:
    return ask(edge.server.data, {"ask": "status"})


def retired(edge: Edge) -> list[tuple[int, int]]:
    """Process and number of connections of each that is no worker any more."""
    return [(row["pid"], row["connections"]) for row in facts(edge)["retired"]]


def upgrade(edge: Edge) -> None:
    upgraded = edge.server.command("upgrade")
    assert upgraded.returncode == 0, upgraded.stderr + edge.server.log()


def ring(caller: Phone, callee: Phone) -> None:
    """A call that is answered and ended."""
    caller.send_with_credentials("INVITE", f"sip:{callee.user}@example.com")
    invite = callee.receive()
    assert invite.startswith(f"INVITE {callee.contact} ".encode()), invite
    callee.answer(invite, "200 OK")
    assert caller.receive().startswith(b"SIP/2.0 200 ")
    callee.bye(invite, caller.contact)
    received = caller.receive()
    assert received.startswith(f"BYE {caller.contact} ".encode()), received
    caller.answer(received, "200 OK")
    assert callee.receive().startswith(b"SIP/2.0 200 ")


@pytest.mark.parametrize(("token", "workers"), [("TCP", 1), *((token, 2) for token in TOKENS)])
def test_calls_by_old_connections(make_edge: Callable[..., Edge], token: str, workers: int) -> None:
    edge = started(make_edge, workers)
    with contextlib.ExitStack() as stack:
        bob = edge.server.phone("bob")
        stack.callback(bob.close)
        assert bob.register() == 200
        # Several, so that the call and the connection belong to different workers more than once.
        before = [edge.phone("alice", token) for _ in range(6)]
        for alice in before:
            assert alice.register() == 200
            assert alice.register(expires=0) == 200
        for generation in (1, 2):
            upgrade(edge)
            assert sum(connections for _, connections in retired(edge)) == 6 + generation - 1
            for alice in [*before, edge.phone("alice", token)]:
                assert alice.register() == 200
                ring(alice, bob)
                ring(bob, alice)
                assert alice.register(expires=0) == 200
            before.append(alice)
        # The second upgrade left the one that was opened between the two with a process of its own.
        assert workers <= len(retired(edge)) <= workers + 1
        # Whoever takes the place of a worker that dies finds them, too.
        for worker in facts(edge)["workers"]:
            os.kill(worker["pid"], signal.SIGKILL)
            until(lambda dead=worker["pid"]: all(row["pid"] != dead and row["ready"] for row in facts(edge)["workers"]))  # type: ignore[misc]
        for alice in before[:-1]:
            assert alice.register() == 200
            ring(bob, alice)
            assert alice.register(expires=0) == 200
        for alice in before:
            alice.close()
        until(lambda: not facts(edge)["retired"])
    assert edge.server.stop() == 0


def test_a_request_for_an_old_connection_that_has_ended(make_edge: Callable[..., Edge]) -> None:
    edge = started(make_edge, 1)
    bob, alice, other = edge.server.phone("bob"), edge.phone("alice", "TCP"), edge.phone("alice", "TCP")
    with contextlib.closing(bob), contextlib.closing(other):
        assert bob.register() == 200
        assert alice.register() == 200
        upgrade(edge)
        alice.close()
        until(lambda: sum(connections for _, connections in retired(edge)) == 1)
        status = bob.ask("MESSAGE", "sip:alice@example.com", "sip:alice@example.com")
        # There is no other way to her.
        assert status == 430


def test_nothing_outlives_the_server(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge(workers=2)
    edge.server.start()
    wires = [edge.connect("TCP") for _ in range(8)]
    upgrade(edge)
    pids = [pid for pid, _ in retired(edge)]
    assert pids
    ends = [os.pidfd_open(pid) for pid in pids]
    edge.server.process.kill()
    edge.server.wait()
    try:
        for end in ends:
            gone, _, _ = select.select([end], [], [], 10)
            assert gone, "a process that had retired outlived its supervisor"
    finally:
        for end in ends:
            os.close(end)
    for wire in wires:
        assert wire.recv() == b""


def test_not_for_longer_than_allowed(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge(workers=1)
    edge.server.head = edge.server.head.replace("workers = 1", "workers = 1\nretire = 0.5")
    edge.server.write(edge.server.more)
    edge.server.start()
    wire = edge.connect("TCP")
    wire.send(StreamPhone("probe", wire, "TCP").request("OPTIONS", "sip:127.0.0.1", "sip:127.0.0.1"))
    assert wire.recv().startswith(b"SIP/2.0 200 ")
    upgrade(edge)
    assert wire.recv() == b""
    until(lambda: not facts(edge)["retired"])
