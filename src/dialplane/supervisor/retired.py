"""Processes that an upgrade has replaced, and that go on as long as they have connections."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from dialplane.supervisor.child import Child

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.supervisor.child import Message
    from dialplane.supervisor.succession import Heir

_log = structlog.get_logger()


class Retired:
    """Those that had the place of one worker before."""

    def __init__(self, name: str, on_change: Callable[[], None]) -> None:
        self._name = name
        self._on_change = on_change
        self._connections: dict[Child, int | None] = {}
        """How many each has; ``None`` until it has told."""
        self._told = asyncio.Event()

    def children(self) -> list[Child]:
        """The processes."""
        return list(self._connections)

    def bequeath(self) -> list[Heir]:
        """The processes, for a successor of this one."""
        return [
            msgspec.structs.replace(child.bequeath(), connections=connections)
            for child, connections in self._connections.items()
        ]

    async def take(self, child: Child, grace: float, longest: float) -> None:
        """Has ``child`` retire; returns when it serves nothing but its connections, or has ended because it has
        none. One that takes longer than ``grace`` seconds for that is ended.
        """
        self._connections[child] = None
        child.on_message, child.on_exit = self._on_message, self._on_exit
        child.send({"retire": longest})
        try:
            async with asyncio.timeout(grace + 1):
                while child in self._connections and self._connections[child] is None:
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            await child.finish(0)

    def adopt(self, heir: Heir) -> None:
        """Takes one that a predecessor of this process left."""
        child = Child.adopt(self._name, heir, on_message=self._on_message, on_exit=self._on_exit)
        self._connections[child] = heir.connections

    def facts(self) -> list[dict[str, Any]]:
        """For ``dialplane status``."""
        return [
            {
                "process": f"{self._name} before",
                "pid": child.pid,
                "ready": True,
                "started": round(time.time() - (time.monotonic() - child.started), 3),
                "restarts": 0,
                "last_gap": None,
                "connections": connections,
            }
            for child, connections in self._connections.items()
        ]

    def _on_message(self, child: Child, message: Message) -> None:
        if "retired" in message:
            self._connections[child] = int(message["retired"])
            self._told.set()
            self._on_change()

    def _on_exit(self, child: Child) -> None:
        del self._connections[child]
        self._told.set()
        if child.exit_status:
            _log.error("died", process=self._name, pid=child.pid, how=child.how_it_ended)
        self._on_change()
