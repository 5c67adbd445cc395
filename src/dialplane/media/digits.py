"""Digits that the other side presses, to be waited for: ``async for``, or so many at a time."""

from __future__ import annotations

import asyncio

MAX_WAITING = 1000


class Digits:
    """An asynchronous iterator of digits; ends with the call."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._ended = False

    def put(self, digit: str) -> None:
        """A digit has come; dropped if nobody has listened for a thousand of them."""
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put_nowait(digit)

    def end(self) -> None:
        """None will come any more."""
        if not self._ended:
            self._ended = True
            self._queue.put_nowait(None)

    def __aiter__(self) -> Digits:
        return self

    async def __anext__(self) -> str:
        digit = await self._queue.get()
        if digit is None:
            self._queue.put_nowait(None)
            raise StopAsyncIteration
        return digit

    def clear(self) -> None:
        """Forgets what has come and was not asked for."""
        while not self._queue.empty():
            if self._queue.get_nowait() is None:
                self._queue.put_nowait(None)
                return

    async def collect(self, count: int, *, timeout: float = 5.0, end: str = "") -> str:  # noqa: ASYNC109 - between digits
        """Up to ``count`` digits: fewer after ``timeout`` seconds without one, at one in ``end``, or with the call."""
        found = ""
        while len(found) < count:
            try:
                digit = await asyncio.wait_for(anext(self), timeout)
            except (TimeoutError, StopAsyncIteration):
                break
            if digit in end:
                break
            found += digit
        return found
