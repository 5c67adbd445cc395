"""The workers: each keeps its index, sockets and place when its process is replaced. All have one configuration."""

from __future__ import annotations

import asyncio
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
        self.keepers = [
            Keeper(f"worker-{index}", self._spawner(index), on_change) for index in range(config.server.workers)
        ]

    async def start(self) -> None:
        """Starts all workers; returns when every one reads its sockets. Raises what kept the first one from it."""
        results = await asyncio.gather(*(keeper.start() for keeper in self.keepers), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

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

    def _spawner(self, index: int) -> Callable[[Keeper], Child]:
        def spawn(keeper: Keeper) -> Child:
            sockets = list(self._listeners.of_worker(index))

            def on_message(child: Child, message: Message) -> None:
                if "log" in message:
                    _relay(message["log"], index)
                keeper.on_message(child, message)

            return Child(
                keeper.name,
                self._program,
                boot={
                    "config": msgspec.to_builtins(self._config),
                    "worker": index,
                    "workers": self._config.server.workers,
                    "listeners": [[entry, member.fileno()] for entry, member in sockets],
                    "data": str(self._folder.store),
                    "counters": str(self._folder.counters),
                },
                inherit=[member.fileno() for _, member in sockets],
                on_message=on_message,
                on_exit=keeper.on_exit,
            )

        return spawn


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
