"""Connections that never come to the point: ``python slowly.py SOURCE HOST TCP-PORT TLS-PORT WS-PORT COUNT``.

A third each begins a SIP request, a TLS handshake and a WebSocket upgrade, then adds one octet each second. Says when
all are open, and at the end after how many seconds the server had closed the last of them.
"""

from __future__ import annotations

import resource
import select
import socket
import ssl
import sys
import time

REQUEST = (
    b"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 198.51.100.1;branch=z9hG4bKslow\r\nMax-Forwards: 70\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: slow\r\nCSeq: 1 OPTIONS\r\nX: "
)
UPGRADE = b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: "


def hello() -> bytes:
    """The first flight of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="example.com")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without an answer")


def main(source: str, host: str, ports: list[int], count: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    handshake = hello()
    kinds = [(ports[0], REQUEST), (ports[1], handshake[:40]), (ports[2], UPGRADE)]
    rest = [b"x" * 1000, handshake[40:-1], b"x" * 1000]
    poll = select.poll()
    opened: dict[int, tuple[socket.socket, bytes]] = {}
    for number in range(count):
        port, first = kinds[number % 3]
        connected = socket.create_connection((host, port), source_address=(source, 0))
        connected.sendall(first)
        connected.setblocking(False)
        opened[connected.fileno()] = connected, rest[number % 3]
        poll.register(connected, select.POLLIN | select.POLLRDHUP)
    begin = time.monotonic()
    print("open", flush=True)
    turn = 0
    while opened:
        if time.monotonic() - begin > turn:
            for connected, octets in opened.values():
                try:
                    connected.send(octets[turn : turn + 1])
                except OSError:
                    continue
            turn += 1
        for descriptor, _ in poll.poll(100):
            connected, _ = opened[descriptor]
            try:
                ended = not connected.recv(65536)
            except OSError:
                ended = True
            if ended:
                poll.unregister(descriptor)
                connected.close()
                del opened[descriptor]
    print(f"closed after {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3:6]], int(sys.argv[6]))
