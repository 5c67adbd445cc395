"""Sources whose messages are dropped: in the shared store, where every worker looks, and in the kernel's program."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dialplane.config import Config
    from dialplane.supervisor.parts import SharedStore
    from dialplane_native.server import Steering


class Bans:
    """What the operator says about bans. Those that a worker imposes it tells the kernel itself."""

    def __init__(self, store: SharedStore, steering: Steering | None) -> None:
        self._store = store
        self._steering = steering

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """To ``dialplane bans``."""
        match question["ask"]:
            case "ban":
                return {"banned": self._ban(question["address"], question["seconds"])}
            case "lift":
                return {"lifted": self._lift(question["address"])}
            case _:
                return {"bans": self._store.bans()}

    def adapt(self, config: Config) -> None:
        """Ends the bans of those whom the configuration vouches for; the kernel gets the rest."""
        allowed = [ipaddress.ip_network(text) for text in (*config.guard.allow, *config.proxy.trusted)]
        for source, _, _ in self._store.bans():
            network = ipaddress.ip_network(source)
            if any(network.version == other.version and network.overlaps(other) for other in allowed):
                self._lift(source)
        if self._steering is not None:
            self._store.tell_bans(self._steering)

    def _ban(self, address: str, seconds: float) -> str:
        if self._steering is not None:
            self._steering.ban(address, seconds)
        return self._store.ban(address, seconds)

    def _lift(self, address: str) -> str | None:
        if self._steering is not None:
            self._steering.lift(address)
        return self._store.lift(address)
