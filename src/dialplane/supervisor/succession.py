"""What a supervisor leaves to the program that takes its place in an upgrade: every socket, and its children.

The new version is run by ``execve`` within the same process, so that it keeps its number, its children and whatever it
has open. What is open where stands in a file in memory, the descriptor of which an environment variable names.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from dialplane import __version__
from dialplane.errors import DialplaneError, ExitStatus
from dialplane.supervisor.parts import python_program

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
"""Of :class:`Estate`. A version with another one is not upgraded to but started anew."""
VARIABLE = "DIALPLANE_ESTATE"
TRIAL_TIMEOUT = 60.0
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
"""Blocked from before the change of program until the new one handles them."""


class UpgradeError(DialplaneError):
    """The new version cannot take over; the old one goes on."""

    status = ExitStatus.UNAVAILABLE


class Heir(msgspec.Struct, frozen=True):
    """A child process and how it is spoken to."""

    pid: int
    channel: int
    boot: int
    started: float
    restarts: int = 0
    last_gap: float | None = None
    retired: list[Heir] = []
    """Those that had its place before, and still have connections."""
    connections: int | None = None
    """How many it had when it last told, if it is one of these."""


class Estate(msgspec.Struct, frozen=True, kw_only=True):
    """All that is handed over; descriptors are numbers."""

    format: int = FORMAT
    version: str
    started: float
    reloads: int
    lock: int
    groups: list[list[int]]
    inboxes: list[tuple[int, int]]
    steering: list[int] | None
    spread_refusal: int | None
    admin: int | None
    asker: int
    """Who wanted the upgrade, and is told how it went."""
    workers: list[Heir]
    control: Heir | None

    def descriptors(self) -> list[int]:
        """All that must outlive the change of program."""
        heirs = [*self.workers, *([self.control] if self.control else [])]
        heirs += [retired for heir in self.workers for retired in heir.retired]
        return [
            self.lock,
            *(member for group in self.groups for member in group),
            *(member for pair in self.inboxes for member in pair),
            *(self.steering or []),
            *([] if self.admin is None else [self.admin]),
            self.asker,
            *(descriptor for heir in heirs for descriptor in (heir.channel, heir.boot)),
        ]


async def try_out(file: Path | None) -> dict[str, Any]:
    """Has the installed version read and check the configuration in a process of its own. What it says of itself."""
    program = [*python_program("dialplane.supervisor.trial"), *([] if file is None else [str(file)])]
    process = await asyncio.create_subprocess_exec(
        *program, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        said, complaint = await asyncio.wait_for(process.communicate(), TRIAL_TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise UpgradeError(f"the installed version did not answer within {TRIAL_TIMEOUT:.0f} seconds") from None
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines() or [f"exit status {process.returncode}"]
        raise UpgradeError(f"the installed version cannot serve: {lines[-1]}")
    facts: dict[str, Any] = msgspec.json.decode(said)
    if facts["format"] != FORMAT:
        raise UpgradeError(f"from {__version__} to {facts['version']} the server has to be stopped and started")
    return facts


def give_way(estate: Estate) -> NoReturn:
    """Runs the installed version in the place of this one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    will = os.memfd_create("estate", 0)
    os.write(will, msgspec.json.encode(estate))
    for descriptor in estate.descriptors():
        os.set_inheritable(descriptor, True)
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {VARIABLE: str(will)})  # noqa: S606
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        raise UpgradeError(f"{sys.executable}: {error.strerror}") from error


def inherited() -> Estate | None:
    """What the predecessor left, if this program runs in its place."""
    will = os.environ.pop(VARIABLE, None)
    if will is None:
        return None
    descriptor = int(will)
    estate = msgspec.json.decode(os.pread(descriptor, 1 << 24, 0), type=Estate)
    os.close(descriptor)
    for inherits in estate.descriptors():
        os.set_inheritable(inherits, False)
    return estate
