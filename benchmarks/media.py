"""Calls of G.711 in one process: how regularly packets leave, and what a call costs.

    python -m benchmarks.media --calls 200 --seconds 20

One process (the subject) holds the calls: each sends a tone, receives and decodes. A second process is the other side
of all of them: it sends every packet back, and keeps when each came by the kernel's time of arrival. Added jitter is
how much later a packet left than the most punctual packet of its call, by its timestamp: 0 for a perfect clock. CPU is
that of the subject (user and system), over all of its calls. Beside it stands SIPp's ``-rtp_echo``, which sends the
same packets back and neither decodes nor encodes: the floor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from benchmarks.machine import facts
from dialplane.media import MediaSession, Tone
from dialplane.media.rtp import parse
from dialplane.media.transport import open_pair
from dialplane.media.wire import Outbox, Port, Ticker

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

RESULTS = Path(__file__).parent / "results"
DESCRIPTION = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n"


def cpu(pid: int | str = "self") -> float:
    """Seconds of processor time of a process."""
    # The scheduler's own clock of all threads, exact where /proc/PID/stat counts in ticks (see accounting.py).
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def other_side(calls: int, pipe: Connection) -> None:
    """Sends back what comes and keeps when it came."""
    pairs = [open_pair("127.0.0.1", (40000, 60000)) for _ in range(calls)]
    pipe.send([pair[0].getsockname()[1] for pair in pairs])
    ports = [Port(pair[0]) for pair in pairs]
    for port, remote in zip(ports, pipe.recv(), strict=True):
        port.direct(("127.0.0.1", remote))
    arrivals: list[list[tuple[float, int]]] = [[] for _ in ports]
    outbox, ticker = Outbox(), Ticker(0.004)
    os.set_blocking(ticker.fileno(), True)
    started = False
    while not pipe.poll():
        ticker.ticks()
        time.sleep(0.002)
        for number, port in enumerate(ports):
            for octets, arrival, _ in port.receive():
                parsed = parse(octets)
                if parsed is not None:
                    arrivals[number].append((arrival, parsed[3]))
                    outbox.put(port, octets)
        outbox.flush()
        if not started and all(arrivals):
            started = True
            pipe.send("all calls are up")
    pipe.send(arrivals)


async def subject(calls: int, seconds: float, pipe: Connection) -> dict[str, float]:
    """The calls."""
    ports = pipe.recv()
    sessions = [MediaSession(codecs=["PCMU"]) for _ in range(calls)]
    own = []
    for session, port in zip(sessions, ports, strict=True):
        own.append(int(session.offer().split(b"m=audio ")[1].split()[0]))
        session.accept(DESCRIPTION.format(port).encode())
    pipe.send(own)
    playing = [asyncio.ensure_future(session.play(Tone((440.0,)))) for session in sessions]
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    await asyncio.sleep(2)  # jitter buffers are full, everything is warm
    before, start = cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    used, passed = cpu() - before, time.monotonic() - start
    statistics = [session.statistics[0] for session in sessions]
    for session in sessions:
        session.close()
    await asyncio.gather(*playing)
    return {
        "cpu_seconds": used,
        "seconds": passed,
        "percent_of_a_core_per_call": 100 * used / passed / calls,
        "received": sum(one.packets_received for one in statistics),
        "lost": sum(one.packets_lost for one in statistics),
        "concealed": sum(one.concealed for one in statistics),
    }


def lateness(arrivals: list[list[tuple[float, int]]]) -> list[float]:
    """Of each packet but those of the first second, in seconds."""
    found = []
    for call in arrivals:
        first_time, first = call[0]
        offsets = [
            arrival - first_time - ((timestamp - first) % 2**32) / 8000
            for arrival, timestamp in call
            if arrival - first_time > 1
        ]
        base = min(offsets, default=0.0)
        found += [offset - base for offset in offsets]
    return sorted(found)


def percentile(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(len(values) * part))]


def measure(calls: int, seconds: float) -> dict[str, object]:
    """dialplane."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=other_side, args=(calls, theirs))
    process.start()
    try:
        result: dict[str, object] = dict(uvloop.run(subject(calls, seconds, ours)))
        ours.send("end")
        late = lateness(ours.recv())
    finally:
        process.join(10)
        process.terminate()
    result["added_jitter_ms"] = {
        "p50": 1000 * percentile(late, 0.5),
        "p99": 1000 * percentile(late, 0.99),
        "p999": 1000 * percentile(late, 0.999),
        "max": 1000 * late[-1],
        "packets": len(late),
    }
    return result


def measure_sipp(calls: int, seconds: float) -> dict[str, object]:
    """SIPp: all streams go to its one media port and come back."""
    with tempfile.TemporaryDirectory() as folder:
        sipp = subprocess.Popen(
            ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", "25060", "-mp", "26000", "-rtp_echo", "-nostdin"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            ports = [Port(open_pair("127.0.0.1", (40000, 60000))[0]) for _ in range(calls)]
            for port in ports:
                port.direct(("127.0.0.1", 26000))
            outbox, ticker = Outbox(), Ticker(0.02 / 4)
            packet = b"\x80\x00" + bytes(10) + bytes(160)
            while not ports[0].receive():  # until it listens
                outbox.put(ports[0], packet)
                outbox.flush()
                time.sleep(0.1)
            before, start, back, tick = cpu(sipp.pid), time.monotonic(), 0, 0
            while time.monotonic() - start < seconds:
                time.sleep(0.001)
                for _ in range(ticker.ticks()):
                    tick += 1
                    for port in ports[tick % 4 :: 4]:
                        back += len(port.receive())
                        outbox.put(port, packet)
                outbox.flush()
            used, passed = cpu(sipp.pid) - before, time.monotonic() - start
        finally:
            sipp.terminate()
            sipp.wait()
    return {
        "cpu_seconds": used,
        "seconds": passed,
        "percent_of_a_core_per_call": 100 * used / passed / calls,
        "received": back,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--save", action="store_true", help="keep the result in benchmarks/results")
    arguments = parser.parse_args()
    result = {
        "what": "calls of G.711, 20 ms, both ways, tone sent, received sound decoded",
        "when": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": facts(),
        "calls": arguments.calls,
        "dialplane": measure(arguments.calls, arguments.seconds),
        "sipp -rtp_echo (no codec)": measure_sipp(arguments.calls, arguments.seconds / 2),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.save:
        path = RESULTS / f"media-{datetime.now(tz=UTC):%Y-%m-%d-%H%M}.json"
        path.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
