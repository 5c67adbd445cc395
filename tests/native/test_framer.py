"""Cutting streams: any split gives the same messages."""

from __future__ import annotations

import random

import pytest

from dialplane_native import Framer, Limits, Message, ParseError, parse

from .samples import ALL, INVITE

STREAM = b"\r\n" + INVITE + b"\r\n\r\n" + b"".join(ALL) + b"\r\n\r\n\r\n\r\n" + INVITE


def feed(framer: Framer, pieces: list[bytes]) -> list[Message]:
    return [message for piece in pieces for message in framer.feed(piece)]


EXPECTED = [parse(data) for data in [INVITE, *ALL, INVITE]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, len(STREAM)])
def test_any_size_of_pieces(size: int) -> None:
    framer = Framer()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert feed(framer, pieces) == EXPECTED
    assert framer.buffered == 0
    assert framer.take_keep_alives() == 3
    assert framer.take_keep_alives() == 0


def test_any_pieces() -> None:
    chance = random.Random(5)
    for _ in range(200):
        cuts = sorted(chance.sample(range(len(STREAM)), 12))
        pieces = [STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
        assert feed(Framer(), pieces) == EXPECTED


def test_every_place_to_cut_once() -> None:
    for cut in range(len(INVITE) + 1):
        framer = Framer()
        first = framer.feed(INVITE[:cut])
        assert len(first) == (cut == len(INVITE))
        assert framer.buffered == (0 if first else cut)
        assert first + framer.feed(INVITE[cut:]) == [parse(INVITE)]


def test_messages_before_a_fault_are_not_lost() -> None:
    framer = Framer()
    assert framer.feed(INVITE + b"nonsense\r\n\r\n") == [parse(INVITE)]
    for data in (b"", INVITE):
        with pytest.raises(ParseError) as caught:
            framer.feed(data)
        assert caught.value.kind == "not-sip"
    assert framer.buffered == 0


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not-sip"),
        (INVITE.replace(b"Content-Length: 5\r\n", b""), "content-length-missing"),
        (INVITE.replace(b"h: 5", b"h: x"), "content-length"),
        (INVITE.replace(b"h: 5", b"h: 999999"), "message-too-long"),
        (b"INVITE sip:a@b SIP/2.0\r\nX: " + b"x" * 66_000, "message-too-long"),
    ],
)
def test_streams_that_end_here(data: bytes, kind: str) -> None:
    framer = Framer()
    with pytest.raises(ParseError) as caught:
        framer.feed(data)
    assert caught.value.kind == kind


def test_limits() -> None:
    framer = Framer(limits=Limits(message=100))
    with pytest.raises(ParseError):
        framer.feed(INVITE)
    assert repr(Framer()) == "<Framer, 0 octets buffered>"


def test_buffers() -> None:
    data = bytearray(INVITE)
    framer = Framer()
    messages = framer.feed(memoryview(data)[:50]) + framer.feed(data[50:])
    data[:] = bytes(len(data))
    assert messages == [parse(INVITE)]
