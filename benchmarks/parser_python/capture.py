"""Counting a large capture: how long it takes, and whether the count is right."""

from __future__ import annotations

import struct
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.parser_python.readers import Reader

REQUEST = """\
{method} sip:{number}@proxy.example.com:5060;transport=udp SIP/2.0\r
Via: SIP/2.0/UDP 192.0.2.{host}:5060;branch=z9hG4bK{branch};rport\r
Max-Forwards: 70\r
From: "Alice" <sip:alice@example.com>;tag={tag}\r
To: <sip:{number}@proxy.example.com>\r
Call-ID: {call}@192.0.2.{host}\r
CSeq: 1 {method}\r
Contact: <sip:alice@192.0.2.{host}:5060;transport=udp>\r
User-Agent: example-gateway/4.2 (build 11874210)\r
{more}Content-Length: {length}\r
\r
{body}"""
RESPONSE = """\
SIP/2.0 {status} {reason}\r
Via: SIP/2.0/UDP 192.0.2.{host}:5060;branch=z9hG4bK{branch};rport=5060;received=192.0.2.{host}\r
From: "Alice" <sip:alice@example.com>;tag={tag}\r
To: <sip:{number}@proxy.example.com>;tag={branch}\r
Call-ID: {call}@192.0.2.{host}\r
CSeq: 1 {method}\r
Content-Length: 0\r
\r
"""
BODY = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\n"
MORE = "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\nSupported: replaces, timer\r\nSession-Expires: 1800\r\n"
CALL = [("INVITE", 0), ("INVITE", 100), ("INVITE", 180), ("INVITE", 200), ("ACK", 0), ("BYE", 0), ("BYE", 200)]
REASONS = {100: "Trying", 180: "Ringing", 200: "OK"}
CALLS = 2000


def messages() -> Iterator[tuple[str, int, bytes]]:
    """Method, status (0 for a request) and octets of some calls."""
    for call in range(CALLS):
        values = {
            "number": f"+1212555{call:04}", "host": call % 200 + 1, "branch": f"{call * 7919:016x}",
            "tag": f"{call * 104729:08x}", "call": f"{call * 15485863:020}",
        }  # fmt: skip
        for method, status in CALL:
            if status:
                text = RESPONSE.format(method=method, status=status, reason=REASONS[status], **values)
            else:
                body = BODY if method == "INVITE" else ""
                more = f"{MORE}Content-Type: application/sdp\r\n" if body else ""
                text = REQUEST.format(method=method, body=body, more=more, length=len(body), **values)
            yield method, status, text.encode()


def write(path: Path, size: int) -> Counter[tuple[str, int]]:
    """Writes a capture of about that many octets and tells what is in it."""
    block, expected = [], Counter[tuple[str, int]]()
    for number, (method, status, data) in enumerate(messages()):
        expected[method, status] += 1
        frame = (
            bytes(12) + b"\x08\x00"
            + struct.pack("!BBHHHBBH4s4s", 0x45, 0, len(data) + 28, 0, 0, 64, 17, 0, b"\xc0\0\2\1", b"\xc0\0\2\2")
            + struct.pack("!HHHH", 5060, 5060, len(data) + 8, 0) + data
        )  # fmt: skip
        block += [struct.pack("<IIII", 1_700_000_000, number, len(frame), len(frame)), frame]
    octets = b"".join(block)
    times = -(-size // len(octets))
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for _ in range(times):
            file.write(octets)
    return Counter({key: number * times for key, number in expected.items()})


def columns(batches: Any) -> int:  # noqa: ANN401
    """Reads columns of all messages that are left and says how many they were."""
    return sum(len(batch.columns("method", "status", "call_id")[0]) for batch in batches)


def in_two_threads(work: Callable[[Any], int], shared: Any) -> int:  # noqa: ANN401
    """The sum of what two threads give."""
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(work, [shared] * 2))


def measure(native: Any, size: int, rounds: int, folder: str | None = None) -> dict[str, Any]:  # noqa: ANN401
    """Seconds of each round: counting with one thread and with two, and columns of every message in Python."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "large.pcap"
        expected = write(path, size)
        works: dict[str, Reader] = {
            "count, 1 thread": lambda _: native.count(path).messages,
            "count, 2 threads": lambda _: native.count(path, threads=2).messages,
            "parse_many, 3 columns, 1 thread": lambda _: columns(native.parse_many(path)),
            "parse_many, 3 columns, 2 threads": lambda _: in_two_threads(columns, native.parse_many(path)),
        }
        statistics = native.count(path)  # also brings the file into memory
        found = Counter({(method, 0): number for method, number in statistics.requests.items()})
        found.update(statistics.answers)
        if found != expected:
            raise AssertionError(f"counted {found}, not {expected}")
        seconds: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(rounds):
            for name, work in works.items():
                begin = time.perf_counter()
                if work(b"") != sum(expected.values()):
                    raise AssertionError(name)
                seconds[name].append(round(time.perf_counter() - begin, 4))
        return {"octets": path.stat().st_size, "messages": sum(expected.values()), "seconds": seconds}
