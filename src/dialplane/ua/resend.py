"""Sending again until somebody says stop. RFC 3261 §13.3.1.4 (2xx to INVITE), RFC 3262 §3 (reliable provisionals)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.ua.endpoint import Endpoint
    from dialplane.ua.transport import Flow


class Resender:
    """T1, doubled each time up to ``most``; after 64·T1 it gives up and says so."""

    def __init__(
        self,
        endpoint: Endpoint,
        flow: Flow,
        data: bytes,
        *,
        most: float,
        on_timeout: Callable[[], None],
        on_again: Callable[[], None] | None = None,
    ) -> None:
        self._endpoint, self._flow, self._data = endpoint, flow, data
        self._most, self._on_timeout, self._on_again = most, on_timeout, on_again
        self._loop = asyncio.get_running_loop()
        self._interval = endpoint.t1
        self._end = self._loop.time() + 64 * endpoint.t1
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(self._interval, self._again)

    def stop(self) -> None:
        """It has arrived."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        now = self._loop.time()
        if now >= self._end:
            self._timer = None
            self._on_timeout()
            return
        self._endpoint.send(self._flow, self._data)
        if self._on_again is not None:
            self._on_again()
        self._interval = min(2 * self._interval, self._most)
        self._timer = self._loop.call_at(min(now + self._interval, self._end), self._again)
