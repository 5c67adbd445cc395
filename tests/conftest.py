"""What several suites share: a PostgreSQL server of our own, and that CI skips nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

_ELSEWHERE = (
    "this interpreter has a lock",
    "the lock was asked for",
    "the suite sets Kamailio up",
    "takes root",
    "DIALPLANE_SHARED",
)
"""Reasons for a skip that no installed package would remove. ``.ci/run`` has root and the shared messages."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI (``CI`` is set), a test that is skipped for want of something has failed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(known in reason for known in _ELSEWHERE):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: {reason} (nothing is skipped in CI: see .ci/deps-debian)"
    return report


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
