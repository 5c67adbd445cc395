"""Keep-alives of a registration's flow: how often, by what, when it has failed. RFC 5626 §4.4, RFC 6223 §4.3, §5."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

from dialplane.ua.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dialplane.ua.transport.flow import Address, Flow
    from dialplane_native import Message

_STREAM_SECONDS, _DATAGRAM_SECONDS = 120, 29
"""The longest intervals that RFC 5626 §4.4.1 and §4.4.2 recommend when the server says nothing."""
_LEAST_SECONDS = 5
"""DEVIATION from RFC 5626 §4.4, "at least as often": who can write less could keep us busy (RFC 6223 §10)."""


class KeepAlive:
    """The keep-alives of one registration. ``failed`` is called when its flow has failed."""

    def __init__(
        self, spawn: Callable[[Coroutine[object, object, None]], asyncio.Task[None]], failed: Callable[[], None]
    ) -> None:
        self.seconds = 0.0
        """They are sent in intervals of 80 to 100 % of this."""
        self.is_stun = False
        """Whether the server takes STUN on a datagram flow. Line ends keep a NAT open too, but nobody answers them."""
        self.mapped: Address | None = None
        """Where the server saw us last."""
        self.had_worked = False
        """Whether the flow that has failed had answered keep-alives before, or need not."""
        self._spawn, self._failed = spawn, failed
        self._flow: Flow | None = None
        self._is_proven = False
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_proven(self) -> bool:
        """Whether this flow counts as one that works. RFC 5626 §4.5."""
        return self._is_proven or not self.is_stun

    def begin(self, flow: Flow, response: Message) -> None:
        """From a REGISTER that was accepted until the next one: what its 2xx says."""
        self.stop()
        if flow is not self._flow:
            self._flow, self.mapped, self._is_proven = flow, None, False
        kept = _kept(response)
        is_outbound = "outbound" in {tag.lower() for tag in response.elements("Require")}
        # "MUST NOT send STUN requests over a flow unless it has an explicit indication" (RFC 5626 §8).
        self.is_stun = flow.binding is not None and (kept is not None or is_outbound)
        usual = _STREAM_SECONDS if flow.reliable else _DATAGRAM_SECONDS
        self.seconds = max(kept or _seconds(response.get("Flow-Timer")) or usual, _LEAST_SECONDS)
        self._arm()

    def stop(self) -> None:
        """No more of them."""
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()

    def _arm(self) -> None:
        seconds = self.seconds * random.uniform(0.8, 1.0)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._send)

    def _send(self) -> None:
        if self.is_stun:
            self._asking = self._spawn(self._ask())
            return
        try:
            if self._flow is not None:
                self._flow.keep_alive()
        except UnreachableError:
            self._fail()
        else:
            self._arm()

    async def _ask(self) -> None:
        """RFC 5626 §4.4.2: no answer, or that of another address, is a failure of the flow."""
        mapped = None
        if self._flow is not None and self._flow.binding is not None:
            with contextlib.suppress(UnreachableError):
                mapped = await self._flow.binding.ask()
        self._asking = None
        before, self.mapped = self.mapped, mapped
        self._is_proven |= mapped is not None
        if mapped is None or mapped != (before or mapped):
            self._fail()
        else:
            self._arm()

    def _fail(self) -> None:
        self.had_worked, self._is_proven = self.is_proven, False
        self._failed()


def _kept(response: Message) -> int | None:
    """The value of ``keep`` in our Via: the next hop takes keep-alives. 0: as often as we like."""
    value = response.top_via.params.get("keep")
    return _number(value) if value else None


def _seconds(value: str | None) -> int | None:
    return None if value is None else _number(value.strip())


def _number(text: str) -> int | None:
    """At most a day: nobody waits longer for a sign of life."""
    return min(int(text), 86400) if text.isascii() and text.isdecimal() and len(text) < 10 else None
