"""The workers: each keeps its index, sockets and place when its process is replaced. All have one configuration."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import structlog

from dialplane.configuration.problem import key_path
from dialplane.supervisor.child import LARGEST_MESSAGE, Child
from dialplane.supervisor.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dialplane.config import Config
    from dialplane.configuration.problem import KeyPath
    from dialplane.supervisor.child import Message
    from dialplane.supervisor.folder import DataFolder
    from dialplane.supervisor.sockets import Listeners
    from dialplane.supervisor.succession import Heir

Refusal: TypeAlias = "tuple[KeyPath, str]"

RELOAD_TIMEOUT = 60.0
"""Seconds that a worker may take to compile a new configuration."""

_log = structlog.get_logger()


class Pool:
    """All workers of a server."""

    def __init__(
        self,
        program: Sequence[str],
        config: Config,
        *,
        folder: DataFolder,
        listeners: Listeners,
        on_change: Callable[[], None],
    ) -> None:
        self._program = program
        self._config = config
        self._folder = folder
        self._listeners = listeners
        self._on_change = on_change
        self._spare: Child | None = None
        self.keepers = [
            Keeper(f"worker-{index}", self._spawner(index), self._has_changed) for index in range(config.server.workers)
        ]

    async def start(self) -> None:
        """Starts all workers; returns when every one reads its sockets. Raises what kept the first one from it."""
        results = await asyncio.gather(*(keeper.start() for keeper in self.keepers), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def dismiss_spare(self) -> None:
        """Ends the spare process; returns when it is gone."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.on_exit = _ignore
            spare.kill()
            await spare.exited.wait()

    async def reload(self, config: Config) -> list[Refusal]:
        """Puts ``config`` in force in all workers, or, when one refuses, in none. Returns what was refused."""
        fresh = self._reload_message(config)
        children = [keeper.child for keeper in self.keepers]
        answers = await asyncio.gather(*(keeper.ask(fresh, RELOAD_TIMEOUT) for keeper in self.keepers))
        refusals = [refusal for answer in answers for refusal in _refusals(answer)]
        if refusals:
            await self._roll_back([k for k, answer in zip(self.keepers, answers, strict=True) if "reloaded" in answer])
            return refusals
        self._config = config
        for keeper, child in zip(self.keepers, children, strict=True):
            if keeper.child is not child:
                # Replaced while the others reloaded, with the old configuration.
                keeper.kill()
        return []

    async def stop(self, grace: float) -> None:
        """Lets all workers finish what is queued."""
        await asyncio.gather(*(keeper.stop(grace) for keeper in self.keepers))

    def facts(self) -> list[dict[str, Any]]:
        """For ``dialplane status``."""
        return [keeper.facts() for keeper in self.keepers]

    def retired_facts(self) -> list[dict[str, Any]]:
        """Of the processes that serve nothing but the connections which they had before an upgrade."""
        return [facts for keeper in self.keepers for facts in keeper.retired_facts()]

    def spare_facts(self) -> dict[str, Any] | None:
        """Of the process that waits to take the place of a worker."""
        spare = self._spare
        if spare is None or not spare.is_running:
            return None
        since = time.time() - (time.monotonic() - spare.started)
        return {"process": "spare", "pid": spare.pid, "ready": True, "started": since, "restarts": 0, "last_gap": None}

    async def _roll_back(self, keepers: list[Keeper]) -> None:
        old = self._reload_message(self._config)
        answers = await asyncio.gather(*(keeper.ask(old, RELOAD_TIMEOUT) for keeper in keepers))
        for keeper, answer in zip(keepers, answers, strict=True):
            if "reloaded" not in answer:
                keeper.kill()

    def _reload_message(self, config: Config) -> Message:
        octets = msgspec.json.encode(config)
        if len(octets) > LARGEST_MESSAGE:
            return {"reload": str(self._folder.write_next(octets))}
        return {"reload": msgspec.to_builtins(config)}

    def bequeath(self) -> list[Heir]:
        """The processes, for a successor of this one."""
        return [keeper.bequeath() for keeper in self.keepers]

    def adopt(self, heirs: Sequence[Heir]) -> None:
        """Takes the processes that a predecessor left."""
        for index, (keeper, heir) in enumerate(zip(self.keepers, heirs, strict=True)):
            keeper.adopt(heir, self._listener(index))

    async def renew(self, grace: float) -> None:
        """Starts each worker anew, one after the other; those before serve their connections until these have ended.
        Raises what kept one from starting; it and the rest stay.
        """
        for keeper in self.keepers:
            await keeper.renew(grace, self._config.server.retire)

    def _listener(self, index: int) -> Callable[[Child, Message], None]:
        def on_message(child: Child, message: Message) -> None:
            if "log" in message:
                _relay(message["log"], index)
            self.keepers[index].on_message(child, message)

        return on_message

    def _spawner(self, index: int) -> Callable[[Keeper], Child]:
        on_message = self._listener(index)

        def spawn(keeper: Keeper) -> Child:
            child = self._taken_spare() or self._new_child()
            child.on_message, child.on_exit = on_message, keeper.on_exit
            child.begin(
                keeper.name,
                {
                    "config": msgspec.to_builtins(self._config),
                    "worker": index,
                    "workers": self._config.server.workers,
                    "listeners": [[entry, member.fileno()] for entry, member in self._listeners.of_worker(index)],
                    "handover": self._listeners.handover(index),
                    "steering": self._listeners.steering_maps(),
                    "data": str(self._folder.store),
                    "counters": str(self._folder.counters),
                    "connections": str(self._folder.connections),
                },
            )
            return child

        return spawn

    def _new_child(self) -> Child:
        # It inherits the sockets of all workers, for nobody knows yet whose place it will take.
        return Child(
            "spare", self._program, inherit=self._listeners.descriptors(), on_message=_ignore, on_exit=self._spare_died
        )

    def _taken_spare(self) -> Child | None:
        spare, self._spare = self._spare, None
        return spare if spare is not None and spare.is_running else None

    def _has_changed(self) -> None:
        # Only when all serve: whoever is missing should not have to share the processor.
        if self._spare is None and all(keeper.is_ready for keeper in self.keepers):
            with contextlib.suppress(OSError):
                self._spare = self._new_child()
        self._on_change()

    def _spare_died(self, child: Child) -> None:
        """The next change of a worker makes another one: what kills spares must not keep us busy."""
        if child is self._spare:
            self._spare = None
            _log.warning("spare worker died", pid=child.pid, how=child.how_it_ended)


def _ignore(*_: object) -> None:
    """In the place of a callback."""


def _refusals(answer: Message) -> list[Refusal]:
    if "reloaded" in answer:
        return []
    if "refused" in answer:
        return [(key_path(str(path)), str(problem)) for path, problem in answer["refused"]] or [((), "refused")]
    return [((), "a worker died, or did not answer in time, while it compiled the new configuration")]


def _relay(line: Message, index: int) -> None:
    """Logs for a worker, which has no logger of its own."""
    rest = {str(key): value for key, value in line.items() if key not in {"event", "level"}}
    level = line.get("level")
    method = level if level in {"debug", "info", "warning", "error"} else "info"
    getattr(_log, method)(str(line.get("event", "")), worker=index, **rest)
