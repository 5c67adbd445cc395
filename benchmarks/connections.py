"""What idle connections cost: memory of the worker for each, and the time of a message beside them.

``python -m benchmarks.connections [--connections 20000] [tcp|tls|ws|wss ...]``. Opens the connections in steps, each
with one OPTIONS request and its answer, and prints resident octets of the worker per connection, and the round trip
of an OPTIONS request on the first connection before and after. Clients are processes of their own.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import Pipe, Process
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PORTS = {"tcp": 5070, "tls": 5071, "ws": 5070, "wss": 5071}
PER_CLIENT = 5000
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


def options(number: int) -> bytes:
    return (
        f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {number}@a\r\nCSeq: 1 OPTIONS\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def ask(connected: socket.socket, transport: str, number: int) -> None:
    request = options(number)
    if transport in {"ws", "wss"}:
        # A mask of zeros changes nothing.
        request = bytes([0x81, 0xFE, *len(request).to_bytes(2, "big"), 0, 0, 0, 0]) + request
    connected.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connected.recv(65536)
    assert b"SIP/2.0 200 " in answer, answer


def client(transport: str, count: int, authority: str, control: Connection) -> None:
    """Opens connections, and keeps them until told to end."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.create_default_context(cafile=authority)
    kept = []
    for number in range(count):
        connected: socket.socket = socket.create_connection(("127.0.0.1", PORTS[transport]))
        if transport in {"tls", "wss"}:
            connected = context.wrap_socket(connected, server_hostname="127.0.0.1")
        if transport in {"ws", "wss"}:
            connected.sendall(UPGRADE)
            assert b" 101 " in connected.recv(4096)
        ask(connected, transport, number)
        kept.append(connected)
    control.send(len(kept))
    while control.recv():
        times = []
        for number in range(2000):
            begin = time.perf_counter()
            ask(kept[0], transport, number)
            times.append(time.perf_counter() - begin)
        control.send(statistics.median(times))


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def worker_of(supervisor: int) -> int:
    """The worker, not the spare that was started the same way: the one that listens."""
    found = subprocess.run(["pgrep", "-P", str(supervisor), "-f", "dialplane.worker"], capture_output=True, check=True)
    return max((int(pid) for pid in found.stdout.split()), key=resident)


def measure(transport: str, connections: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        (folder / "dialplane.toml").write_text(
            '[server]\nworkers = 1\ndata = "data"\nlog_level = "error"\n'
            '[admin]\naddress = ""\n[database]\nurl = "none"\n'
            '[[listen]]\naddress = "tcp:127.0.0.1:5070"\n[[listen]]\naddress = "tls:127.0.0.1:5071"\n'
            '[[certificate]]\nchain = "server.pem"\nkey = "server.pem"\n[connections]\nmost = 1000000\n'
        )
        command = [sys.executable, "-m", "dialplane", "serve", str(folder / "dialplane.toml")]
        with subprocess.Popen(command) as server:
            try:
                while True:
                    try:
                        socket.create_connection(("127.0.0.1", 5070)).close()
                        break
                    except ConnectionRefusedError:
                        time.sleep(0.05)
                report(transport, connections, server.pid, str(folder / "authority.pem"))
            finally:
                server.terminate()


def report(transport: str, connections: int, supervisor: int, authority: str) -> None:
    # The first connections bring what is shared by all: buffers, caches of TLS.
    warm = start(transport, 200, authority)
    before = warm.recv()
    warm.send(True)
    alone = warm.recv()
    pid = worker_of(supervisor)
    before = resident(pid)
    clients = [start(transport, min(PER_CLIENT, connections), authority) for _ in range(0, connections, PER_CLIENT)]
    count = sum(control.recv() for control in clients)
    after = resident(pid)
    warm.send(True)
    among = warm.recv()
    print(
        f"{transport:4} {count:6} connections: {(after - before) / count / 1024:5.1f} KiB each; "
        f"OPTIONS and answer {alone * 1e6:.0f} µs beside 200, {among * 1e6:.0f} µs beside all"
    )
    for control in (warm, *clients):
        control.send(False)


def start(transport: str, count: int, authority: str) -> Connection:
    ours, theirs = Pipe()
    Process(target=client, args=(transport, count, authority, theirs), daemon=True).start()
    return ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("transports", nargs="*", default=list(PORTS), choices=list(PORTS))
    parser.add_argument("--connections", type=int, default=20_000)
    arguments = parser.parse_args()
    for transport in arguments.transports:
        measure(transport, arguments.connections)


if __name__ == "__main__":
    main()
