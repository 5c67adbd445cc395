"""What a test wants of the server, in the suite's own words, and what it may do with one that runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.interop.namespace import SUBJECT

EVERYBODY = ("192.0.2.0/24",)
"""All hosts of the test network, for :attr:`Setup.trusted`."""


@dataclass(frozen=True)
class User:
    """A subscriber with a password."""

    name: str
    password: str
    domain: str = "example.org"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A routing rule: the first whose conditions hold decides. Exactly one of the actions is given."""

    methods: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    strip: int = 0
    """Characters to take off the front of the user part before forwarding."""
    forward: str | None = None
    """A SIP URI, ``request-uri``, or ``gateways`` for those of the setup."""
    lookup: bool = False
    redirect: tuple[str, ...] = ()
    status: int = 302
    redirect_lookup: bool = False
    table: tuple[tuple[str, str], ...] = ()
    """Numbers and the URI each one leads to."""
    reply: int | None = None


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What the server shall do."""

    host: str = SUBJECT
    port: int = 5060
    also: tuple[str, ...] = ()
    """Further addresses to listen on, same port."""
    domains: tuple[str, ...] = ("example.org",)
    users: tuple[User, ...] = (User("alice", "wonderland"), User("bob", "builder"))
    algorithms: tuple[str, ...] = ("MD5",)
    register_auth: bool = True
    call_auth: bool = False
    record_route: bool = False
    trusted: tuple[str, ...] = ()
    """Who is never challenged, and may be relayed to other domains."""
    rules: tuple[Rule, ...] = ()
    """Without a rule that fits: our domains are looked up in the location table, others go where the URI says."""
    gateways: tuple[str, ...] = ()
    """SIP URIs; each is tried when the one before it fails."""
    min_expires: int = 60
    max_expires: int = 7200
    default_expires: int = 3600
    workers: int = 2
    bans: bool = True
    """Whether who sends nothing but nonsense is banned in the end."""
    transports: tuple[str, ...] = ("udp",)
    """What it listens on: ``udp`` and ``tcp`` on :attr:`port`, ``tls`` on the next, ``ws`` on 8080, ``wss`` on 8443."""
    certificate: tuple[Path, Path] | None = None
    """Chain and key, for ``tls``."""
    authorities: Path | None = None
    """Whose certificates it accepts from a next hop, PEM."""


class Server(Protocol):
    """A running server."""

    setup: Setup

    @property
    def pid(self) -> int:
        """The process that owns all others of this server."""

    def processes(self) -> dict[str, list[int]]:
        """Ids by part: ``supervisor`` (one), ``worker``, ``control`` (may be empty)."""

    def kill_all(self) -> None:
        """SIGKILL to every process at once."""

    def start(self) -> None:
        """Starts it, again after a death with the same data, and returns once it answers."""

    def stop(self) -> None:
        """A graceful end."""

    def reload(self, *, changed: bool) -> None:
        """Has it read its configuration again, as it is or changed in what matters to nobody."""

    def upgrade(self) -> None:
        """Brings the installed version into every process."""

    def locations(self) -> dict[str, set[str]]:
        """The database of record as any SQL client reads it: address-of-record → contact URIs that have not expired."""

    def log(self) -> str:
        """What it has logged."""
