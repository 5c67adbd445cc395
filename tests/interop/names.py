"""A name server for the namespace: every name has the same address, and nothing but addresses."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .namespace import nameservers

_A = 1
_RESPONSE = 0x8580


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Answers questions for A with ``address``, others with "no such record", at the name servers of resolv.conf."""
    packed = socket.inet_aton(address)
    with ExitStack() as stack:
        for server in nameservers() or ["127.0.0.1"]:
            family = socket.AF_INET6 if ":" in server else socket.AF_INET
            listening = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            listening.bind((server, 53))
            thread = threading.Thread(target=_serve, args=(listening, packed), name="names", daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(_wake, family, server)
        yield


def _wake(family: int, server: str) -> None:
    """An empty datagram ends the thread."""
    with socket.socket(family, socket.SOCK_DGRAM) as waking:
        waking.sendto(b"", (server, 53))


def _serve(listening: socket.socket, address: bytes) -> None:
    while True:
        question, peer = listening.recvfrom(4096)
        if not question:
            return
        end = question.index(b"\0", 12) + 5
        kind = struct.unpack_from("!H", question, end - 4)[0]
        answer = b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, 60, 4) + address if kind == _A else b""
        header = question[:2] + struct.pack("!HHHHH", _RESPONSE, 1, bool(answer), 0, 0)
        listening.sendto(header + question[12:end] + answer, peer)
