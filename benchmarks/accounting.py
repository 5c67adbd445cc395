"""What a server's processes used: CPU time by the scheduler's own clock, and memory.

``/proc/PID/task/TID/schedstat`` begins with the nanoseconds that a thread ran (``sum_exec_runtime``). The kernel adds
them up at each switch, so they are exact where the ticks of ``/proc/PID/stat`` are samples in steps of 4 ms. Time spent
in interrupts and softirqs while a thread is on the core is in there too, unless the kernel was built with
``CONFIG_IRQ_TIME_ACCOUNTING``: what a server causes by sending on loopback (delivery into the receiver's socket) is
therefore charged to the server.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")


class ProcessEndedError(RuntimeError):
    """A process of the server was gone at the end of a measurement."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment."""

    pid: int
    name: str
    runtime: int
    """Nanoseconds on a core, all threads."""
    user: float
    system: float
    """Seconds by the tick."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What all processes of a server used between two moments."""

    seconds: float
    """CPU time."""
    user: float
    system: float
    softirq: float
    """Softirq time on the server's cores whoever caused it, by the tick."""
    shares: dict[str, float]
    """Part of each process that used more than 1 %, by ``name:pid``."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All processes of a server at one moment."""

    processes: dict[int, Process]
    softirq: float
    taken: float

    def until(self, later: Snapshot) -> Usage:
        """The difference; a process that is gone by then is an error, because its time is lost."""
        gone = [p.name for pid, p in self.processes.items() if pid not in later.processes]
        if gone:
            raise ProcessEndedError(f"ended while being measured: {', '.join(gone)}")
        runtime = {}
        user = system = 0.0
        for pid, now in later.processes.items():
            before = self.processes.get(pid, Process(pid, now.name, 0, 0.0, 0.0))
            runtime[f"{now.name}:{pid}"] = now.runtime - before.runtime
            user += now.user - before.user
            system += now.system - before.system
        total = sum(runtime.values())
        shares = {name: ns / total for name, ns in runtime.items() if total and ns > total / 100}
        return Usage(total / 1e9, user, system, later.softirq - self.softirq, shares)


def snapshot(root: int, cpus: frozenset[int]) -> Snapshot:
    """Everything that process ``root`` and its descendants used so far."""
    processes = {pid: process for pid in family(root) if (process := _process(pid))}
    return Snapshot(processes, _softirq(cpus), time.monotonic())


def family(root: int) -> list[int]:
    """``root`` and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def wait_until_idle(root: int, cpus: frozenset[int], *, quiet: float, limit: float) -> tuple[Snapshot, float]:
    """Waits until the server has been idle for ``quiet`` seconds, at most ``limit``.

    Returns the moment and the share of a core that it uses while idle, so that work it had put off can be told from
    timers that always tick.
    """
    deadline = time.monotonic() + limit
    last = calm = snapshot(root, cpus)
    while time.monotonic() < deadline:
        time.sleep(0.25)
        now = snapshot(root, cpus)
        if last.until(now).seconds > 0.05 * (now.taken - last.taken):
            calm = now
        elif now.taken - calm.taken >= quiet:
            return now, calm.until(now).seconds / (now.taken - calm.taken)
        last = now
    return last, 0.0


def memory(root: int) -> dict[str, int]:
    """Octets of memory that the server's processes hold: ``total`` and its parts, shared pages counted once (PSS)."""
    total = dict.fromkeys(("total", "anonymous", "shared", "file"), 0)
    names = {"Pss": "total", "Pss_Anon": "anonymous", "Pss_Shmem": "shared", "Pss_File": "file"}
    for pid in family(root):
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name in names:
                total[names[name]] += int(value.split()[0]) * 1024
    return total


def disk(folder: Path) -> int:
    """Octets allocated to the files below ``folder``; holes of sparse files do not count."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _process(pid: int) -> Process | None:
    try:
        name, _, rest = (PROC / str(pid) / "stat").read_text().rpartition(")")
        fields = rest.split()
        runtime = sum(int((task / "schedstat").read_text().split()[0]) for task in (PROC / str(pid) / "task").iterdir())
    except OSError:
        return None
    if fields[0] == "Z":
        return None
    return Process(pid, name.partition("(")[2], runtime, int(fields[11]) * TICK, int(fields[12]) * TICK)


def _softirq(cpus: frozenset[int]) -> float:
    total = 0
    for line in (PROC / "stat").read_text().splitlines():
        name, *values = line.split()
        if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in cpus:
            total += int(values[6])
    return total * TICK
