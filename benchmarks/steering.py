"""What steering costs: processor time for each datagram with the kernel's eBPF program, the classic one, and none.

``python -m benchmarks.steering [FILE]`` sends INVITEs over loopback to a group of two sockets, in one process, so that
its own processor time holds all that the kernel does for them. The three take turns; the difference of their medians is
the cost. Root, or CAP_BPF and CAP_NET_ADMIN. The raw times are written to FILE.
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import time
from pathlib import Path

from benchmarks import machine
from dialplane.supervisor import spread
from dialplane_native.server import Steering

MESSAGE = (Path(__file__).parent / "load" / "messages" / "invite-desk.sip").read_bytes().replace(b"\n", b"\r\n")
WAYS = ("none", "classic", "ebpf")
ROUNDS, BATCHES, BATCH = 9, 800, 64


def measure(way: str) -> float:
    """Microseconds of processor time for each datagram, sent and received."""
    group = []
    port = 0
    for _ in range(2):
        member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        member.bind(("127.0.0.1", port))
        member.setblocking(False)
        port = member.getsockname()[1]
        group.append(member)
    steering = None
    if way == "ebpf":
        steering = Steering([[member.fileno() for member in group]])
    elif way == "classic" and (refusal := spread.attach(group)) is not None:
        raise refusal
    buffer = bytearray(2048)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        begin = time.process_time()
        for _ in range(BATCHES):
            for _ in range(BATCH):
                sender.send(MESSAGE)
            received = 0
            for member in group:
                try:
                    while True:
                        received += member.recv_into(buffer) > 0
                except BlockingIOError:
                    pass
            if received != BATCH:
                raise RuntimeError(f"{received} of {BATCH} datagrams arrived")
        used = time.process_time() - begin
    for member in group:
        member.close()
    del steering
    return used * 1e6 / (BATCHES * BATCH)


def main() -> None:
    """Measures, prints, writes."""
    raw: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            raw[way].append(round(measure(way), 4))
    medians = {way: statistics.median(times) for way, times in raw.items()}
    costs = {way: round(medians[way] - medians["none"], 3) for way in WAYS[1:]}
    result = {"machine": machine.facts(), "octets": len(MESSAGE), "microseconds": raw, "cost": costs}
    print(json.dumps(result, indent=1))
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
