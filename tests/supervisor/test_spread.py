"""The program that picks a worker's socket, in the kernel that runs it."""

from __future__ import annotations

import random
import select
import socket
from typing import TYPE_CHECKING

import pytest

from dialplane.supervisor import spread

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 4


@pytest.fixture(params=["127.0.0.1", "::1"])
def group(request: pytest.FixtureRequest) -> Iterator[list[socket.socket]]:
    """Sockets of four workers on one port, with the program attached."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    sockets: list[socket.socket] = []
    port = 0
    for _ in range(WORKERS):
        member = socket.socket(family, socket.SOCK_DGRAM)
        member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        member.bind((request.param, port))
        member.settimeout(5)
        port = member.getsockname()[1]
        sockets.append(member)
    try:
        assert spread.attach(sockets) is None
        yield sockets
    finally:
        for member in sockets:
            member.close()


def receiver(group: list[socket.socket], message: bytes, source: socket.socket) -> int:
    """Index of the socket that gets ``message``."""
    source.sendto(message, group[0].getsockname())
    ready, _, _ = select.select(group, [], [], 5)
    assert len(ready) == 1
    assert ready[0].recv(65536) == message
    return group.index(ready[0])


def message(
    call_id: str, *, start: str = "INVITE sip:bob@example.com SIP/2.0", before: int = 0, name: str = "Call-ID"
) -> bytes:
    filler = f"X-Filler: {'x' * before}\r\n" if before else ""
    return (
        f"{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{random.random()}\r\n{filler}"
        f"{name}: {call_id}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@pytest.fixture
def source(group: list[socket.socket]) -> Iterator[socket.socket]:
    with socket.socket(group[0].family, socket.SOCK_DGRAM) as made:
        yield made


def test_one_sender_loads_every_worker_evenly(group: list[socket.socket], source: socket.socket) -> None:
    counts = [0] * WORKERS
    for number in range(400):
        counts[receiver(group, message(f"{number}-4711@192.0.2.1"), source)] += 1
    assert min(counts) >= 50, counts


def test_messages_of_a_call_meet_wherever_they_come_from(group: list[socket.socket], source: socket.socket) -> None:
    with socket.socket(group[0].family, socket.SOCK_DGRAM) as other:
        for number in range(100):
            call_id = f"{random.getrandbits(64):x}@host{number}"
            first = receiver(group, message(call_id), source)
            for start in ("SIP/2.0 180 Ringing", "BYE sip:alice@192.0.2.1:5060;transport=udp SIP/2.0"):
                assert receiver(group, message(call_id, start=start), other) == first


@pytest.mark.parametrize("name", ["Call-ID", "CALL-ID", "call-id", "Call-Id"])
def test_any_place_and_case(group: list[socket.socket], source: socket.socket, name: str) -> None:
    expected = receiver(group, message("0123456789@x"), source)
    for before in [*range(1, 30), 300, 650]:
        assert receiver(group, message("0123456789@x", before=before, name=name), source) == expected, before


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0",
        b"\r\n\r\n",
        b"\r\nCall-ID: too short",
        b"OPTIONS sip:a SIP/2.0\r\nCall-Info: <http://a>\r\ni:1\r\n\r\n",
        b"x" * 60000,
        b"INVITE sip:a SIP/2.0\r\nCall-ID:" + b"y" * 3000,
        b"\0\1\0\0\x21\x12\xa4\x42transaction!",
        b"\0\1\0\x10\x21\x12\xa4\x42transaction!\x80\x22\0\x0c\r\nCall-ID: 1\0",
    ],
)
def test_whatever_comes_gets_through(group: list[socket.socket], source: socket.socket, octets: bytes) -> None:
    receiver(group, octets, source)


def test_without_the_field_one_sender_keeps_its_worker(group: list[socket.socket], source: socket.socket) -> None:
    first = receiver(group, message("0", name="i"), source)
    assert all(receiver(group, message(str(number), name="i"), source) == first for number in range(20))
