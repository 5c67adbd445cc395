"""An event loop whose clock jumps: hours of timers in milliseconds, in the same order every time.

Sockets work as ever, without waiting for them costing virtual time; but a test that needs none is quicker.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")
_PATIENCE = 5.0
"""Real seconds for what comes from outside, such as a thread, when nothing else is left to happen."""


class StuckError(RuntimeError):
    """Everybody waits and no timer runs: the test would wait for ever."""


class _Selector(selectors.DefaultSelector):
    """Never waits while a timer runs: the clock goes on to it instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            events = super().select(_PATIENCE)
            if not events:
                raise StuckError("nothing is left to happen, and the test still waits")
            return events
        events = super().select(0)
        if not events and timeout > 0:
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds since the loop began, and a thousand, so that nothing is at zero."""
        return 1000.0 + self._virtual.now


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """As ``asyncio.run``, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
