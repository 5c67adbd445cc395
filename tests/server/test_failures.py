"""What does not start says why in one line, and leaves nothing that keeps it from starting once that is mended."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from dialplane.errors import ExitStatus

from .running import DIALPLANE, Server

UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""As somebody whom the permissions of files concern."""


def refused(server: Server) -> tuple[int, str]:
    """Exit status, and what was said."""
    done = subprocess.run(
        [*UNPRIVILEGED, *DIALPLANE, "serve", str(server.file)],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "COLUMNS": "500"},
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr.rstrip("\n")


@contextmanager
def unreadable_configuration(server: Server) -> Iterator[str]:
    server.file.chmod(0)
    yield f"{server.file}: Permission denied"
    server.file.chmod(0o600)


@contextmanager
def folder_of_somebody_else(server: Server) -> Iterator[str]:
    server.folder.chmod(0o500)
    yield f"data folder {server.data.path}: Permission denied"
    server.folder.chmod(0o700)


@contextmanager
def store_that_is_a_file(server: Server) -> Iterator[str]:
    server.data.path.mkdir()
    server.data.store.touch()
    yield f"data folder {server.data.path}: {server.data.store} is no folder"
    server.data.store.unlink()


@contextmanager
def store_of_a_newer_version(server: Server) -> Iterator[str]:
    server.start()
    server.stop()
    file = server.data.store / "bindings.store"
    version = struct.unpack("<Q", file.read_bytes()[8:16])[0]
    put(file, version + 1)
    yield (
        f"shared store {server.data.store}: {file}: written by a newer dialplane; install that one, or remove the file"
    )
    put(file, version)


def put(file: Path, version: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(8)
        opened.write(struct.pack("<Q", version))


@contextmanager
def database_that_is_none(server: Server) -> Iterator[str]:
    server.data.path.mkdir()
    file = server.data.path / "dialplane.db"
    file.write_text("a letter to somebody, and long enough for a header\n" * 9)
    yield f"database {file}: file is not a database"
    file.unlink()


@contextmanager
def database_of_somebody_else(server: Server) -> Iterator[str]:
    folder = server.folder / "theirs"
    folder.mkdir(mode=0o500)
    before = server.head
    server.head = before.replace("sqlite:dialplane.db", f"sqlite:{folder}/x.db")
    server.write("")
    yield f"database {folder}/x.db: Permission denied"
    server.head = before
    server.write("")


@contextmanager
def postgresql_that_is_not_there(server: Server) -> Iterator[str]:
    before = server.head
    server.head = before.replace("sqlite:dialplane.db", "postgresql://127.0.0.1:1/x")
    server.write("")
    yield "database 127.0.0.1:1/x: Connection refused"
    server.head = before
    server.write("")


@contextmanager
def missing_certificate(server: Server) -> Iterator[str]:
    server.write(f'[[listen]]\naddress = "tls:127.0.0.1:{server.admin}"\n')
    yield f"{server.file}:12: listen[1].address: tls needs a [[certificate]]"
    server.write("")


@contextmanager
def port_in_use(server: Server) -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", server.port))
        yield f"udp:127.0.0.1:{server.port}: the address is in use; is another server running?"


@contextmanager
def full_disk(server: Server) -> Iterator[str]:
    server.data.path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(server.data.path)], check=True)
    yield f"shared store {server.data.store}: {server.data.store}/bindings.store: no room on the disk"
    subprocess.run(["umount", str(server.data.path)], check=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root")


@pytest.mark.parametrize(
    ("harm", "status"),
    [
        (unreadable_configuration, ExitStatus.NO_INPUT),
        (folder_of_somebody_else, ExitStatus.CANNOT_CREATE),
        (store_that_is_a_file, ExitStatus.CANNOT_CREATE),
        (store_of_a_newer_version, ExitStatus.CANNOT_CREATE),
        (database_that_is_none, ExitStatus.UNAVAILABLE),
        (database_of_somebody_else, ExitStatus.UNAVAILABLE),
        (postgresql_that_is_not_there, ExitStatus.UNAVAILABLE),
        (missing_certificate, ExitStatus.CONFIG),
        (port_in_use, ExitStatus.SYSTEM),
        pytest.param(full_disk, ExitStatus.CANNOT_CREATE, marks=needs_root),
    ],
)
def test_it_says_why_and_starts_once_it_can(
    make_server: Callable[..., Server], harm: Callable[[Server], AbstractContextManager[str]], status: ExitStatus
) -> None:
    server = make_server()
    with harm(server) as expected:
        assert refused(server) == (status, expected)
    server.start()
    assert server.stop() == 0
