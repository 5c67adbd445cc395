"""Targets that go and come: probed over the network, told in the log, counted."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import httpx

from .conftest import Server, log_lines, metrics, until


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
