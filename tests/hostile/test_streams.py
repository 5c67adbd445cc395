"""Hostile octets on a connection: TCP framing, WebSocket upgrade and frames."""

from __future__ import annotations

import re
import socket
import time

import pytest

from tests.interop.differs import differs

from . import corpus
from .arena import TARGET, Arena
from .corpus import Stream

PORTS = {"tcp": 5060, "ws-upgrade": 8080, "ws-frame-after-upgrade": 8080}
PATIENCE = 35.0
"""A connection that is to be closed is closed within 32 s."""
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


def answers(stream: Stream) -> tuple[bytes, bool]:
    """What comes back, and whether the server closed the connection."""
    received = b""
    with socket.create_connection((TARGET[0], PORTS[stream.transport]), timeout=5) as connection:
        if stream.transport == "ws-frame-after-upgrade":
            connection.sendall(UPGRADE)
            assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        try:
            connection.sendall(stream.path.read_bytes())
            deadline = time.monotonic() + PATIENCE
            while stream.allowed.isdisjoint(outcomes(received, closed=False)):
                connection.settimeout(max(deadline - time.monotonic(), 0.01))
                if not (piece := connection.recv(65536)):
                    return received, True
                received += piece
        except (BrokenPipeError, ConnectionResetError):
            return received, True
        except TimeoutError:
            pass
    return received, False


def outcomes(received: bytes, *, closed: bool) -> set[str]:
    """In the words of the manifest."""
    found = {status.decode() for status in re.findall(rb"(?m)^(?:SIP/2\.0|HTTP/1\.1) (\d{3}) ", received)}
    if "101" in found and b"Sec-WebSocket-Protocol: sip" not in received:
        found = found - {"101"} | {"101-without-sip"}
    if received.replace(b"\r\n", b"") == b"" and received:
        found.add("pong")
    return found | ({"close"} if closed else set())


@differs(kamailio="the control is set up for UDP")
@pytest.mark.parametrize("stream", corpus.streams(), ids=lambda stream: stream.name)
def test_stream(target: Arena, stream: Stream) -> None:
    received, closed = answers(stream)
    found = outcomes(received, closed=closed)
    assert not stream.allowed.isdisjoint(found), f"{found}; allowed: {sorted(stream.allowed)}\n{received[:1000]!r}"
    target.check_health()
