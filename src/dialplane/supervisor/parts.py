"""What the supervisor is put together from. Tests put in programs of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

import msgspec

from dialplane.configuration.native import check_natively
from dialplane.database import database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from dialplane.config import Config
    from dialplane.configuration.problem import KeyPath
    from dialplane_native.server import Steering


class SharedStore(Protocol):
    """What the supervisor does with the shared store: have it ready before others open it, close it after them."""

    @property
    def discarded(self) -> bool:
        """Whether it is empty because it is new or had to be given up."""

    @property
    def given_up(self) -> str | None:
        """Why what was there could not be used."""

    def bans(self) -> list[tuple[str, float, str]]:
        """Source, Unix time of the end, reason."""

    def ban(self, address: str, seconds: float) -> str:
        """Returns the name of the source."""

    def lift(self, address: str) -> str | None:
        """Returns the name of the source, if it was banned."""

    def tell_bans(self, steering: Steering) -> None:
        """Tells the kernel's program of all bans."""

    def targets(self, config_json: bytes) -> bytes:
        """How the targets of a configuration do, as JSON."""

    def drain(self, uri: str, on: bool) -> None:  # noqa: FBT001 - the native signature
        """Lets a target get no new calls, or again."""

    def close(self, clean: bool = ...) -> None:  # noqa: FBT001 - the native signature
        """``clean``: keep it over a boot."""


def open_shared_store(folder: Path) -> SharedStore:
    """Makes the shared store, or puts it in order."""
    from dialplane_native.server import Store  # noqa: PLC0415 - loads the extension only where it is used

    return Store(str(folder), "supervisor")


async def prepare_database(config: Config) -> None:
    """Sees that the database is there, and makes its tables. Raises :class:`DatabaseError`."""
    if config.database.url != "none":
        async with database(config.database.url):
            pass


def python_program(module: str) -> list[str]:
    """A command that runs ``module`` with this interpreter, whatever the environment or the working folder says."""
    return [sys.executable, "-I", "-m", module]


class Parts(msgspec.Struct, frozen=True):
    """The programs that are started and the native functions that are called."""

    worker: list[str] = msgspec.field(default_factory=lambda: python_program("dialplane.worker"))
    control: list[str] | None = msgspec.field(default_factory=lambda: python_program("dialplane.control"))
    open_store: Callable[[Path], SharedStore] = open_shared_store
    check: Callable[[Config], list[tuple[KeyPath, str]]] = check_natively
    prepare: Callable[[Config], Awaitable[None]] = prepare_database
