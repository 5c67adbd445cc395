"""The kernels over packets, mixtures, rates and G.722 against their twins, and G.722 against another implementation."""

from __future__ import annotations

import math
import random
from array import array
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.media import g722, mix, reference, reference_g722, rtp, tone
from dialplane.media.resample import Resampler

samples = st.lists(st.integers(-32768, 32767), max_size=120).map(lambda values: array("h", values).tobytes())


def speech(count: int, seed: int = 1) -> bytes:
    """Two tones and noise."""
    chance = random.Random(seed)
    return array(
        "h",
        [
            round(max(-32768, min(32767, 12000 * math.sin(n * 0.2) + 8000 * math.sin(n * 1.7) + chance.gauss(0, 3000))))
            for n in range(count)
        ],
    ).tobytes()


CORNERS = {
    "speech": speech(6400),
    "silence": bytes(3200),
    "full scale": array("h", random.Random(2).choices([-32768, 32767], k=1600)).tobytes(),
    "a step": bytes(800) + array("h", [32767] * 800 + [-32768] * 720).tobytes(),
}
NOISE = bytes(random.Random(3).randrange(256) for _ in range(1600))


@pytest.mark.parametrize("name", CORNERS)
def test_g722_codes_as_its_twin_does(name: str) -> None:
    codes = g722.Encoder().encode(CORNERS[name])
    assert codes == reference_g722.Encoder().encode(CORNERS[name])
    assert g722.Decoder().decode(codes) == reference_g722.Decoder().decode(codes)


def test_g722_decodes_whatever_comes_as_its_twin_does() -> None:
    assert g722.Decoder().decode(NOISE) == reference_g722.Decoder().decode(NOISE)


def context(mode: str) -> Any:
    found = av.CodecContext.create("g722", mode)
    found.sample_rate, found.layout = 16000, "mono"
    if mode == "w":
        found.format = "s16"
    return found


@pytest.mark.parametrize("name", CORNERS)
def test_g722_is_what_libavcodec_makes_of_it(name: str) -> None:
    encoder, expected = context("w"), b""
    for start in range(0, len(CORNERS[name]), 640):
        frame = av.AudioFrame("s16", "mono", 320)
        frame.sample_rate, frame.pts = 16000, start // 2
        frame.planes[0].update(CORNERS[name][start : start + 640])
        expected += b"".join(bytes(packet) for packet in encoder.encode(frame))
    codes = g722.Encoder().encode(CORNERS[name])
    assert codes == expected
    for octets in (codes, NOISE):
        frames = context("r").decode(av.Packet(octets))
        assert g722.Decoder().decode(octets) == b"".join(bytes(f.planes[0])[: 2 * f.samples] for f in frames)


def test_g722_does_not_care_where_packets_begin() -> None:
    one, other = g722.Encoder(), g722.Encoder()
    pieces = b"".join(one.encode(CORNERS["speech"][at : at + 640]) for at in range(0, len(CORNERS["speech"]), 640))
    assert pieces == other.encode(CORNERS["speech"])
    with pytest.raises(ValueError, match="pairs of samples"):
        g722.Encoder().encode(bytes(2))


@settings(max_examples=60, deadline=None)
@given(st.lists(samples, max_size=5), st.integers(0, 100))
def test_a_conference_is_the_sum_of_the_others(pieces: list[bytes], count: int) -> None:
    assert mix.others(pieces, count) == reference.others(pieces, count)


@settings(max_examples=60, deadline=None)
@given(samples, st.floats(-3, 3))
def test_gain(piece: bytes, gain: float) -> None:
    assert mix.scale(piece, gain) == reference.scale(piece, gain)


@pytest.mark.parametrize(
    ("rate", "to_rate"), [(8000, 16000), (16000, 8000), (44100, 8000), (8000, 48000), (48000, 8000)]
)
def test_rates_are_changed_as_the_twin_does(rate: int, to_rate: int) -> None:
    piece = speech(400)
    resampler = Resampler(rate, to_rate)
    found = array("h", resampler.convert(piece) + resampler.flush())
    expected = array("h", reference.resample(piece, rate, to_rate))
    assert abs(len(found) - len(expected)) <= 2
    assert all(abs(one - other) <= 1 for one, other in zip(found, expected, strict=False))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 300), max_size=8),
    st.sampled_from([(8000, 16000), (44100, 8000), (8000, 11025), (48000, 8000)]),
)
def test_rates_do_not_depend_on_the_pieces(sizes: list[int], rates: tuple[int, int]) -> None:
    whole = speech(sum(sizes))
    one, other = Resampler(*rates), Resampler(*rates)
    pieces, place = b"", 0
    for size in sizes:
        pieces += one.convert(whole[2 * place : 2 * (place + size)])
        place += size
    assert pieces + one.flush() == other.convert(whole) + other.flush()


@pytest.mark.parametrize(("rate", "to_rate"), [(8000, 48000), (48000, 8000), (44100, 16000)])
def test_a_tone_stays_a_tone_at_another_rate(rate: int, to_rate: int) -> None:
    out = Resampler(rate, to_rate).convert(tone.sine((1000.0,), 10000, rate, 0, rate))
    assert len(out) / 2 == pytest.approx(to_rate, rel=0.01)
    assert tone.share(out, 1000, to_rate) > 0.999


def test_what_the_lower_rate_cannot_hold_is_left_out() -> None:
    out = Resampler(48000, 8000).convert(tone.sine((6000.0,), 10000, 48000, 0, 48000))
    assert max(array("h", out[1000:])) < 30


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(50, 3900), max_size=4), st.integers(0, 10**6), st.integers(0, 60))
def test_sines(frequencies: list[float], start: int, count: int) -> None:
    ours = array("h", tone.sine(tuple(frequencies), 5000, 8000, start, count))
    theirs = array("h", reference.sine(tuple(frequencies), 5000, 8000, start, count))
    assert all(abs(one - other) <= 1 for one, other in zip(ours, theirs, strict=True))


def test_sines_that_are_too_loud_are_refused() -> None:
    with pytest.raises(ValueError, match="louder"):
        tone.sine((440.0, 880.0), 20000, 8000, 0, 10)


header = st.tuples(
    st.integers(0, 127), st.booleans(), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)
)


@given(header, st.binary(max_size=40))
def test_packets_are_written_as_the_twin_does_and_read_back(
    fields: tuple[int, bool, int, int, int], payload: bytes
) -> None:
    packet = rtp.build(*fields, payload)
    assert packet == reference.build_rtp(*fields, payload=payload)
    assert rtp.parse(packet) == (*fields, payload)


@settings(max_examples=400)
@given(st.integers(0, 255), st.binary(max_size=60))
def test_any_octets_are_read_as_the_twin_does(first: int, rest: bytes) -> None:
    packet = bytes([0x80 | first & 0x3F]) + rest
    assert rtp.parse(packet) == reference.parse_rtp(packet)
    assert rtp.parse(bytes([first]) + rest) == reference.parse_rtp(bytes([first]) + rest)
