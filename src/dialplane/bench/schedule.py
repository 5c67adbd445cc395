"""When things begin: arrivals in nanoseconds of the monotonic clock, and an alarm that keeps to them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import sys
import time
from typing import TYPE_CHECKING, Protocol

from dialplane.bench.plan import Arrivals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MONOTONIC, _ABSOLUTE = 1, 1


def arrivals(kind: Arrivals, *, rate: float, begin: int, end: int, seed: int, offset: float) -> Iterator[int]:
    """Points in time from ``begin`` on and before ``end``, ``rate`` in a second.

    ``offset`` (0 to 1) shifts a constant rate, so that several processes do not send at the same moments.
    """
    if rate <= 0:
        return
    chance = random.Random(seed)  # noqa: S311 - load, no secret
    gap = 1e9 / rate
    place = gap * offset if kind is Arrivals.CONSTANT else chance.expovariate(1.0) * gap
    while begin + place < end:
        yield begin + int(place)
        place += gap if kind is Arrivals.CONSTANT else chance.expovariate(1.0) * gap


class Alarm(Protocol):
    """Calls back at a point in time."""

    def now(self) -> int:
        """The clock, in nanoseconds."""

    def set(self, when: int, work: Callable[[], None]) -> None:
        """Calls ``work`` at ``when``, or at once if that has passed."""

    def close(self) -> None:
        """No more."""


class LoopAlarm:
    """By the event loop's own timers: a millisecond late with most loops, exact in virtual time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> int:
        """The loop's clock."""
        return round(self._loop.time() * 1e9)

    def set(self, when: int, work: Callable[[], None]) -> None:
        """See :class:`Alarm`."""
        self._timer = self._loop.call_at(when / 1e9, work)

    def close(self) -> None:
        """See :class:`Alarm`."""
        if self._timer is not None:
            self._timer.cancel()


class KernelAlarm:
    """By a timer of Linux (timerfd), which has no grain: a loop that waits in milliseconds would be late by one."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "no timer")
        self._work: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._ring)

    def now(self) -> int:
        """The monotonic clock."""
        return time.monotonic_ns()

    def set(self, when: int, work: Callable[[], None]) -> None:
        """See :class:`Alarm`. A time of 0 would disarm it."""
        self._work = work
        seconds, rest = divmod(max(when, 1), 1_000_000_000)
        setting = (ctypes.c_long * 4)(0, 0, seconds, rest)
        self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, setting, None)

    def _ring(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        self._work()

    def close(self) -> None:
        """See :class:`Alarm`."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)


def best_alarm() -> Alarm:
    """The most exact one that this system has."""
    return KernelAlarm() if sys.platform == "linux" else LoopAlarm()
