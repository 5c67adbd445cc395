"""Keeps one process alive: starts it, replaces it at once when it dies, waits only after deaths in a row."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from dialplane.errors import UnavailableError
from dialplane.supervisor.child import Child
from dialplane.supervisor.retired import Retired

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.supervisor.child import Message
    from dialplane.supervisor.succession import Heir

    Spawn = Callable[["Keeper"], Child]

READY_TIMEOUT = 30.0
"""Seconds from the start of a process until it must be ready."""
QUICK_DEATH = 5.0
"""A process that lived for less than this many seconds died quickly."""
PATIENCE = 3
"""Quick deaths in a row that are answered at once."""
LONGEST_PAUSE = 5.0
"""Seconds between two attempts, at most."""

_log = structlog.get_logger()


class Keeper:
    """One place that is always filled by a living process."""

    def __init__(self, name: str, spawn: Spawn, on_change: Callable[[], None]) -> None:
        self.name = name
        self.child: Child | None = None
        self.restarts = 0
        self.last_gap: float | None = None
        """Seconds from the last death until the successor was ready."""
        self._spawn = spawn
        self._on_change = on_change
        self._ready = asyncio.Event()
        self._started_once = False
        self._stopping = False
        self._quick_deaths = 0
        self._died_at: float | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._answer: asyncio.Future[Message] | None = None
        self._retired = Retired(name, on_change)
        self._candidate: Child | None = None
        self._candidate_ready = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether the process of this moment serves."""
        return self._ready.is_set()

    async def start(self) -> None:
        """Starts the first process and waits until it is ready. Raises :class:`UnavailableError` when it does not."""
        child = self.child = self._spawn(self)
        ready, ended = (asyncio.create_task(event.wait()) for event in (self._ready, child.exited))
        try:
            await asyncio.wait({ready, ended}, timeout=READY_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        if not self._ready.is_set():
            if child.is_running:
                raise UnavailableError(f"{self.name}: not ready after {READY_TIMEOUT:.0f} seconds")
            raise UnavailableError(f"{self.name} cannot start: {child.last_words or child.how_it_ended}")
        self._started_once = True

    async def ask(self, message: Message, timeout: float) -> Message:  # noqa: ASYNC109 - what it means when it passes is told here
        """Says ``message`` and waits for the answer. ``{}`` when none comes: the process died, or the time passed."""
        child = self.child
        if child is None or not self.is_ready:
            return {}
        self._answer = asyncio.get_running_loop().create_future()
        try:
            if not child.send(message):
                return {}
            return await asyncio.wait_for(self._answer, timeout)
        except TimeoutError:
            return {}
        finally:
            self._answer = None

    async def stop(self, grace: float) -> None:
        """Lets the process finish for ``grace`` seconds, then ends it."""
        self._stopping = True
        if self._retry:
            self._retry.cancel()
        children = [*self._retired.children(), *([self.child] if self.child is not None else [])]
        await asyncio.gather(*(child.finish(grace) for child in children if child.is_running))

    async def replace(self, grace: float) -> None:
        """Stops the process and starts another in its place."""
        await self.stop(grace)
        self._stopping = False
        self._ready.clear()
        await self.start()

    async def renew(self, grace: float, longest: float) -> None:
        """Starts another process beside the present one, which retires once the other serves: it finishes what is
        queued, for at most ``grace`` seconds, and then serves its connections, for at most ``longest``. Raises
        :class:`UnavailableError` when the other does not serve; then the present one goes on.
        """
        self._candidate_ready.clear()
        fresh = self._candidate = self._spawn(self)
        ready, ended = (asyncio.create_task(event.wait()) for event in (self._candidate_ready, fresh.exited))
        try:
            await asyncio.wait({ready, ended}, timeout=READY_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
            self._candidate = None
        if not self._candidate_ready.is_set():
            fresh.kill()
            await fresh.exited.wait()
            raise UnavailableError(f"{self.name} cannot start: {fresh.last_words or fresh.how_it_ended}")
        old, self.child = self.child, fresh
        self._ready.set()
        if old is not None:
            await self._retired.take(old, grace, longest)
        self._on_change()

    def bequeath(self) -> Heir:
        """The process, for a successor of this one. Raises :class:`UnavailableError` when there is none."""
        child = self.child
        if child is None or not self.is_ready:
            raise UnavailableError(f"{self.name} is being replaced")
        return msgspec.structs.replace(
            child.bequeath(), restarts=self.restarts, last_gap=self.last_gap, retired=self._retired.bequeath()
        )

    def adopt(self, heir: Heir, on_message: Callable[[Child, Message], None] | None = None) -> None:
        """Takes a process that a predecessor left and that serves already."""
        self.child = Child.adopt(self.name, heir, on_message=on_message or self.on_message, on_exit=self.on_exit)
        self.restarts, self.last_gap = heir.restarts, heir.last_gap
        for retired in heir.retired:
            self._retired.adopt(retired)
        self._started_once = True
        self._ready.set()

    def kill(self) -> None:
        """Ends the process at once; another takes its place."""
        if self.child is not None:
            self.child.kill()

    async def end(self) -> None:
        """Ends the process at once and for good; returns when it is gone."""
        self._stopping = True
        if self._retry:
            self._retry.cancel()
        children = [*self._retired.children(), *([self.child] if self.child is not None else [])]
        for child in children:
            child.kill()
        for child in children:
            await child.exited.wait()

    def on_message(self, child: Child, message: Message) -> None:
        """Takes what the child says, as far as it is about its state."""
        if child is self._candidate and message.get("ready"):
            self._candidate_ready.set()
        if child is not self.child:
            return
        if message.get("ready"):
            self._ready.set()
            if self._died_at is not None:
                self.last_gap = time.monotonic() - self._died_at
                _log.info("replaced", process=self.name, pid=child.pid, milliseconds=round(self.last_gap * 1000))
                self._died_at = None
            self._on_change()
        elif ("reloaded" in message or "refused" in message) and self._answer and not self._answer.done():
            self._answer.set_result(message)

    def on_exit(self, child: Child) -> None:
        """Replaces the child, unless it was told to end or never was ready in the first place."""
        if child is not self.child:
            return
        self._ready.clear()
        if self._answer and not self._answer.done():
            self._answer.set_result({})
        if self._stopping or not self._started_once:
            return
        died = time.monotonic()
        self._died_at = self._died_at or died
        self._quick_deaths = self._quick_deaths + 1 if died - child.started < QUICK_DEATH else 0
        pause = pause_before_retry(self._quick_deaths)
        _log.error("died", process=self.name, pid=child.pid, how=child.how_it_ended, retry_in=pause)
        self.restarts += 1
        self._on_change()
        if pause:
            self._retry = asyncio.get_running_loop().call_later(pause, self._respawn)
        else:
            self._respawn()

    def facts(self) -> dict[str, Any]:
        """For ``dialplane status``."""
        child = self.child
        return {
            "process": self.name,
            "pid": child.pid if child is not None and child.is_running else None,
            "ready": self.is_ready,
            "started": round(time.time() - (time.monotonic() - child.started), 3) if child is not None else None,
            "restarts": self.restarts,
            "last_gap": self.last_gap,
        }

    def retired_facts(self) -> list[dict[str, Any]]:
        """For ``dialplane status``: of those that had this place before an upgrade."""
        return self._retired.facts()

    def _respawn(self) -> None:
        self._retry = None
        try:
            self.child = self._spawn(self)
        except OSError as error:
            # No memory, no process slots: as good as a quick death.
            self._quick_deaths += 1
            pause = max(pause_before_retry(self._quick_deaths), 0.1)
            _log.exception("cannot be started", process=self.name, error=error.strerror, retry_in=pause)
            self._retry = asyncio.get_running_loop().call_later(pause, self._respawn)


def pause_before_retry(quick_deaths: int) -> float:
    """Seconds to wait before the next attempt: none at first, then doubling from a tenth of a second."""
    if quick_deaths <= PATIENCE:
        return 0.0
    return float(min(0.1 * 2.0 ** min(quick_deaths - PATIENCE - 1, 16), LONGEST_PAUSE))
