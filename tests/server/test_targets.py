"""Targets that go and come: probed over the network, told in the log, counted, drained."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from dialplane.errors import ExitStatus

from .running import Server, log_lines, metrics, until


def told(server: Server, event: str) -> bool:
    """Whether the log has this event."""
    return any(line["event"] == event for line in log_lines(server))


def answer_one(gateway: socket.socket) -> None:
    """Answers one OPTIONS, as a gateway that lives does."""
    request, peer = gateway.recvfrom(65536)
    if not request.startswith(b"OPTIONS "):
        return
    copied = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
    lines = [line for line in request.split(b"\r\n") if line.lower().startswith(copied)]
    gateway.sendto(b"\r\n".join([b"SIP/2.0 200 OK", *lines, b"Content-Length: 0", b"", b""]), peer)


def test_a_gateway_goes_and_comes_back(make_server: Callable[..., Server]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.settimeout(5)
        uri = f"sip:127.0.0.1:{gateway.getsockname()[1]}"
        more = (
            f'[proxy]\ntrusted = ["127.0.0.0/8"]\n[[target_set]]\nname = "gateways"\ntargets = [{{ uri = "{uri}" }}]\n'
            'probe = { interval = 0.2, timeout = 0.2, failures = 1 }\n[[route]]\nforward = "gateways"\n'
        )
        server = make_server(workers=1, more=more)
        server.start()
        until(lambda: told(server, "target is down"), 20)
        # Nobody else is there to be asked: the request is tried all the same, and counted.
        with contextlib.closing(server.phone("alice")) as alice:
            alice.socket.send(alice.request("INVITE", "sip:1@elsewhere.example", "sip:1@elsewhere.example"))
            while not gateway.recv(65536).startswith(b"INVITE "):
                """Probes come in between."""
        page = f"http://127.0.0.1:{server.admin}/metrics"
        until(lambda: metrics(httpx.get(page).text)["dialplane_targets_all_down_total"] == 1, 20)
        while not told(server, "target is up"):
            answer_one(gateway)
        down, up = (
            next(line for line in log_lines(server) if line["event"] == event)
            for event in ("target is down", "target is up")
        )
        assert uri in str(down)
        assert uri in str(up)


class Gateway:
    """Answers INVITE with 200 and BYE with 200, or all with 503."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.uri = f"sip:127.0.0.1:{self.socket.getsockname()[1]}"
        self.status = "200 OK"

    def take(self) -> str:
        """Answers the next request. Its method."""
        request, peer = self.socket.recvfrom(65536)
        copied = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:", b"record-route:")
        lines = [line for line in request.split(b"\r\n") if line.lower().startswith(copied)]
        lines = [line + b";tag=g" if line.startswith(b"To:") and b"tag=" not in line else line for line in lines]
        head = [f"SIP/2.0 {self.status}".encode(), *lines, f"Contact: <{self.uri}>".encode(), b"Content-Length: 0"]
        method = request.split(b" ", 1)[0].decode()
        if method != "ACK":
            self.socket.sendto(b"\r\n".join(head) + b"\r\n\r\n", peer)
        return method


@pytest.fixture
def gateways() -> Iterator[list[Gateway]]:
    made = [Gateway() for _ in range(3)]
    yield made
    for gateway in made:
        gateway.socket.close()


