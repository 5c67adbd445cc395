"""The servers that can be measured. An adapter is one small class; a new one is listed in ``benchmarks/run.py``.

To add a server (OpenSIPS, SIPhon, your own): derive from :class:`Server`, return from :meth:`Server.command` how it is
started for a workload, listening on ``127.0.0.1:16060`` and forwarding to ``127.0.0.1:16090``. That is all; the
accounting finds its processes, and the load generator finds out when it is ready.
"""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.generator import pinned

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.data import Data
    from benchmarks.workloads import Workload

HOST = "127.0.0.1"
PORT = 16060
UAS_PORT = 16090
UAC_PORT = 16100
DOMAIN = "bench.example"


class ServerError(RuntimeError):
    """The server did not start or ended by itself."""


@dataclass(slots=True)
class Job:
    """What a server is started for."""

    workload: Workload
    folder: Path
    """For whatever it writes; empty at the start."""
    data: Data
    cpus: frozenset[int]
    workers: int = 1


@dataclass(slots=True)
class Running:
    """A started server."""

    process: subprocess.Popen[bytes]
    log: Path
    load_args: tuple[str, ...] = ()
    """What the generator must be told about it."""
    started: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """The first process; all others descend from it."""
        return self.process.pid

    def check(self) -> None:
        """Fails when the server ended by itself."""
        if self.process.poll() is not None:
            raise ServerError(f"exit status {self.process.returncode}: {self.tail()}")

    def tail(self) -> str:
        """The last it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """Ends it; kills it when it does not end within ten seconds."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Server(ABC):
    """One server with one way of being configured."""

    name: str
    """In results and on the command line."""
    about: str
    """One line for the report."""
    deferred: float = 0.0
    """How long it may put off work that a request causes, in seconds; that work is then waited for and counted."""
    forgets: bool = False
    """It need not be told what another one must know beforehand."""
    most_rounds: int = 100
    """A server that takes minutes for a workload takes part in the first rounds only."""

    @abstractmethod
    def version(self) -> str:
        """Its version; empty when it cannot be run here."""

    @abstractmethod
    def supports(self, workload: Workload) -> bool:
        """Whether it takes part in ``workload``."""

    @abstractmethod
    def command(self, job: Job) -> list[str]:
        """How it is started; prepares what it needs in ``job.folder``."""

    def load_args(self, job: Job) -> tuple[str, ...]:  # noqa: ARG002  (for those that need it)
        """What the generator must be told about this server."""
        return ()

    def start(self, job: Job) -> Running:
        """Starts it on its cores. It need not be ready yet."""
        command = pinned(job.cpus, self.command(job))
        log = job.folder / "server.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=job.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        return Running(process, log, self.load_args(job))
