"""Builds and drives the load generator and the floor relay."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).resolve().parent


class BuildError(RuntimeError):
    """A program of the benchmark could not be built."""


class LoadError(RuntimeError):
    """The generator ended without a result: the server did not answer, or a port is in use."""


def build_load() -> Path:
    """Builds ``dialplane-load`` and returns its path."""
    command = ["cargo", "build", "--release", "--locked", "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=HERE / "load", stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BuildError("cargo could not build benchmarks/load")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable"):
            return Path(message["executable"])
    raise BuildError("cargo named no executable of benchmarks/load")


def build_relay(folder: Path) -> Path:
    """Builds the floor relay into ``folder`` and returns its path."""
    relay = folder / "relay"
    command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(relay), str(HERE / "floor" / "relay.c")]
    if subprocess.run(command, check=False).returncode:
        raise BuildError("cc could not build benchmarks/floor/relay.c")
    return relay


def pinned(cpus: frozenset[int], command: Sequence[str]) -> list[str]:
    """``command``, on these cores only."""
    return ["taskset", "-c", ",".join(map(str, sorted(cpus))), *command]


@dataclass(frozen=True, slots=True)
class Load:
    """The generator with what all its runs have in common."""

    program: Path
    cpus: frozenset[int]
    extra: tuple[str, ...] = ()

    def lines(self, *args: str) -> str:
        """Output of a listing command (``users``, ``table``)."""
        done = subprocess.run([str(self.program), *args], capture_output=True, text=True, check=True)
        return done.stdout

    def write(self, path: Path, *args: str) -> None:
        """Output of a listing command into a file."""
        with path.open("wb") as out:
            subprocess.run([str(self.program), *args], stdout=out, check=True)

    def run(
        self, args: Sequence[str], *, between: Callable[[], None] = lambda: None, limit: float = 120
    ) -> dict[str, Any]:
        """Runs one workload; ``between`` is called after the warm-up, while everything is quiet.

        Returns the generator's result, with what it said about wrong messages under ``complaints``.
        """
        command = pinned(self.cpus, [str(self.program), *args, *self.extra, "--handshake"])
        with tempfile.TemporaryFile("w+") as complaints:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
            )
            watchdog = threading.Timer(limit, process.kill)
            watchdog.start()
            try:
                result = self._converse(process, between)
            finally:
                process.kill()
                process.wait()
                watchdog.cancel()
                for stream in (process.stdin, process.stdout):
                    if stream:
                        stream.close()
            complaints.seek(0)
            text = complaints.read()
        if result is None:
            raise LoadError(text.strip() or f"the generator gave no result within {limit:g} s")
        return {**result, "complaints": text, "args": list(args)}

    @staticmethod
    def _converse(process: subprocess.Popen[str], between: Callable[[], None]) -> dict[str, Any] | None:
        if process.stdout is None or process.stdin is None:
            return None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "result":
                return {key: value for key, value in event.items() if key != "event"}
            between()
            process.stdin.write("\n")
            process.stdin.flush()
        return None
