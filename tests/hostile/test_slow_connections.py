"""5,000 connections that never come to the point: good clients notice nothing, and those are closed in time."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop import subject
from tests.interop.certificate import issue
from tests.interop.namespace import HOSTS, SUBJECT, namespace
from tests.interop.process import Process
from tests.interop.subject import Setup

pytestmark = pytest.mark.skipif(subject.NAME == "kamailio", reason="the suite sets Kamailio up for UDP")

COUNT = 5000
FIRST = 10.0
"""Seconds to the first whole message (``connections.first``)."""
ROUNDS = 100
P99 = 0.050 if "DIALPLANE_FULL" in os.environ else 0.250
"""Seconds; where the machine does other things meanwhile, more."""
PORTS = {"tcp": 5060, "tls": 5061, "ws": 8080}
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


def test_good_clients_beside_slow_ones(tmp_path: Path) -> None:
    authority, certificate = issue(tmp_path)
    context = ssl.create_default_context(cafile=str(authority))
    setup = Setup(transports=("udp", "tcp", "tls", "ws"), certificate=certificate)
    slowly = [sys.executable, Path(__file__).with_name("slowly.py"), HOSTS["stranger"], SUBJECT, *PORTS.values(), COUNT]
    with namespace(), subject.serving(setup, tmp_path / "subject"):
        standing = {kind: opened(kind, context) for kind in PORTS}
        with Process(slowly, tmp_path / "slow.log") as slow:
            slow.wait_for("open", seconds=30)
            times: dict[str, list[float]] = {}
            for number in range(ROUNDS):
                for kind, connection in standing.items():
                    times.setdefault(kind, []).append(timed(lambda: ask(connection, kind, number)))  # noqa: B023
                    times.setdefault(f"new {kind}", []).append(timed(lambda: anew(kind, context, number)))  # noqa: B023
            slowest = {kind: sorted(one)[int(len(one) * 0.99) - 1] for kind, one in times.items()}
            print({kind: f"{1000 * seconds:.1f} ms" for kind, seconds in slowest.items()})
            assert slow.status is None, "they were gone too early to count"
            assert max(slowest.values()) <= P99, slowest
            closed = slow.wait_for(r"closed after (\S+) s", seconds=30)
            print(closed[0])
            assert float(closed[1]) <= FIRST + 2.0
        for kind, connection in standing.items():
            ask(connection, kind, ROUNDS)
            connection.close()


def timed(work: Callable[[], None]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def opened(kind: str, context: ssl.SSLContext) -> socket.socket:
    """A connection by which requests can go."""
    connection: socket.socket = socket.create_connection(
        (SUBJECT, PORTS[kind]), timeout=10, source_address=(HOSTS["alice"], 0)
    )
    if kind == "tls":
        connection = context.wrap_socket(connection, server_hostname=SUBJECT)
    if kind == "ws":
        connection.sendall(UPGRADE)
        assert b" 101 " in connection.recv(4096)
    return connection


def ask(connection: socket.socket, kind: str, number: int) -> None:
    """OPTIONS, and its 200."""
    request = (
        f"OPTIONS sip:{SUBJECT} SIP/2.0\r\nVia: SIP/2.0/{kind.upper()} {SUBJECT};branch=z9hG4bK{kind}{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:a@b.example>;tag=1\r\nTo: <sip:{SUBJECT}>\r\nCall-ID: {kind}{number}\r\n"
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    if kind == "ws":  # a mask of zeros changes nothing
        request = bytes([0x81, 0xFE, *len(request).to_bytes(2, "big"), 0, 0, 0, 0]) + request
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        assert piece, f"{kind}: closed after {answer!r}"
        answer += piece
    assert b"SIP/2.0 200 " in answer, answer


def anew(kind: str, context: ssl.SSLContext, number: int) -> None:
    """The same by a connection of its own."""
    with opened(kind, context) as connection:
        ask(connection, kind, number)
