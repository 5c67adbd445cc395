"""What the kernels compute, written to be read: G.711 by its decision values, tone power by its definition.

Slow on purpose. The tests compare the kernels with it: G.711 over all samples and codes.
"""

from __future__ import annotations

import cmath
import math
from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

ULAW_DECISIONS = [((16 + step) << (segment + 3)) - 132 for segment in range(8) for step in range(16)]
"""Smallest magnitude of each positive µ-law code, in 16-bit samples (the tables of G.711 count in steps of four)."""

ALAW_DECISIONS = [16 * step for step in range(16)] + [
    (16 + step) << (segment + 3) for segment in range(1, 8) for step in range(16)
]
"""Smallest magnitude of each positive A-law code, in 16-bit samples (the tables of G.711 count in steps of sixteen)."""


def encode_ulaw(samples: Buffer, /) -> bytes:
    """Codes of ``samples``. ITU-T G.711 Tables 2a and 2b: all bits inverted."""

    def code(sample: int) -> int:
        sign = 0x80 if sample < 0 else 0
        return 0xFF ^ (sign | (bisect_right(ULAW_DECISIONS, abs(sample)) - 1))

    return _encode(samples, code)


def encode_alaw(samples: Buffer, /) -> bytes:
    """Codes of ``samples``. ITU-T G.711 Tables 1a and 1b: even bits inverted, the sign bit is set for positive."""

    def code(sample: int) -> int:
        sign, magnitude = (0x80, sample) if sample >= 0 else (0, -1 - sample)
        return 0x55 ^ (sign | (bisect_right(ALAW_DECISIONS, magnitude) - 1))

    return _encode(samples, code)


def decode_ulaw(codes: Buffer, /) -> bytes:
    """Samples of ``codes``: the middle of each interval, 0 for the lowest."""

    def sample(code: int) -> int:
        index = (0xFF ^ code) & 0x7F
        width = 8 << (index >> 4)
        magnitude = ULAW_DECISIONS[index] + width // 2
        return -magnitude if not code & 0x80 else magnitude

    return _decode(codes, sample)


def decode_alaw(codes: Buffer, /) -> bytes:
    """Samples of ``codes``: the middle of each interval."""

    def sample(code: int) -> int:
        index = (0x55 ^ code) & 0x7F
        width = 8 << max(1, index >> 4)
        magnitude = ALAW_DECISIONS[index] + width // 2
        return magnitude if code & 0x80 else -magnitude

    return _decode(codes, sample)


def power(samples: Buffer, frequency: float, rate: float = 8000.0) -> float:
    """Mean square of the component at ``frequency``: the discrete Fourier transform at one frequency."""
    values = _samples(samples)
    if not 0 < frequency < rate / 2:
        raise ValueError("the frequency lies between 0 and half the rate, both excluded")
    if not values:
        return 0.0
    turn = -2j * math.pi * frequency / rate
    component = sum(value * cmath.exp(turn * n) for n, value in enumerate(values))
    return 2 * abs(component) ** 2 / len(values) ** 2


def share(samples: Buffer, frequency: float, rate: float = 8000.0) -> float:
    """Part of the energy that lies at ``frequency``."""
    tone = power(samples, frequency, rate)
    values = _samples(samples)
    energy = sum(value * value for value in values)
    return min(1.0, tone * len(values) / energy) if energy else 0.0


def _samples(samples: Buffer) -> array[int]:
    octets = bytes(memoryview(samples))
    if len(octets) % 2:
        raise ValueError("samples are two octets each: an odd number of octets was given")
    return array("h", octets)


def _encode(samples: Buffer, code: Callable[[int], int]) -> bytes:
    return bytes(code(sample) for sample in _samples(samples))


def _decode(codes: Buffer, sample: Callable[[int], int]) -> bytes:
    return array("h", [sample(code) for code in bytes(memoryview(codes))]).tobytes()
