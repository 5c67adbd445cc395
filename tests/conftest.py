"""Fixtures of several suites: a PostgreSQL server of our own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _postgres_programs() -> Path | None:
    """Folder of ``initdb`` and ``postgres``; Debian keeps them out of the path."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server for the tests: ``DIALPLANE_TEST_POSTGRESQL``, or one that is started here."""
    if url := os.environ.get("DIALPLANE_TEST_POSTGRESQL"):
        yield url
        return
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine (Debian: postgresql), and DIALPLANE_TEST_POSTGRESQL is not set")
    folder = Path(tempfile.mkdtemp(prefix="dialplane-postgres-"))
    # It refuses to run as root.
    as_user = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [*as_user, str(programs / program), "-D", str(folder / "data"), *map(str, arguments)],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c unix_socket_directories={folder}"
    run("initdb", "-U", "dialplane", "-A", "trust", "--no-sync")
    run("pg_ctl", "-o", options, "-l", folder / "log", "-w", "start")
    try:
        yield f"postgresql://dialplane@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
