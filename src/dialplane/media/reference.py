"""What the kernels compute, written to be read: G.711 by its decision values, tone power by its definition.

Slow on purpose. The tests compare the kernels with it: G.711 over all samples and codes. G.722 has ``reference_g722``.
"""

from __future__ import annotations

import cmath
import math
import struct
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


def sine(frequencies: tuple[float, ...], amplitude: float, rate: float, start: int, count: int) -> bytes:
    """Sines at the same time, from the sample of number ``start``."""
    values = [
        amplitude * sum(math.sin(2 * math.pi * frequency * n / rate) for frequency in frequencies)
        for n in range(start, start + count)
    ]
    return array("h", [math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1) for value in values]).tobytes()


def others(pieces: list[bytes], count: int) -> list[bytes]:
    """For each the sum of all the others."""
    tracks = [[*_samples(piece)[:count], *[0] * count][:count] for piece in pieces]
    total = [sum(column) for column in zip(*tracks, strict=True)] or [0] * count
    return [
        array("h", [_clipped(all_ - own) for all_, own in zip(total, track, strict=True)]).tobytes() for track in tracks
    ]


def scale(samples: Buffer, gain: float) -> bytes:
    """The samples, louder or quieter."""
    values = [sample * gain for sample in _samples(samples)]
    return array("h", [_clipped(int(value + math.copysign(0.5, value))) for value in values]).tobytes()


def resample(samples: Buffer, rate: int, to_rate: int) -> bytes:
    """The samples at another rate: each is the sum of those around it, weighted by a windowed sinc."""
    values = _samples(samples)
    narrow = min(1.0, to_rate / rate)
    cut, half = 0.94 * narrow, int(12 / narrow) + 1
    out = []
    for number in range((len(values) * to_rate - 1) // rate + 1 if values else 0):
        whole, part = divmod(number * rate, to_rate)
        total = weights = 0.0
        for tap in range(-half + 1, half + 1):
            x = tap - part / to_rate
            window = 0.42 + 0.5 * math.cos(math.pi * x / half) + 0.08 * math.cos(2 * math.pi * x / half)
            weight = (cut if x == 0 else math.sin(math.pi * cut * x) / (math.pi * x)) * (
                window if abs(x) <= half else 0
            )
            weights += weight
            if 0 <= whole + tap < len(values):
                total += weight * values[whole + tap]
        value = total / weights
        out.append(_clipped(int(value + math.copysign(0.5, value))))
    return array("h", out).tobytes()


def parse_rtp(packet: bytes) -> tuple[int, bool, int, int, int, bytes] | None:
    """RFC 3550 §5.1 and §5.3.1."""
    if len(packet) < 12 or packet[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
    rest = packet[12:]
    contributing, rest = rest[: 4 * (first & 15)], rest[4 * (first & 15) :]
    if len(contributing) < 4 * (first & 15):
        return None
    if first & 0x10:
        if len(rest) < 4:
            return None
        size = 4 + 4 * int.from_bytes(rest[2:4], "big")
        if len(rest) < size:
            return None
        rest = rest[size:]
    if first & 0x20:
        padding = packet[-1]
        if not 0 < padding <= len(rest):
            return None
        rest = rest[:-padding]
    return second & 0x7F, bool(second >> 7), sequence, timestamp, ssrc, rest


def build_rtp(payload_type: int, marker: bool, *fields: int, payload: bytes) -> bytes:  # noqa: FBT001 - as the kernel
    """A packet without contributing sources, extension and padding; the fields are sequence, timestamp and SSRC."""
    return struct.pack("!BBHII", 0x80, marker << 7 | payload_type, *fields) + payload


def _clipped(value: int) -> int:
    return max(-32768, min(32767, value))


def _samples(samples: Buffer) -> array[int]:
    octets = bytes(memoryview(samples))
    if len(octets) % 2:
        raise ValueError("samples are two octets each: an odd number of octets was given")
    return array("h", octets)


def _encode(samples: Buffer, code: Callable[[int], int]) -> bytes:
    return bytes(code(sample) for sample in _samples(samples))


def _decode(codes: Buffer, sample: Callable[[int], int]) -> bytes:
    return array("h", [sample(code) for code in bytes(memoryview(codes))]).tobytes()
