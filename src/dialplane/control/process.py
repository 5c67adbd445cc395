"""What the kernel tells of a process: proc_pid_stat(5), proc_pid_statm(5)."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Usage(msgspec.Struct, frozen=True):
    """Of one process, all its threads together."""

    cpu: float
    """Seconds, user and system."""
    memory: int
    """Octets in memory, shared ones included."""


def usage(pid: int) -> Usage | None:
    """``None`` when the process has ended."""
    folder = Path("/proc") / str(pid)
    try:
        # The second field is the name, in parentheses, and may hold anything.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        resident = int((folder / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return Usage(cpu=(int(fields[11]) + int(fields[12])) / _TICKS, memory=resident * _PAGE)
