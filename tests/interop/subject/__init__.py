"""What is under test, behind one face: a setup in the suite's own words, and a server that lives by it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .dialplane import Dialplane
from .kamailio import Kamailio
from .setup import EVERYBODY, Rule, Server, Setup, User

__all__ = ["EVERYBODY", "NAME", "Rule", "Server", "Setup", "User", "serving"]

NAME = os.environ.get("DIALPLANE_SUBJECT", "dialplane")
"""The subject of this run."""

_SUBJECTS: dict[str, Callable[[Setup, Path], Server]] = {"dialplane": Dialplane, "kamailio": Kamailio}


@contextmanager
def serving(setup: Setup, folder: Path) -> Iterator[Server]:
    """A server for this setup with its data in ``folder``; it answers when this yields and is gone afterwards."""
    server = _SUBJECTS[NAME](setup, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
