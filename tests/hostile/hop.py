"""A next hop for TCP and TLS: takes connections and adds each whole message to a capture."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.interop.capture import Capture, Datagram

_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)")


def messages(octets: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages at the front of what a connection has brought (RFC 3261 §18.3), and the rest."""
    whole = []
    while (end := octets.find(b"\r\n\r\n")) >= 0:
        length = _LENGTH.search(octets[: end + 2])
        size = end + 4 + int(length[1] if length else 0)
        if len(octets) < size:
            break
        whole.append(octets[:size])
        octets = octets[size:]
    return whole, octets


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def listening(
    capture: Capture, plain: Sequence[tuple[str, int]], secure: Sequence[tuple[str, int]], chain: Path, key: Path
) -> Iterator[None]:
    """Listens on some addresses with TCP and on others with TLS; what comes in is added to the capture."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: Any = self.request
            own, peer = connection.getsockname(), connection.getpeername()
            if own in secure:
                connection = context.wrap_socket(connection, server_side=True)
            octets = b""
            with connection, suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    whole, octets = messages(octets + piece)
                    capture.add([Datagram(time.time(), peer, own, message) for message in whole])

    with ExitStack() as stack:
        for address in (*plain, *secure):
            server = stack.enter_context(_Server(address, Handler))
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="hop", daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield
