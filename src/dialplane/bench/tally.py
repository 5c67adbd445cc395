"""What came of a measurement. Everything that was begun is in exactly one of good, failed, lost and wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import msgspec

from dialplane.bench.histogram import Histogram

_SHOWN = 5
"""Faults that are told in words."""


@dataclass(slots=True)
class Tally:
    """Counts of one process, or of all."""

    started: int = 0
    good: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """By status and reason, or what went wrong with the connection."""
    lost: int = 0
    """No final response within the patience."""
    wrong: int = 0
    """A response, or a request at our callee, that does not fit."""
    late: int = 0
    """Of the lost, those whose response came after all."""
    resent: int = 0
    """Messages that a timer of ours sent again."""
    repeated: int = 0
    """Messages that came again."""
    strays: int = 0
    """Messages that belong to nothing."""
    dropped: int = 0
    """Datagrams that our own sockets had no room for."""
    challenged: int = 0
    first: int = 0
    """Registrations of users who had none."""
    refreshed: int = 0
    times: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    """Microseconds from when the request was due."""
    lag: Histogram = field(default_factory=Histogram)
    """Microseconds from when a request was due to when it left."""
    processor: float = 0.0
    """Seconds of processor time of the generator."""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    """The first wrong messages in words."""

    def tell(self, fault: str) -> None:
        """A wrong message."""
        if len(self.faults) < _SHOWN:
            self.faults.append(fault)

    def merge(self, other: Tally) -> None:
        """What another process has counted at the same time."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failed.update(other.failed)
        for name, times in other.times.items():
            self.times[name].merge(times)
        self.lag.merge(other.lag)
        self.seconds = max(self.seconds, other.seconds)
        self.faults = [*self.faults, *other.faults][:_SHOWN]

    @property
    def bad(self) -> int:
        """Failed, lost or wrong."""
        return sum(self.failed.values()) + self.lost + self.wrong

    @property
    def open(self) -> int:
        """Not over yet."""
        return self.started - self.good - self.bad

    @property
    def bad_share(self) -> float:
        """Of all that was started."""
        return self.bad / self.started if self.started else 0.0

    def late_share(self, max_lag: float) -> float:
        """Of all that was started, how much left later than ``max_lag`` seconds after it was due."""
        return self.lag.above(int(max_lag * 1e6)) / self.lag.total if self.lag.total else 0.0


_SUMS = (
    "started",
    "good",
    "lost",
    "wrong",
    "late",
    "resent",
    "repeated",
    "strays",
    "dropped",
    "challenged",
    "first",
    "refreshed",
    "processor",
)


class News(msgspec.Struct, frozen=True):
    """What one process tells while it works: all counts so far, and the times since it told last."""

    second: float
    started: int
    good: int
    failed: dict[str, int]
    lost: int
    wrong: int
    open: int
    resent: int
    times: dict[int, int]
    lag: int
    """Greatest of this interval, microseconds."""
