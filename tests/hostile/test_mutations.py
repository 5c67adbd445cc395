"""Good messages made bad: cut, repeated, with bits turned; by seeded chance, so that a failure can be had again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from . import corpus
from .corpus import ANSWERED, DROP, REFUSED, Case

SEED = int(os.environ.get("DIALPLANE_SEED", "2026"))
COUNT = int(os.environ.get("DIALPLANE_MUTATIONS", "500"))


def good_messages() -> list[bytes]:
    """All that are well formed and fit into a datagram."""
    return [path.read_bytes() for path in sorted((corpus.SHARED / "messages").glob("*.sip"))]


def cut(message: bytes, chance: random.Random) -> bytes:
    return message[: chance.randrange(len(message))]


def turn_bits(message: bytes, chance: random.Random) -> bytes:
    changed = bytearray(message)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def repeat_line(message: bytes, chance: random.Random) -> bytes:
    lines = message.split(b"\r\n")
    place = chance.randrange(len(lines))
    return b"\r\n".join([*lines[:place], *[lines[place]] * chance.randint(2, 40), *lines[place + 1 :]])


def drop_octets(message: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(message))
    return message[:start] + message[start + chance.randint(1, 30) :]


def insert_octets(message: bytes, chance: random.Random) -> bytes:
    odd = (
        b"\0",
        b"\r\n",
        b"\n",
        b"%",
        b'"',
        b"<",
        b">",
        b";" * 50,
        b",",
        b" " * 500,
        b"\xff\xfe",
        b":",
        b"@",
        b"\\",
        b"\r\n ",
    )
    start = chance.randrange(len(message))
    return message[:start] + chance.choice(odd) * chance.randint(1, 5) + message[start:]


def swap_lines(message: bytes, chance: random.Random) -> bytes:
    lines = message.split(b"\r\n")
    chance.shuffle(lines)
    return b"\r\n".join(lines)


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    cut,
    turn_bits,
    repeat_line,
    drop_octets,
    insert_octets,
    swap_lines,
)


def mutated(number: int, messages: list[bytes]) -> Case:
    """The same number makes the same message, as long as the corpus is the same."""
    chance = random.Random(f"{SEED}/{number}")
    octets = chance.choice(messages)
    for _ in range(chance.randint(1, 3)):
        octets = chance.choice(WAYS)(octets, chance) or b"\0"
    return Case("mutated", f"{SEED}-{number}", (octets[:65507],), ANSWERED | REFUSED | {DROP, "302"})


@pytest.fixture(scope="module")
def messages() -> list[bytes]:
    return good_messages()


@pytest.mark.parametrize("number", range(COUNT))
def test_mutated(attack: Callable[[Case], None], messages: list[bytes], number: int) -> None:
    """What it is answered is left open; how much and to whom is not."""
    attack(mutated(number, messages))


def test_chance_is_seeded() -> None:
    """The same seed makes the same messages."""
    first, second = random.Random("x"), random.Random("x")
    message = Path(__file__).read_bytes()
    assert [way(message, first) for way in WAYS] == [way(message, second) for way in WAYS]
