"""The whole server as its users start it: ``dialplane serve`` in processes of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .edge import Edge
from .running import Server


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers, and ends them with the test."""
    made: list[Server] = []

    def make(**options: Any) -> Server:
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        made.append(Server(folder, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """A running server with the user alice."""
    running = make_server()
    running.add_user("alice")
    running.start()
    return running


@pytest.fixture
def make_edge(make_server: Callable[..., Server], tmp_path: Path) -> Iterator[Callable[..., Edge]]:
    """Makes one, and closes its connections with the test."""
    with contextlib.ExitStack() as stack:

        def make(more: str = "", **options: Any) -> Edge:
            made = Edge(make_server, tmp_path, more, **options)
            stack.enter_context(made.opened)
            return made

        yield make


@pytest.fixture
def edge(make_edge: Callable[..., Edge]) -> Edge:
    """Running, with the users alice and bob."""
    made = make_edge()
    for user in ("alice", "bob"):
        made.server.add_user(user)
    made.server.start()
    return made
