"""The jitter buffer: holds packets just long enough that their order and their distance come back. No clock.

A packet of media time ``t`` (its timestamp in seconds) that came at ``a`` had the transit ``a - t``. The smallest
transit of the last packets is the base; how far the others lie above it is what has to be waited for: the delay aimed
at is the 98th percentile of that and one frame. A packet is due at ``t + base + delay``.

Whoever plays asks once per frame: ``take`` gives what is due. The delay changes by one frame at a time: a longer one
leaves one frame to be concealed, a shorter one drops a frame, in a pause if there is one.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import NamedTuple

import msgspec

WINDOW = 250
"""Packets whose transit counts: five seconds of 20 ms."""
RENEW = 25
"""The percentile is worked out again after so many packets."""
LEAP = 5.0
"""Seconds by which no network delays."""
MAX_HELD = 500
"""Packets in the buffer: ten seconds of 20 ms, more than anybody sends who means it well."""
MAX_CONCEALED = 5
"""Frames in a row that are concealed; behind that the other side is silent, or gone."""


class Missing(enum.Enum):
    """Why there is no packet."""

    LOST = "lost"
    """One should be there: conceal it."""
    SILENCE = "silence"
    """The other side sends nothing."""


class Held(NamedTuple):
    """A packet in the buffer."""

    sequence: int
    time: float
    payload_type: int
    payload: bytes


class Counts(msgspec.Struct):
    """What has happened to packets here."""

    late: int = 0
    """Came when their time was over."""
    duplicate: int = 0
    concealed: int = 0
    """Frames for which nothing was there in time."""
    dropped: int = 0
    """Packets thrown away to make the delay shorter."""
    resets: int = 0
    overflow: int = 0
    """Came when the buffer was full."""


class JitterBuffer:
    """Packets of one source, given back when they are due."""

    def __init__(self, clock_rate: int, *, frame: float = 0.02, minimum: float = 0.0, maximum: float = 0.4) -> None:
        self._rate = clock_rate
        self._minimum = minimum
        self._maximum = maximum
        self.frame = frame
        """Seconds in a packet, as seen."""
        self.counts = Counts()
        self._transits: deque[float] = deque(maxlen=WINDOW)
        self._restart()

    def _restart(self) -> None:
        self._held: dict[int, Held] = {}
        self._transits.clear()
        self._since = 0
        self._wanted = 2 * self.frame
        self._base = 0.0
        self._offset: float | None = None
        self._last: tuple[int, float] | None = None
        self._newest: tuple[int, int] | None = None
        self._concealed = 0
        self._absent: set[int] = set()
        self._paused = False
        self._before: tuple[int, float] | None = None
        self._seen = 0.0

    @property
    def delay(self) -> float:
        """Seconds for which a packet without jitter is held."""
        return 0.0 if self._offset is None else self._offset - self._base

    @property
    def depth(self) -> int:
        """Packets held."""
        return len(self._held)

    def put(self, sequence: int, timestamp: int, arrival: float, payload_type: int, payload: bytes) -> bool:
        """Takes a packet; False if it is of no use any more. ``sequence`` and ``timestamp`` as in the packet."""
        number, time = self._extend(sequence, timestamp)
        transit = arrival - time
        if self._transits and abs(transit - self._base) > LEAP:
            # Timestamps that leap: somebody else sends from there now.
            self._restart()
            self.counts.resets += 1
            number, time = self._extend(sequence, timestamp)
            transit = arrival - time
        self._learn(transit)
        if self._last is not None and number <= self._last[0]:
            self.counts.late += 1
            return False
        if number in self._held:
            self.counts.duplicate += 1
            return False
        if len(self._held) >= MAX_HELD:
            self.counts.overflow += 1
            return False
        self._measure(number, time)
        self._held[number] = Held(number, time, payload_type, payload)
        return True

    def skip(self, sequence: int) -> None:
        """A packet of this number has come and is no sound: it is not missing."""
        if self._newest is None or self._last is None:
            return
        number = self._newest[0] + (sequence - self._newest[0] + 0x8000) % 0x10000 - 0x8000
        if number > self._last[0] and len(self._absent) < MAX_HELD:
            self._absent.add(number)

    def take(self, now: float) -> Held | Missing:
        """What is to be played at this time."""
        if self._offset is None:
            return self._begin(now)
        self._adapt()
        half = self.frame / 2
        head = min(self._held) if self._held else None
        while head is not None and self._held[head].time + self._offset <= now + half:
            packet = self._held.pop(head)
            head = min(self._held) if self._held else None
            # The next one should have been played before now: this is what a shorter delay costs.
            if head is not None and self._held[head].time + self._offset <= now - half:
                self.counts.dropped += 1
                continue
            self._last, self._concealed, self._paused = (packet.sequence, packet.time), 0, False
            return packet
        return self._nothing(head, now + half)

    def _begin(self, now: float) -> Held | Missing:
        if not self._held:
            return Missing.SILENCE
        first = self._held[min(self._held)]
        if now < first.time + self._base + self._wanted:
            return Missing.SILENCE
        # The first is due exactly now, in the middle between too early and too late.
        self._offset = now - first.time
        del self._held[first.sequence]
        self._last = (first.sequence, first.time)
        return first

    def _nothing(self, head: int | None, due: float) -> Missing:
        if self._last is None or self._offset is None:
            return Missing.SILENCE
        number, time = self._last
        while number + 1 in self._absent:
            number += 1
            self._absent.discard(number)
            self._last, self._paused = (number, time), True
        if self._paused:
            return Missing.SILENCE
        if head == number + 1 and self._held[head].time > time + 1.5 * self.frame:
            # The next packet is here and belongs to later: the sender pauses. A pause may as well be shorter.
            if self._wanted < self.delay - self.frame:
                self._offset -= self.frame
            return Missing.SILENCE
        if head is not None and head > number + 1 and time + self.frame + self._offset <= due:
            self._last = (number + 1, time + self.frame)
        self._concealed += 1
        if self._concealed > MAX_CONCEALED:
            return Missing.SILENCE
        self.counts.concealed += 1
        return Missing.LOST

    def _learn(self, transit: float) -> None:
        self._base = min(self._base, transit) if self._transits else transit
        self._transits.append(transit)
        self._since += 1
        if self._since >= RENEW or len(self._transits) < RENEW:
            self._since = 0
            ordered = sorted(self._transits)
            self._base = ordered[0]
            late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.98))] - self._base
            self._wanted = min(self._maximum, max(self._minimum, late + self.frame))

    def _measure(self, number: int, time: float) -> None:
        before, self._before = self._before, (number, time)
        if before is None or number != before[0] + 1:
            return
        # A pause between two packets looks like a long packet: a longer one must be seen twice.
        seconds = time - before[1]
        if 0.002 <= seconds <= 0.12 and (seconds < self.frame or abs(seconds - self._seen) < 1 / self._rate):
            self.frame = seconds
        self._seen = seconds

    def _adapt(self) -> None:
        if self._offset is None:
            return
        if self._wanted > self.delay + self.frame / 2:
            self._offset += self.frame
        elif self._wanted < self.delay - 2 * self.frame:
            self._offset -= self.frame

    def _extend(self, sequence: int, timestamp: int) -> tuple[int, float]:
        if self._newest is None:
            self._newest = (sequence + 0x10000, timestamp + 2**32)
        number, ticks = self._newest
        number += (sequence - number + 0x8000) % 0x10000 - 0x8000
        ticks += (timestamp - ticks + 2**31) % 2**32 - 2**31
        if number > self._newest[0]:
            self._newest = (number, ticks)
        return number, ticks / self._rate
