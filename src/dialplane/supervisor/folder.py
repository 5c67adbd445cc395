"""The data folder: who may use it, and what lies where.

::

    lock              held as long as a server runs; the process id is in it
    supervisor.sock   where ``dialplane status`` and ``dialplane reload`` ask
    effective.json    the configuration in force, every default filled in
    next.json         one that is being tried, when it is too large for a message
    demonstration     what the passwords of alice and bob are made of, when no file is given
    store/            the shared store
    counters/         one mapped page for each worker
    connections/      one socket for each process that has connections
    tables/           number tables, compiled
    dialplane.db      the database, unless the configuration names another
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from dialplane.errors import LockedError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class DataFolder:
    """Names within the data folder. Making one touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "lock"
        self.socket = path / "supervisor.sock"
        self.effective = path / "effective.json"
        self.store = path / "store"
        self.counters = path / "counters"
        self.connections = path / "connections"
        self.tables = path / "tables"

    @contextlib.contextmanager
    def locked(self, inherited: int | None = None) -> Iterator[int]:
        """Makes the folder and keeps every other server out, by a descriptor that a predecessor may have left."""
        if inherited is not None:
            try:
                yield inherited
            finally:
                os.close(inherited)
            return
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise WriteError(f"data folder {self.path}: {error.strerror}") from error
        try:
            self._take(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise LockedError(
                f"data folder {self.path}: in use by another dialplane" + (f" (process {owner})" if owner else "")
            ) from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            # A full disk is found here, not in the middle of a registration.
            os.fsync(descriptor)
            for folder in (self.counters, self.connections):
                shutil.rmtree(folder, ignore_errors=True)
            for folder in (self.store, self.counters, self.connections, self.tables):
                folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError as error:
            raise WriteError(f"data folder {self.path}: {error.filename} is no folder") from error
        except OSError as error:
            raise WriteError(f"data folder {self.path}: {error.strerror}") from error

    def write_effective(self, config: bytes) -> None:
        """Keeps the configuration in force where a curious operator can read it. Replaced whole."""
        _write_whole(self.effective, config)

    def write_next(self, config: bytes) -> Path:
        """Keeps a configuration too large for one message where the workers can read it."""
        path = self.path / "next.json"
        _write_whole(path, config)
        return path

    @contextlib.contextmanager
    def short_socket_path(self) -> Iterator[str]:
        """A path to the socket that fits into the 108 octets of a Unix address, however deep the folder lies."""
        descriptor = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{descriptor}/{self.socket.name}"
        finally:
            os.close(descriptor)


def _write_whole(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    try:
        fresh.write_bytes(content)
        fresh.chmod(0o600)
        fresh.replace(path)
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror}") from error
