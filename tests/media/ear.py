"""A listener that can be waited for, and two sessions put together."""

from __future__ import annotations

import asyncio

from dialplane.media import MediaSession


class Ear:
    """Hears, and tells when it has heard so much."""

    def __init__(self) -> None:
        self.samples = b""
        self.rate = 0
        self._wanted = 0
        self._enough = asyncio.Event()

    def write(self, samples: bytes, rate: int) -> None:
        self.samples += samples
        self.rate = rate
        if len(self.samples) >= self._wanted:
            self._enough.set()

    async def hear(self, seconds: float) -> bytes:
        """What is heard from now on, for so long."""
        start = len(self.samples)
        self._wanted = start + int(seconds * 2 * (self.rate or 8000))
        self._enough.clear()
        await asyncio.wait_for(self._enough.wait(), seconds + 5)
        return self.samples[start : self._wanted]


def connect(caller: MediaSession, callee: MediaSession) -> None:
    """Offer, answer."""
    caller.accept(callee.answer(caller.offer()))
