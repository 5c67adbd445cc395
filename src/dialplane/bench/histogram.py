"""Times in bins that grow with them: each within 0.8 % whatever its size, and several processes add up exactly."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FINE = 8
"""Bits of a number that count."""


class Histogram:
    """Microseconds and how often each was seen."""

    __slots__ = ("counts", "greatest", "total")

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.total = 0
        self.greatest = 0

    def add(self, value: int) -> int:
        """One more; gives the bin that it fell into."""
        value = max(value, 0)
        number = bin_of(value)
        self.counts[number] += 1
        self.total += 1
        self.greatest = max(self.greatest, value)
        return number

    def merge(self, other: Histogram) -> None:
        """All that another one has."""
        self.counts.update(other.counts)
        self.total += other.total
        self.greatest = max(self.greatest, other.greatest)

    def percentile(self, share: float) -> int:
        """What ``share`` (0 to 1) of the values do not exceed; 0 when there are none."""
        return percentile(self.counts, share, self.greatest)

    def above(self, value: int) -> int:
        """How many are surely greater."""
        edge = bin_of(value)
        return sum(count for number, count in self.counts.items() if number > edge)


def bin_of(value: int) -> int:
    """The bin that a value falls into."""
    shift = value.bit_length() - _FINE
    return value if shift <= 0 else (shift << _FINE - 1) + (value >> shift)


def top_of(number: int) -> int:
    """The greatest value of a bin."""
    if number < 1 << _FINE:
        return number
    shift = (number >> _FINE - 1) - 1
    return (number - (shift << _FINE - 1) + 1 << shift) - 1


def percentile(counts: Mapping[int, int], share: float, greatest: int) -> int:
    """As :meth:`Histogram.percentile`, over bins and their counts."""
    left = share * sum(counts.values())
    for number in sorted(counts):
        left -= counts[number]
        if left <= 1e-9:
            return min(top_of(number), greatest)
    return greatest
