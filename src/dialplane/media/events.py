"""Telephone events: RFC 4733. The sender makes payloads from digits, the receiver digits from payloads. No clock."""

from __future__ import annotations

import struct
from collections import deque
from typing import NamedTuple

DIGITS = "0123456789*#ABCD"
"""By their event code, RFC 4733 §3.2, Table 3."""
VOLUME = 10
"""-10 dBm0."""
END_PACKETS = 3
"""The last packet is sent three times, §2.5.1.4."""
MAX_DURATION = 0xFFFF
_EVENT = struct.Struct("!BBH")


class Sending(NamedTuple):
    """What goes out at one packet time in place of sound."""

    payload: bytes
    timestamp: int
    marker: bool


class EventSender:
    """Digits to be sent one after another, in steps of a packet time."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._waiting: deque[tuple[int, int, int]] = deque()
        self._now: tuple[int, int, int] | None = None
        self._start = 0
        self._ends = 0
        self._pause = 0

    def push(self, digits: str, *, duration: float = 0.1, pause: float = 0.06) -> None:
        """Adds digits; ``ValueError`` for what is none."""
        for digit in digits.upper():
            if digit not in DIGITS:
                raise ValueError(f"{digit!r} is no telephone event: {DIGITS}")
        ticks = min(MAX_DURATION, max(1, int(duration * self._rate)))
        for digit in digits.upper():
            self._waiting.append((DIGITS.index(digit), ticks, int(pause * self._rate)))

    def is_busy(self) -> bool:
        """Whether anything is still to be sent, pauses counted."""
        return self._now is not None or bool(self._waiting) or self._pause > 0

    def step(self, timestamp: int, ticks: int) -> list[Sending]:
        """What is to be sent in the packet time that begins at ``timestamp`` and lasts ``ticks``; [] for sound."""
        if self._now is None:
            if self._pause > 0:
                self._pause -= ticks
                return []
            if not self._waiting:
                return []
            self._now, self._start = self._waiting.popleft(), timestamp
            marker = True
        else:
            marker = False
        event, total, pause = self._now
        duration = (timestamp - self._start) % 2**32 + ticks
        if duration < total:
            return [Sending(_EVENT.pack(event, VOLUME, duration), self._start, marker)]
        self._now, self._pause = None, pause
        ended = Sending(_EVENT.pack(event, 0x80 | VOLUME, total), self._start, marker)
        return [ended, *[ended._replace(marker=False)] * (END_PACKETS - 1)]


class EventReceiver:
    """Digits from the payloads that come: one for each event, whatever gets lost of it."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None

    def take(self, timestamp: int, payload: bytes) -> str | None:
        """The digit that begins with this packet; None for its later packets and for other events."""
        if len(payload) < 4:
            return None
        event = payload[0]
        if self._last is not None:
            ahead = (timestamp - self._last[0] + 2**31) % 2**32 - 2**31
            # §2.5.1.3: an event is known by its timestamp; an older one has come out of order.
            if ahead <= 0:
                return None
        self._last = (timestamp, event)
        return DIGITS[event] if event < len(DIGITS) else None
