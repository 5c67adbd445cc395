"""A supervisor over small programs, in this process; and a client that asks its workers who they are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dialplane.configuration import load
from dialplane.supervisor import Parts, Supervisor

PROGRAMS = Path(__file__).parent / "programs"


class NoStore:
    """In the place of the shared store."""

    discarded = False
    given_up = None

    def close(self, clean: bool = False) -> None:
        pass

    def bans(self) -> list[tuple[str, float, str]]:
        return []


def parts(**changes: object) -> Parts:
    """Small programs in the place of worker and control."""
    chosen: dict[str, object] = {
        "worker": [sys.executable, "-I", str(PROGRAMS / "echo.py")],
        "control": [sys.executable, "-I", str(PROGRAMS / "control.py")],
        "open_store": lambda folder: NoStore(),
        "check": lambda config: [],
    }
    return Parts(**(chosen | changes))  # type: ignore[arg-type]


def free_port() -> int:
    """A UDP port that nobody uses just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running supervisor and a socket to talk with its workers."""

    def __init__(self, supervisor: Supervisor, file: Path, port: int) -> None:
        self.supervisor = supervisor
        self.file = file
        self.port = port
        self.ready = asyncio.Event()
        self.task: asyncio.Task[object]
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(("127.0.0.1", port))

    def send(self, text: str) -> None:
        self._socket.send(text.encode())

    async def receive(self) -> str:
        return (await asyncio.wait_for(self._loop.sock_recv(self._socket, 65536), 10)).decode()

    async def ask(self, text: str) -> str:
        self.send(text)
        return await self.receive()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Waits until the supervisor has seen what makes ``condition`` true."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)

    def keeper(self, index: int) -> Any:
        return self.supervisor._pool.keepers[index]

    @property
    def control(self) -> Any:
        return self.supervisor._control

    def close(self) -> None:
        self._socket.close()


def write_config(file: Path, port: int, *, workers: int = 2, name: str = "one", more: str = "") -> Path:
    file.write_text(
        f'[server]\nworkers = {workers}\nname = "{name}"\ndata = "{file.parent / "data"}"\nsteering = "classic"\n'
        f'[[listen]]\naddress = "udp:127.0.0.1:{port}"\n[admin]\naddress = ""\n[database]\nurl = "none"\n{more}'
    )
    return file


@contextlib.asynccontextmanager
async def serving(
    folder: Path, *, workers: int = 2, name: str = "one", more: str = "", wait: bool = True, **changes: object
) -> AsyncIterator[Server]:
    """A server on ``folder``, stopped at the end if the test has not done so."""
    port = free_port()
    file = write_config(folder / "dialplane.toml", port, workers=workers, name=name, more=more)
    supervisor = Supervisor(load(file), file=file, parts=parts(**changes), on_ready=lambda _: server.ready.set())
    server = Server(supervisor, file, port)
    server.task = asyncio.create_task(supervisor.serve())
    try:
        if wait:
            ready = asyncio.create_task(server.ready.wait())
            await asyncio.wait({ready, server.task}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
            ready.cancel()
            if server.task.done():
                await server.task
        yield server
        supervisor._stop.set()
        await asyncio.wait_for(server.task, 20)
    finally:
        supervisor._stop.set()
        supervisor._hard_stop.set()
        with contextlib.suppress(Exception):
            await server.task
        server.close()


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return write_config(tmp_path / "dialplane.toml", free_port())


@pytest.fixture
def full_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system without room. Needs the right to mount."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=8", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a file system takes root")
    try:
        (folder / "filler").write_bytes(bytes(4096))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
