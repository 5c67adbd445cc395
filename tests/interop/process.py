"""Child processes of a test: own process group, output in a file, ended by the test that started them."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self


class ProcessError(AssertionError):
    """A program under test, or one that tests it, did not do what the test needs; the text holds its output."""


class Process:
    """A running program."""

    def __init__(
        self,
        command: Sequence[object],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        interactive: bool = False,
    ) -> None:
        self.name = Path(str(command[0])).name
        self.log = log
        self._output = log.open("ab")
        self._popen = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE if interactive else subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the program itself, which is also the id of its group."""
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """The exit status, or none while it runs."""
        return self._popen.poll()

    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def write(self, line: str) -> None:
        """A line for its standard input."""
        assert self._popen.stdin is not None, "not started as interactive"
        self._popen.stdin.write(f"{line}\n".encode())
        self._popen.stdin.flush()

    def wait(self, *, seconds: float) -> int:
        """Its exit status, once it has ended by itself."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{self.name} still runs after {seconds} s\n{self._tail()}") from None

    def wait_for(self, pattern: str, *, seconds: float, start: int = 0) -> re.Match[str]:
        """The first place in its output, from character ``start`` on, that the pattern matches."""
        deadline = time.monotonic() + seconds
        expression = re.compile(pattern, re.MULTILINE)
        while True:
            ended = self.status is not None
            if found := expression.search(self.text(), start):
                return found
            if ended:
                raise ProcessError(f"{self.name} ended with status {self.status} before {pattern!r}\n{self._tail()}")
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name} did not write {pattern!r} within {seconds} s\n{self._tail()}")
            select.select([], [], [], 0.02)

    def kill(self) -> None:
        """SIGKILL to its whole group: no process of it gets to say goodbye."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(10)
        self._output.close()

    def stop(self, *, seconds: float = 10.0) -> int:
        """SIGTERM, then SIGKILL to the group if it does not end in time. Gives the exit status."""
        if self.status is None:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        status = self._popen.wait(10)
        if self._popen.stdin is not None:
            with suppress(BrokenPipeError):
                self._popen.stdin.close()
        self._output.close()
        return status

    def _tail(self) -> str:
        return f"--- output of {self.name}\n" + "\n".join(self.text().splitlines()[-40:])


def descendants(pid: int) -> dict[int, str]:
    """Process ids below ``pid`` with their command lines, from /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found: dict[int, str] = {}
    front = {pid}
    while front:
        front = {child for child, parent in parents.items() if parent in front and child not in found}
        for child in front:
            with suppress(OSError):
                found[child] = (
                    (Path("/proc") / str(child) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            found.setdefault(child, "")
    return found
