"""The kernel's programs that pick a worker: both tell what the engine would, and one drops what banned sources send."""

from __future__ import annotations

import hashlib
import random
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialplane_native.server import Steering

WORKERS = 4
STUN = b"\0\1\0\x10\x21\x12\xa4\x42transaction!\x80\x22\0\x0c\r\nCall-ID: 1\0"
"""A Binding request, which has no Call-ID whatever its octets look like."""
BPF = Path(__file__).parents[2] / "native" / "net" / "bpf"


def test_the_instructions_are_those_of_the_source() -> None:
    first, *instructions = (BPF / "steer.hex").read_text().splitlines()
    assert first == f"# {hashlib.sha256((BPF / 'steer.c').read_bytes()).hexdigest()}", "run make steering"
    assert len(instructions) > 100
    assert all(len(bytes.fromhex(line)) == 8 for line in instructions)


def owner(call_id: str) -> int:
    """As ``native/core/src/spread.rs`` has it."""
    value = 0x811C9DC5
    for octet in call_id.encode()[:30]:
        value = (value ^ octet) * 0x01000193 & 0xFFFF_FFFF
    return (value ^ value >> 15) % WORKERS


@pytest.fixture(params=["127.0.0.1", "::1"])
def group(request: pytest.FixtureRequest) -> Iterator[list[socket.socket]]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    members: list[socket.socket] = []
    port = 0
    for _ in range(WORKERS):
        member = socket.socket(family, socket.SOCK_DGRAM)
        member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        member.bind((request.param, port))
        port = member.getsockname()[1]
        members.append(member)
    yield members
    for member in members:
        member.close()


def receiver(group: list[socket.socket], source: socket.socket, message: bytes) -> int:
    source.sendto(message, group[0].getsockname())
    ready, _, _ = select.select(group, [], [], 5)
    assert len(ready) == 1
    assert ready[0].recv(65536) == message
    return group.index(ready[0])


@pytest.fixture
def steering(group: list[socket.socket]) -> Steering:
    return Steering([[member.fileno() for member in group]])


@pytest.fixture
def source(group: list[socket.socket]) -> Iterator[socket.socket]:
    with socket.socket(group[0].family, socket.SOCK_DGRAM) as made:
        yield made


@pytest.mark.parametrize(
    "field",
    [
        "Call-ID: {}", "CALL-ID:{}", "call-id \t: \t{}", "i:{}", "I: {}", "i : {}", "Call-ID:\r\n {}",
        "Call-Info: <http://x>\r\ni: {}", "Info: 1\r\nl:0\r\ni: {}", "Call-IDs: x\r\nCall-ID: {}",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("steering")
def test_every_form_of_the_field_at_any_place(group: list[socket.socket], source: socket.socket, field: str) -> None:
    chance = random.Random(field)
    for number in range(50):
        call_id = f"{chance.getrandbits(64):x}@host{number}"
        before = "".join(f"X-Filler: {'x' * chance.randrange(90)}\r\n" for _ in range(chance.randrange(16)))
        text = f"INVITE sip:bob@example.com SIP/2.0\r\n{before}{field.format(call_id)}\r\nCSeq: 1 INVITE\r\n\r\n"
        assert receiver(group, source, text.encode()) == owner(call_id), text


@pytest.mark.usefixtures("steering")
def test_two_thousand_calls_meet_from_both_sides(group: list[socket.socket], source: socket.socket) -> None:
    with socket.socket(group[0].family, socket.SOCK_DGRAM) as other:
        counts = [0] * WORKERS
        for number in range(2000):
            field = "i" if number % 2 else "Call-ID"
            rest = f"\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK{number}\r\n{field}: {number * 7919:x}@192.0.2.1\r\n\r\n"
            worker = receiver(group, source, f"INVITE sip:bob@example.com SIP/2.0{rest}".encode())
            assert receiver(group, other, f"SIP/2.0 180 Ringing{rest}".encode()) == worker
            counts[worker] += 1
    assert min(counts) > 400, counts


@pytest.mark.usefixtures("steering")
@pytest.mark.parametrize(
    "message",
    [b"", b"\r\n\r\n", b"x" * 60_000, b"\n" * 3000, b"INVITE\r\ni:", b"\r\nCall-ID" * 200, STUN, STUN[:20]],
)
def test_what_is_no_message_arrives_all_the_same(
    group: list[socket.socket], source: socket.socket, message: bytes
) -> None:
    receiver(group, source, message)


def test_what_a_banned_source_sends_is_dropped(
    group: list[socket.socket], source: socket.socket, steering: Steering
) -> None:
    address = group[0].getsockname()[0]
    message = b"INVITE sip:b@c SIP/2.0\r\nCall-ID: 1\r\n\r\n"
    steering.ban("192.0.2.9", 60)
    receiver(group, source, message)
    steering.ban(address, 60)
    for _ in range(3):
        source.sendto(message, group[0].getsockname())
    assert select.select(group, [], [], 0) == ([], [], [])
    assert steering.dropped() == 3
    steering.lift(address)
    receiver(group, source, message)
    steering.ban(address, 0)
    receiver(group, source, message)
    assert steering.dropped() == 3