class Trunk:
    """A server that sends all calls to gateways, and calls through it."""

    def __init__(self, make_server: Callable[..., Server], gateways: list[Gateway], settings: str) -> None:
        self.gateways = gateways
        targets = ", ".join(f'{{ uri = "{gateway.uri}" }}' for gateway in gateways)
        self.server = make_server(
            workers=2,
            more='[proxy]\ntrusted = ["127.0.0.0/8"]\n[[target_set]]\nname = "out"\n'
            f'targets = [{targets}]\n{settings}\n[[route]]\nforward = "out"\n',
        )
        self.server.start()
        self.phones = contextlib.ExitStack()

    def call(self) -> tuple[Gateway, Callable[[], None]]:
        """Which gateway took a call, and how to end it."""
        phone = self.server.phone("alice")
        self.phones.callback(phone.close)
        phone.socket.send(phone.request("INVITE", "sip:1@elsewhere.example", "sip:1@elsewhere.example"))
        while True:
            ready, _, _ = select.select([gateway.socket for gateway in self.gateways], [], [], 5)
            taken = next(gateway for gateway in self.gateways if gateway.socket is ready[0])
            if taken.take() == "INVITE" and taken.status == "200 OK":
                break
        answer = phone.receive()
        assert answer.startswith(b"SIP/2.0 200")
        routes = [line[len("Record-Route: ") :].decode() for line in answer.split(b"\r\n") if line[:6] == b"Record"]

        def end() -> None:
            to = "sip:1@elsewhere.example>;tag=g"
            lines = [f"Route: {route}" for route in routes]
            phone.socket.send(phone.request("BYE", taken.uri, to, *lines).replace(b"tag=g>", b"tag=g"))
            while taken.take() != "BYE":
                """An INVITE may have been sent twice."""
            assert phone.receive().startswith(b"SIP/2.0 200")

        return taken, end

    def states(self) -> dict[str, dict[str, Any]]:
        listed = self.server.command("targets", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        return {row["uri"]: row for row in json.loads(listed.stdout)}

    def calls(self) -> list[int]:
        states = self.states()
        return [states[gateway.uri]["calls"] for gateway in self.gateways]


@pytest.fixture
def make_trunk(make_server: Callable[..., Server], gateways: list[Gateway]) -> Iterator[Callable[[str], Trunk]]:
    """Makes one with these settings of its target set."""
    with contextlib.ExitStack() as stack:

        def make(settings: str) -> Trunk:
            trunk = Trunk(make_server, gateways, settings)
            stack.enter_context(trunk.phones)
            return trunk

        yield make


def test_calls_are_counted_over_all_workers(make_trunk: Callable[[str], Trunk], gateways: list[Gateway]) -> None:
    trunk = make_trunk('policy = "calls"')
    calls = [trunk.call() for _ in range(12)]
    assert trunk.calls() == [4, 4, 4], "whichever worker had them"
    mine = [end for gateway, end in calls if gateway is gateways[1]]
    for end in mine[:3]:
        end()
    assert trunk.calls() == [4, 1, 4]
    # Who dies takes no call with it.
    for worker in trunk.server.workers():
        os.kill(worker["pid"], signal.SIGKILL)
    until(lambda: all(worker["ready"] and worker["restarts"] for worker in trunk.server.workers()))
    assert trunk.calls() == [4, 1, 4]
    assert [trunk.call()[0] for _ in range(3)] == [gateways[1]] * 3


def test_a_drained_target_gets_no_new_calls(make_trunk: Callable[[str], Trunk], gateways: list[Gateway]) -> None:
    trunk = make_trunk('policy = "priority"')
    taken, end = trunk.call()
    assert taken is gateways[0]
    drained = trunk.server.command("targets", "drain", taken.uri.removeprefix("sip:"))
    assert drained.stdout == f"{taken.uri} gets no new calls\n", drained.stderr
    assert trunk.call()[0] is gateways[1]
    end()
    assert trunk.states()[taken.uri]["state"] == "drained"
    assert "drained" in trunk.server.command("targets", "list").stdout
    assert "targets: 1 drained, 2 up" in trunk.server.command("status").stdout
    # The file may say so too, and then says it alone.
    trunk.server.write(trunk.server.more.replace(f'"{gateways[1].uri}"', f'"{gateways[1].uri}", drain = true'))
    assert trunk.server.command("reload").returncode == 0
    assert trunk.call()[0] is gateways[2]
    refused = trunk.server.command("targets", "undrain", gateways[1].uri)
    assert (refused.returncode, "by the configuration" in refused.stderr) == (ExitStatus.DATA, True)
    trunk.server.command("targets", "undrain", taken.uri)
    assert trunk.call()[0] is taken
    near = trunk.server.command("targets", "drain", taken.uri.replace("127", "128"))
    assert (near.returncode, "did you mean" in near.stderr) == (ExitStatus.DATA, True)


def test_a_target_that_fails_is_ejected(make_trunk: Callable[[str], Trunk], gateways: list[Gateway]) -> None:
    trunk = make_trunk('policy = "priority"\neject = { failures = 3, time = 60 }')
    gateways[0].status = "503 Service Unavailable"
    for _ in range(3):
        assert trunk.call()[0] is gateways[1]
    until(lambda: told(trunk.server, "target is ejected"))
    state = trunk.states()[gateways[0].uri]
    assert state["state"] == "ejected"
    assert 50 < state["until"] - time.time() <= 60
    gateways[0].status = "200 OK"
    assert trunk.call()[0] is gateways[1]
    page = httpx.get(f"http://127.0.0.1:{trunk.server.admin}/metrics").text
    assert metrics(page)["dialplane_targets_ejected_total"] == 1
    assert f'dialplane_target_up{{set="out",target="{gateways[0].uri}"}} 0.0' in page
