"""What a measurement shall do: the same for every process of it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from dialplane.bench.users import User
    from dialplane.ua.resolve import Hop


class Workload(enum.Enum):
    """What is done again and again."""

    OPTIONS = "options"
    REGISTER = "register"
    CALL = "call"
    MESSAGE = "message"


class Arrivals(enum.Enum):
    """When the next one begins."""

    POISSON = "poisson"
    CONSTANT = "constant"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement, as the command line asked for it."""

    workload: Workload
    hop: Hop
    """The server."""
    users: list[User]
    to: list[str]
    """Whom calls, messages and OPTIONS are for; empty: each other, and OPTIONS for the server."""
    arrivals: Arrivals = Arrivals.POISSON
    processes: int = 1
    sockets: int = 1
    """Sockets or connections of each process."""
    host: str | None = None
    port: int = 0
    authorities: Path | None = None
    patience: float = 5.0
    """Seconds until a request that has no final response counts as lost."""
    hold: float = 1.0
    """Seconds that a call stands."""
    ring: float = 0.0
    """Seconds until our callee answers."""
    expires: int = 300
    size: int = 100
    """Octets of a MESSAGE."""
    is_registering: bool = False
    """Whether all users are registered before the measurement."""
    is_fresh: bool = False
    """Whether every request waits for a challenge of its own."""
    algorithm: str | None = None
    """The one algorithm of digest to be used."""
    max_lag: float = 0.02
    """Seconds by which a request may leave too late before the generator says that it could not keep up."""
    seed: int = 1

    @property
    def main(self) -> str:
        """The time that stands for the whole."""
        return {
            Workload.OPTIONS: "OPTIONS to 200",
            Workload.REGISTER: "REGISTER to 200",
            Workload.CALL: "INVITE to 200",
            Workload.MESSAGE: "MESSAGE to 200",
        }[self.workload]


class Step(msgspec.Struct, frozen=True):
    """One rate for some time."""

    rate: float
    """Arrivals per second of this process."""
    seconds: float
    begin: int
    """Nanoseconds of the monotonic clock."""
    number: int = 0
