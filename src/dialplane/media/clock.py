"""One clock for all sessions of an event loop: a turn per packet time, and one batch to send.

Time is cut into ticks of 5 ms; what the turns of a tick have made is sent when the next begins, so packets leave in
step, however long the turns took. A member is due every so many ticks; members of the same packet time are spread over
the ticks in between, so that 200 calls are four turns of 50. A turn is told the time that the tick stands for, not that
at which it was run: what a busy process delays, it makes up for, and the timestamps of the packets stay where they
belong.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import ClassVar, Protocol

from dialplane.media.wire import Outbox, Ticker, now

TICK = 0.005
WHEEL = 64
MAX_BEHIND = 40
"""Ticks that are made up for: 200 ms. Behind that, the clock leaps."""


class Member(Protocol):
    """Who is due every now and then."""

    def turn(self, now: float, outbox: Outbox) -> None:
        """Its turn, at this monotonic time."""


class Clock:
    """Turns for the members. Runs while there are any."""

    _clocks: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Clock]] = weakref.WeakKeyDictionary()

    @classmethod
    def of_loop(cls) -> Clock:
        """The clock of the running event loop."""
        loop = asyncio.get_running_loop()
        clock = cls._clocks.get(loop)
        if clock is None:
            clock = cls._clocks[loop] = cls()
        return clock

    def __init__(self) -> None:
        self._wheel: list[dict[Member, int]] = [{} for _ in range(WHEEL)]
        self._members: dict[Member, int] = {}
        self._ticker: Ticker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick = 0
        self._start = 0.0
        self.outbox = Outbox()
        self.leaps = 0
        """Times that the process was so late that packet times were left out."""

    def add(self, member: Member, period: float) -> None:
        """From now on the member has a turn each ``period`` seconds, a multiple of 5 ms up to 300 ms."""
        ticks = round(period / TICK)
        if not 1 <= ticks < WHEEL:
            raise ValueError(f"a packet time of {period * 1000:.0f} ms: it is between 5 and 300 ms")
        self.remove(member)
        if self._ticker is None:
            self._begin()
        ahead = min(range(1, ticks + 1), key=lambda n: len(self._wheel[(self._tick + n) % WHEEL]))
        place = (self._tick + ahead) % WHEEL
        self._wheel[place][member] = ticks
        self._members[member] = place

    def remove(self, member: Member) -> None:
        """No more turns."""
        place = self._members.pop(member, None)
        if place is None:
            return
        self._wheel[place].pop(member, None)
        if not self._members:
            self._end()

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ticker = Ticker(TICK)
        self._start, self._tick = now(), 0
        self._loop.add_reader(self._ticker.fileno(), self._run)

    def _end(self) -> None:
        if self._ticker is None or self._loop is None:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._ticker.fileno())
        self._ticker.close()
        self._ticker = None
        self.outbox.flush()

    def _run(self) -> None:
        if self._ticker is None:
            return
        behind = self._ticker.ticks()
        if behind > MAX_BEHIND:
            self.leaps += 1
            self._start += (behind - MAX_BEHIND) * TICK
            behind = MAX_BEHIND
        for _ in range(behind):
            # What the last turn has made leaves at the beginning of this one: how long turns take does not show.
            self.outbox.flush()
            self._turn()

    def _turn(self) -> None:
        self._tick += 1
        place = self._tick % WHEEL
        due, self._wheel[place] = self._wheel[place], {}
        time = self._start + self._tick * TICK
        for member, ticks in due.items():
            if self._members.get(member) != place:
                continue  # removed by the turn of another
            after = (place + ticks) % WHEEL
            self._wheel[after][member] = ticks
            self._members[member] = after
            try:
                member.turn(time, self.outbox)
            except Exception as error:  # one session's fault is not that of the others
                self.remove(member)
                if self._loop is not None:
                    self._loop.call_exception_handler(
                        {"message": "a media session failed and was stopped", "exception": error}
                    )
