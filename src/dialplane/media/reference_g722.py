"""What ``g722`` computes, written to be read: ITU-T G.722 (09/2012), 64 kbit/s. Slow on purpose.

Each band is coded as the difference of its signal from a prediction. The quantizer's step follows the size of the
codes, the predictor (two poles, six zeros) follows the signs of what it got wrong. Encoder and decoder adapt by the
same codes, so they stay together. All numbers are 16-bit integers that saturate; fractions are in units of 2⁻¹⁵.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

MIRROR = (3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)
"""Coefficients of the quadrature mirror filter (Table 11, half of them: the rest is their mirror)."""
LOW_DECISIONS = (
    *(0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219),
    *(1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919),
)
"""Where the intervals of the 60-level quantizer begin."""
LOW_LEVELS_6 = (
    *(-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576),
    *(-7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040),
    *(-728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456),
    *(4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136),
)
LOW_LEVELS_4 = (0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0)
LOW_WEIGHTS = (-60, -30, 58, 172, 334, 538, 1198, 3042)
LOW_WEIGHT_OF = (0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0)
HIGH_LEVELS = (-7408, -1616, 7408, 1616)
HIGH_WEIGHTS = (798, -214, 798, -214)
LOGARITHM = tuple(round(2048 * 2 ** (step / 32)) for step in range(32))
"""Powers of two by thirty-seconds (Table 15, ILB)."""


def _saturated(value: int) -> int:
    return max(-32768, min(32767, value))


def _same_sign(one: int, other: int) -> bool:
    return (one < 0) == (other < 0)


class Band:
    """Quantizer and predictor of one band."""

    def __init__(self, step: int, most: int, shift: int) -> None:
        self.step = step
        self.expected = 0
        self._log = 0
        self._most, self._shift = most, shift
        self._poles = [0, 0]
        self._zeros = [0] * 6
        self._differences = [0] * 6
        self._signals = [0, 0]
        self._partials = [0, 0]
        self._from_zeros = 0

    def adapt(self, difference: int, weight: int) -> None:
        """Takes the quantized difference, and how much its code widens the step."""
        self._log = max(0, min(self._most, (self._log * 127 >> 7) + weight))
        exponent = (self._log >> 11) - self._shift
        mantissa = LOGARITHM[self._log >> 6 & 31]
        self.step = (mantissa << exponent if exponent >= 0 else mantissa >> -exponent) << 2
        signal = _saturated(self.expected + difference)
        partial = _saturated(self._from_zeros + difference)
        self._adapt_poles(partial)
        pull = 128 if difference else 0
        self._zeros = [
            _saturated((pull if _same_sign(old, difference) else -pull) + (zero * 32640 >> 15))
            for zero, old in zip(self._zeros, self._differences, strict=True)
        ]
        self._differences = [difference, *self._differences[:5]]
        self._signals = [signal, self._signals[0]]
        self._partials = [partial, self._partials[0]]
        from_poles = sum(pole * _saturated(2 * s) >> 15 for pole, s in zip(self._poles, self._signals, strict=True))
        from_zeros = sum(zero * _saturated(2 * d) >> 15 for zero, d in zip(self._zeros, self._differences, strict=True))
        self._from_zeros = _saturated(from_zeros)
        self.expected = _saturated(_saturated(from_poles) + self._from_zeros)

    def _adapt_poles(self, partial: int) -> None:
        first, second = self._poles
        last, before = self._partials
        push = _saturated(4 * first)
        push = min(32767, -push) if _same_sign(partial, last) else push
        second = (128 if _same_sign(partial, before) else -128) + (push >> 7) + (second * 32512 >> 15)
        second = max(-12288, min(12288, second))
        first = _saturated((192 if _same_sign(partial, last) else -192) + (first * 32640 >> 15))
        limit = 15360 - second
        self._poles = [max(-limit, min(limit, first)), second]


class _Bands:
    def __init__(self) -> None:
        self.low = Band(32, 18432, 8)
        self.high = Band(8, 22528, 10)
        self.line = [0] * 24

    def adapt(self, low: int, high: int) -> None:
        four = low >> 2
        self.low.adapt(self.low.step * LOW_LEVELS_4[four] >> 15, LOW_WEIGHTS[LOW_WEIGHT_OF[four]])
        self.high.adapt(self.high.step * HIGH_LEVELS[high] >> 15, HIGH_WEIGHTS[high])


class Encoder(_Bands):
    """One stream of samples."""

    def encode(self, samples: Buffer, /) -> bytes:
        """Codes, one octet for two samples."""
        values = array("h", bytes(memoryview(samples)))
        return bytes(self._code(*values[at : at + 2]) for at in range(0, len(values), 2))

    def _code(self, first: int, second: int) -> int:
        self.line = [*self.line[2:], first, second]
        odd = sum(x * c for x, c in zip(self.line[::2], MIRROR, strict=True))
        even = sum(x * c for x, c in zip(self.line[1::2], reversed(MIRROR), strict=True))
        low = self._low(_saturated((even + odd >> 14) - self.low.expected))
        high = self._high(_saturated((even - odd >> 14) - self.high.expected))
        self.adapt(low, high)
        return high << 6 | low

    def _low(self, difference: int) -> int:
        size = difference if difference >= 0 else -1 - difference
        interval = sum(size >= decision * self.low.step >> 12 for decision in LOW_DECISIONS[1:])
        if difference >= 0:
            return 61 - interval
        # The two smallest negative intervals have codes of their own, so that no code has all bits 0.
        return 63 - interval if interval < 2 else 33 - interval

    def _high(self, difference: int) -> int:
        size = difference if difference >= 0 else -1 - difference
        large = size >= 564 * self.high.step >> 12
        return (2 if difference >= 0 else 0) + (not large)


class Decoder(_Bands):
    """One stream of codes."""

    def decode(self, codes: Buffer, /) -> bytes:
        """Two samples for each octet."""
        samples = array("h", [sample for code in bytes(memoryview(codes)) for sample in self._samples(code)])
        return samples.tobytes()

    def _samples(self, code: int) -> tuple[int, int]:
        high, low = code >> 6, code & 63
        below = max(-16384, min(16383, self.low.expected + (self.low.step * LOW_LEVELS_6[low] >> 15)))
        above = max(-16384, min(16383, self.high.expected + (self.high.step * HIGH_LEVELS[high] >> 15)))
        self.adapt(low, high)
        self.line = [*self.line[2:], below + above, below - above]
        one = sum(x * c for x, c in zip(self.line[1::2], reversed(MIRROR), strict=True))
        other = sum(x * c for x, c in zip(self.line[::2], MIRROR, strict=True))
        return _saturated(one >> 11), _saturated(other >> 11)
