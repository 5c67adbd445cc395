"""Telephone events, RFC 4733, in virtual time; and digits as tones, Q.23 and Q.24."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.media.dtmf import FREQUENCIES, Detector
from dialplane.media.events import DIGITS, EventReceiver, EventSender, Sending
from dialplane.media.tone import sine


def send(digits: str, **timing: float) -> list[list[Sending]]:
    """What goes out in each packet time until everything has been said."""
    sender, timestamp, out = EventSender(8000), 1000, []
    sender.push(digits, **timing)
    while sender.is_busy():
        out.append(sender.step(timestamp, 160))
        timestamp += 160
    return out


def test_a_digit_on_the_wire() -> None:
    """§2.5.1: one timestamp, the marker first, a duration that grows, the end three times."""
    steps = send("5", duration=0.06, pause=0.04)
    packets = [packet for step in steps for packet in step]
    assert [packet.payload.hex() for packet in packets] == ["050a00a0", "050a0140", "058a01e0", "058a01e0", "058a01e0"]
    assert [packet.marker for packet in packets] == [True, False, False, False, False]
    assert {packet.timestamp for packet in packets} == {1000}
    assert [len(step) for step in steps] == [1, 1, 3, 0, 0]


def test_the_codes_of_all_digits() -> None:
    assert [step[0].payload[0] for step in send(DIGITS, duration=0.01, pause=0.0)] == list(range(16))


@pytest.mark.parametrize("digits", ["12x", "E", "1 2"])
def test_what_is_no_digit_is_refused_whole(digits: str) -> None:
    sender = EventSender(8000)
    with pytest.raises(ValueError, match="no telephone event"):
        sender.push(digits)
    assert not sender.is_busy()


@settings(max_examples=200, deadline=None)
@given(st.text(DIGITS, max_size=8), st.integers(0, 2**32))
def test_digits_survive_loss_and_disorder(digits: str, seed: int) -> None:
    """Of each digit one packet is enough; those of a digit may overtake each other, and come twice."""
    chance = random.Random(seed)
    receiver, heard = EventReceiver(), ""
    by_digit: dict[int, list[Sending]] = {}
    for step in send(digits):
        for packet in step:
            by_digit.setdefault(packet.timestamp, []).append(packet)
    for packets in by_digit.values():
        kept = [packet for packet in packets if chance.random() > 0.5] or [packets[-1]]
        chance.shuffle(kept)
        for packet in kept:
            heard += receiver.take(packet.timestamp, packet.payload) or ""
    assert heard == digits


def test_a_late_packet_of_the_digit_before_is_no_digit() -> None:
    receiver = EventReceiver()
    assert receiver.take(1000, bytes.fromhex("018a0320")) == "1"
    assert receiver.take(4000, bytes.fromhex("020a00a0")) == "2"
    assert receiver.take(1000, bytes.fromhex("018a0320")) is None
    assert receiver.take(2**32 + 8000 & 0xFFFFFFFF, b"\x10\x0a\x00\xa0") is None  # flash, no digit
    assert receiver.take(9000, b"\x01") is None


def tones(digits: str, *, on: float = 0.06, off: float = 0.06, rate: int = 8000, amplitude: float = 5000) -> bytes:
    out = bytes(int(off * rate) * 2)
    for digit in digits:
        out += sine(FREQUENCIES[digit], amplitude, rate, 0, int(on * rate)) + bytes(int(off * rate) * 2)
    return out


def detect(samples: bytes, rate: int = 8000, piece: int = 320) -> str:
    found: list[str] = []
    detector = Detector(found.append)
    for at in range(0, len(samples), piece):
        detector.write(samples[at : at + piece], rate)
    return "".join(found)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_all_digits_are_heard(rate: int) -> None:
    assert detect(tones(DIGITS, rate=rate), rate) == DIGITS


@pytest.mark.parametrize("on", [0.055, 0.1, 1.0])
def test_a_digit_is_told_once_however_long(on: float) -> None:
    assert detect(tones("1179", on=on)) == "1179"


def noisy(samples: bytes, deviation: float) -> bytes:
    chance = random.Random(1)
    return array(
        "h", [round(max(-32768, min(32767, value + chance.gauss(0, deviation)))) for value in array("h", samples)]
    ).tobytes()


def test_digits_are_heard_in_noise_and_noise_is_no_digit() -> None:
    assert detect(noisy(tones(DIGITS, on=0.1), 700)) == DIGITS
    assert detect(noisy(bytes(16000 * 10), 4000)) == ""


@pytest.mark.parametrize("frequencies", [(697.0,), (1209.0,), (350.0, 440.0), (697.0, 1209.0, 2000.0), (480.0, 620.0)])
def test_other_tones_are_no_digit(frequencies: tuple[float, ...]) -> None:
    assert detect(sine(frequencies, 5000, 8000, 0, 8000)) == ""


def test_quiet_digits_are_heard_and_whispers_are_not() -> None:
    assert detect(tones("42", amplitude=150)) == "42"
    assert detect(tones("42", amplitude=20)) == ""
