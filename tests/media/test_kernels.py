"""The kernels against their twins: G.711 over its whole domain, tones by property."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.media import g711, reference, tone

ALL_SAMPLES = array("h", range(-32768, 32768)).tobytes()
ALL_CODES = bytes(range(256))


@pytest.mark.parametrize("name", ["encode_ulaw", "encode_alaw"])
def test_every_sample_is_coded_as_the_reference_says(name: str) -> None:
    assert getattr(g711, name)(ALL_SAMPLES) == getattr(reference, name)(ALL_SAMPLES)


@pytest.mark.parametrize("name", ["decode_ulaw", "decode_alaw"])
def test_every_code_is_decoded_as_the_reference_says(name: str) -> None:
    assert getattr(g711, name)(ALL_CODES) == getattr(reference, name)(ALL_CODES)


# Ends of the tables in ITU-T G.711, in 16-bit samples.
@pytest.mark.parametrize(
    ("name", "code", "sample"),
    [
        ("decode_ulaw", 0xFF, 0),
        ("decode_ulaw", 0x7F, 0),
        ("decode_ulaw", 0x80, 32124),
        ("decode_ulaw", 0x00, -32124),
        ("decode_alaw", 0xD5, 8),
        ("decode_alaw", 0x55, -8),
        ("decode_alaw", 0xAA, 32256),
        ("decode_alaw", 0x2A, -32256),
    ],
)
def test_values_of_the_recommendation(name: str, code: int, sample: int) -> None:
    assert array("h", getattr(g711, name)(bytes([code]))).tolist() == [sample]


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_coding_a_decoded_code_gives_it_back(law: str) -> None:
    codes = getattr(g711, f"encode_{law}")(getattr(g711, f"decode_{law}")(ALL_CODES))
    negative_zero = {0x7F: 0xFF} if law == "ulaw" else {}
    assert codes == bytes(negative_zero.get(code, code) for code in ALL_CODES)


def test_a_buffer_may_begin_at_an_odd_address() -> None:
    assert g711.encode_ulaw(memoryview(b"x" + ALL_SAMPLES)[1:]) == g711.encode_ulaw(ALL_SAMPLES)


@pytest.mark.parametrize("call", [g711.encode_ulaw, g711.encode_alaw, lambda b: tone.power(b, 440)])
def test_half_a_sample_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match="odd number"):
        call(b"abc")  # type: ignore[operator]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-32768, 32767), max_size=400),
    st.floats(1, 3999),
)
def test_tone_power_is_the_fourier_component(samples: list[int], frequency: float) -> None:
    octets = array("h", samples).tobytes()
    scale = max(1.0, sum(s * s for s in samples) / max(1, len(samples)))
    assert tone.power(octets, frequency) == pytest.approx(reference.power(octets, frequency), abs=scale * 1e-6)
    assert tone.share(octets, frequency) == pytest.approx(reference.share(octets, frequency), abs=1e-6)


def sine(frequency: float, amplitude: float, count: int = 8000) -> bytes:
    return array("h", [round(amplitude * math.sin(2 * math.pi * frequency * n / 8000)) for n in range(count)]).tobytes()


def test_a_sine_has_its_power_at_its_frequency_and_nowhere_else() -> None:
    assert tone.power(sine(440, 10000), 440) == pytest.approx(10000**2 / 2, rel=1e-3)
    assert tone.share(sine(440, 10000), 440) > 0.999
    assert tone.share(sine(440, 10000), 1000) < 1e-6


def test_silence_has_no_tone() -> None:
    assert tone.share(bytes(320), 440) == 0
    assert tone.power(b"", 440) == 0


@pytest.mark.parametrize("frequency", [0, -1, 4000, 5000])
def test_a_frequency_that_cannot_be_measured_is_refused(frequency: float) -> None:
    with pytest.raises(ValueError, match="half the rate"):
        tone.power(bytes(320), frequency)
    with pytest.raises(ValueError, match="half the rate"):
        reference.power(bytes(320), frequency)
