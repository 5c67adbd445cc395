"""What idle connections cost: memory of the workers for each, and the time of a message beside them.

``python -m benchmarks.connections [--connections 50000] [--save] [tcp|tls|ws|wss ...]``. Opens 200 connections and
then all, each with one OPTIONS request and its answer; tells the memory of the server's processes per connection
(PSS), what the kernel keeps for it (slab, halved: both ends are here), and what an OPTIONS request costs on a
standing connection beside 200 and beside all: the workers' processor time, and the round trip. Clients are processes
of their own, each at an address of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing import Pipe, Process
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from benchmarks.accounting import memory, snapshot
from benchmarks.machine import facts

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PORTS = {"tcp": 5070, "tls": 5071, "ws": 5070, "wss": 5071}
PER_CLIENT = 12_500
PER_WORKER = 17_000
"""As many fit into the 20,000 descriptors that a process often may have."""
MESSAGES = 4000
RESULTS = Path(__file__).parent / "results"
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


def client(transport: str, count: int, place: int, authority: str, control: Connection) -> None:
    """Opens connections from an address of its own, and keeps them until told to end."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.create_default_context(cafile=authority)
    kept = []
    for number in range(count):
        connected: socket.socket = socket.create_connection(
            ("127.0.0.1", PORTS[transport]), source_address=(f"127.0.1.{place}", 0)
        )
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
        for number in range(MESSAGES):
            begin = time.perf_counter()
            ask(kept[0], transport, number)
            times.append(time.perf_counter() - begin)
        control.send(statistics.median(times))


def slab() -> int:
    """Octets of the kernel's own memory."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Slab:"))


def measure(transport: str, connections: int) -> dict[str, float | str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        (folder / "dialplane.toml").write_text(
            f'[server]\nworkers = {-(-connections // PER_WORKER)}\ndata = "data"\nlog_level = "error"\n'
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
                return report(transport, connections, server.pid, str(folder / "authority.pem"))
            finally:
                server.terminate()


def report(transport: str, connections: int, supervisor: int, authority: str) -> dict[str, float | str]:
    # The first connections bring what is shared by all: buffers, caches of TLS.
    warm = start(transport, 200, 0, authority)
    warm.recv()
    alone, alone_busy = ask_many(warm, supervisor)
    before, before_slab = memory(supervisor)["total"], slab()
    clients = [
        start(transport, min(PER_CLIENT, connections - begin), place + 1, authority)
        for place, begin in enumerate(range(0, connections, PER_CLIENT))
    ]
    count = sum(control.recv() for control in clients)
    after, after_slab = memory(supervisor)["total"], slab()
    among, among_busy = ask_many(warm, supervisor)
    for control in (warm, *clients):
        control.send(False)
    return {
        "transport": transport,
        "connections": count,
        "octets_per_connection": (after - before) / count,
        "kernel_octets_per_connection": (after_slab - before_slab) / 2 / count,
        "round_trip_us_beside_200": alone * 1e6,
        "round_trip_us_beside_all": among * 1e6,
        "cpu_us_beside_200": alone_busy * 1e6,
        "cpu_us_beside_all": among_busy * 1e6,
    }


def ask_many(client: Connection, supervisor: int) -> tuple[float, float]:
    """Seconds from a request to its answer, and the server's processor time for it."""
    cores = frozenset(os.sched_getaffinity(0))
    before = snapshot(supervisor, cores)
    client.send(True)
    round_trip = client.recv()
    return round_trip, before.until(snapshot(supervisor, cores)).seconds / MESSAGES


def start(transport: str, count: int, place: int, authority: str) -> Connection:
    ours, theirs = Pipe()
    Process(target=client, args=(transport, count, place, authority, theirs), daemon=True).start()
    return ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("transports", nargs="*", default=list(PORTS), choices=list(PORTS))
    parser.add_argument("--connections", type=int, default=50_000)
    parser.add_argument("--save", action="store_true", help="keep the result in benchmarks/results")
    arguments = parser.parse_args()
    found = []
    for transport in arguments.transports:
        one = measure(transport, arguments.connections)
        found.append(one)
        print(json.dumps(one, indent=1), flush=True)
    if arguments.save:
        name = f"connections-{datetime.now(UTC):%Y-%m-%d-%H%M}.json"
        result = {"what": "idle connections: memory, and a message beside them", "machine": facts(), "results": found}
        (RESULTS / name).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
