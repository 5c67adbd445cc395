"""Session timers: a session that nobody refreshes ends. RFC 4028."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane_native import Message

Role: TypeAlias = Literal["uac", "uas"]

LEAST = 90
"""Seconds: no session interval is shorter. §4."""


def interval_of(message: Message) -> tuple[int, Role | None] | None:
    """Session-Expires: seconds and the refresher, if it is named. §4."""
    value = message.get("Session-Expires")
    return None if value is None else _interval(value)


@functools.lru_cache(maxsize=256)
def _interval(value: str) -> tuple[int, Role | None] | None:
    """The same few values come all the time."""
    seconds, *params = (part.strip() for part in value.split(";"))
    if not seconds.isdecimal():
        return None
    refresher: Role | None = None
    for param in params:
        name, _, named = param.partition("=")
        if name.strip().lower() == "refresher" and named.strip().lower() in {"uac", "uas"}:
            refresher = "uac" if named.strip().lower() == "uac" else "uas"
    return int(seconds), refresher


def least_of(message: Message) -> int:
    """Min-SE, or what stands without it. §5."""
    value = (message.get("Min-SE") or "").partition(";")[0].strip()
    return max(int(value), LEAST) if value.isdecimal() else LEAST


class SessionTimer:
    """The timer of one session. Whoever refreshes does it at half of the interval; the other gives up a little before
    its end (§10).
    """

    def __init__(self, *, refresh: Callable[[], None], expire: Callable[[], None]) -> None:
        self._refresh, self._expire = refresh, expire
        self._timer: asyncio.TimerHandle | None = None
        self.seconds: int | None = None
        self.is_refresher = False

    def start(self, seconds: int, *, is_refresher: bool) -> None:
        """Begins anew, as after each refresh."""
        self.stop()
        self.seconds, self.is_refresher = seconds, is_refresher
        loop = asyncio.get_running_loop()
        if is_refresher:
            self._timer = loop.call_later(seconds / 2, self._refresh)
        else:
            self._timer = loop.call_later(seconds - min(32, seconds / 3), self._expire)

    def stop(self) -> None:
        """No timer runs."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.seconds = None, None
