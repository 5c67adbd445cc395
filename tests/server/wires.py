"""Connections as a telephone sees them: what is sent and received is one message at a time."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import ssl
import struct
from typing import Protocol

from .phone import Phone

_LENGTH = re.compile(rb"^(?:Content-Length|l)\s*:\s*(\d+)", re.MULTILINE | re.IGNORECASE)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Wire(Protocol):
    """As much of a socket as :class:`Phone` uses."""

    def send(self, message: bytes, /) -> object: ...
    def recv(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class Stream:
    """SIP over TCP or TLS, framed by Content-Length (RFC 3261 §18.3)."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(10)
        self.port = connected.getsockname()[1]
        self._held = b""

    def send(self, message: bytes) -> None:
        self.socket.sendall(message)

    def recv(self, size: int = 65536) -> bytes:
        """The next message, or the answer to a keep-alive; empty at the end of the connection."""
        while not (end := self._end()):
            octets = self.socket.recv(size)
            if not octets:
                return b""
            self._held += octets
        message, self._held = self._held[:end], self._held[end:]
        return message

    def close(self) -> None:
        self.socket.close()

    def _end(self) -> int:
        if self._held.startswith(b"\r\n"):
            return 2
        head = self._held.find(b"\r\n\r\n")
        if head < 0:
            return 0
        length = _LENGTH.search(self._held[:head])
        assert length, f"a stream needs lengths: {self._held!r}"
        end = head + 4 + int(length[1])
        return end if len(self._held) >= end else 0


class WebSocket:
    """SIP in WebSocket messages (RFC 6455, RFC 7118), as a browser speaks it."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(10)
        self.port = connected.getsockname()[1]
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall(
            b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
            + key
            + b"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(1)
        accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        assert b"Sec-WebSocket-Accept: " + accept in answer

    def send(self, message: bytes) -> None:
        self.frame(0x81, message)

    def send_in_parts(self, message: bytes, size: int) -> None:
        """One message in fragments of ``size`` octets, with a ping between them."""
        parts = [message[at : at + size] for at in range(0, len(message), size)]
        for place, part in enumerate(parts):
            final = 0x80 if place == len(parts) - 1 else 0
            self.frame(final | (0 if place else 2), part)
            if not final:
                self.frame(0x89, b"?")

    def frame(self, first: int, payload: bytes) -> None:
        mask = os.urandom(4)
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack(">BH", 0x80 | 126, len(payload))
        masked = bytes(octet ^ mask[place % 4] for place, octet in enumerate(payload))
        self.socket.sendall(bytes([first]) + length + mask + masked)

    def recv(self, size: int = 65536) -> bytes:
        """The next message; empty when the server ends the connection."""
        while True:
            first, length = self._exactly(2)
            if length == 126:
                (length,) = struct.unpack(">H", self._exactly(2))
            payload = self._exactly(length)
            if first == 0x8A:
                assert payload == b"?"
            elif first == 0x88:
                return b""
            else:
                assert first in {0x81, 0x82}
                return payload

    def close(self) -> None:
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            more = self.socket.recv(count - len(octets))
            assert more, "the connection ended within a frame"
            octets += more
        return octets


class StreamPhone(Phone):
    """A telephone on a connection. It has no address that anybody could connect to."""

    def __init__(self, user: str, wire: Stream | WebSocket, token: str, password: str = "secret") -> None:
        self.user, self.domain, self.password = user, "example.com", password
        self.wire = wire
        self.token = token
        self.port = wire.port
        self._start(wire)

    @property
    def contact(self) -> str:
        transport = "ws" if self.token in {"WS", "WSS"} else self.token.lower()
        return f"sip:{self.user}@{self.sent_by};transport={transport}"

    @property
    def sent_by(self) -> str:
        return "df7jal23ls0d.invalid" if self.token in {"WS", "WSS"} else f"10.9.8.7:{self.port}"


def tls_context(authority: str, *, certificate: str | None = None) -> ssl.SSLContext:
    """A client that trusts ``authority`` and may show ``certificate``."""
    context = ssl.create_default_context(cafile=authority)
    if certificate:
        context.load_cert_chain(certificate)
    return context
