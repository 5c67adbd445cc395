"""One server through one workload, once."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from benchmarks import accounting
from benchmarks.servers import Job, Running, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.data import Data
    from benchmarks.generator import Load
    from benchmarks.workloads import Scale, Workload

PATIENCE = 60.0
"""Seconds that a server may take until it answers: a table of ten million numbers must be read first."""
LATE = 5_000
"""Microseconds that the generator may be behind its own schedule; beyond that, it is the bottleneck."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trials have in common."""

    load: Load
    data: Data
    scale: Scale
    cpus: frozenset[int]
    """For the server."""
    cores: frozenset[int]
    """All that there are."""
    folder: Path

    def run(self, server: Server, workload: Workload) -> Iterator[Record]:
        """Runs the workload and yields one record for each measured phase."""
        runner = {"cpu": _phases, "memory": _memory, "open": _open, "rate": _rate, "latency": _latency}
        runner["start"] = _start
        if workload.kind == "spread":
            yield from _spread(self, server, workload)
            return
        with Served(self, server, workload) as served:
            yield from runner[workload.kind](served)


class Served:
    """A server that is up, in a folder of its own that goes when it stops."""

    def __init__(self, bench: Bench, server: Server, workload: Workload, *, workers: int = 1) -> None:
        self.bench = bench
        self.server = server
        self.workload = workload
        folder = Path(tempfile.mkdtemp(prefix=f"{server.name}-", dir=bench.folder))
        self.job = Job(workload, folder, bench.data, bench.cpus, workers)
        self.running: Running | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.job.folder, ignore_errors=True)

    def start(self) -> None:
        """Starts the server, not waiting until it is ready."""
        self.running = self.server.start(self.job)

    def stop(self) -> None:
        """Stops it."""
        if self.running is not None:
            self.running.stop()
            self.running = None

    @property
    def pid(self) -> int:
        """Its first process."""
        if self.running is None:
            raise accounting.ProcessEndedError("the server is not running")
        return self.running.pid

    def snapshot(self) -> accounting.Snapshot:
        """What it used so far."""
        return accounting.snapshot(self.pid, self.bench.cpus)

    def calm(self, *, limit: float = PATIENCE) -> tuple[accounting.Snapshot, float]:
        """Waits for work that was put off, when this server puts off any; the moment and what its timers use."""
        if not (self.server.deferred and self.bench.scale.extras):
            return self.snapshot(), 0.0
        return accounting.wait_until_idle(self.pid, self.bench.cpus, quiet=self.server.deferred, limit=limit)

    def load(self, args: tuple[str, ...], *, settles: bool = False) -> Record:
        """One run of the generator with the server's CPU time over it."""
        running = self.running
        if running is None:
            raise accounting.ProcessEndedError("the server is not running")
        moments: list[accounting.Snapshot] = []

        def between() -> None:
            # What was put off in the warm-up, or before, belongs to that and not to what is measured.
            moments.append(self.calm()[0])

        wait = ("--wait", f"{PATIENCE:g}")
        try:
            result = self.bench.load.run((*args, *wait, *running.load_args), between=between)
        except Exception as problem:
            running.check()
            problem.add_note(f"{self.server.name} said: {running.tail()}")
            raise
        before, after = moments[0], self.snapshot()
        measured = result["measured"]
        busy = before.until(after).seconds / max(measured["seconds"], 1e-9)
        background = 0.0
        if settles:
            done = after.taken
            after, background = self.calm()
            background *= after.taken - done
        usage = before.until(after)
        return {
            "server": self.server.name,
            "workload": self.workload.name,
            **{name: result[name] for name in ("shares_branches", "waited", "complaints", "args")},
            **measured,
            "cpu_us": (usage.seconds - background) * 1e6 / max(measured["right"], 1),
            "busy": busy,
            "background_seconds": background,
            "usage": asdict(usage),
        }


def _phases(served: Served) -> Iterator[Record]:
    for phase in served.workload.phases:
        if served.server.forgets and not phase.measured:
            continue
        record = served.load(phase.args, settles=phase.settles)
        if phase.measured:
            yield {**record, "phase": phase.name}
        elif record["wrong"] or record["lost"]:
            yield {**record, "phase": f"{served.workload.name}-{phase.name}"}


def _memory(served: Served) -> Iterator[Record]:
    """Memory and disk before and after the bindings came."""
    args = served.workload.phases[0].args
    # A few first, so that what is made at the first use is there already.
    served.load((*args, "--count", "100"))
    accounting.wait_until_idle(served.pid, served.bench.cpus, quiet=0.5, limit=10)
    before, disk_before = accounting.memory(served.pid), accounting.disk(served.job.folder)
    record = served.load((*args, "--passes", "10"))
    quiet = max(served.server.deferred, 0.5)
    accounting.wait_until_idle(served.pid, served.bench.cpus, quiet=quiet, limit=2 * PATIENCE)
    after, disk_after = accounting.memory(served.pid), accounting.disk(served.job.folder)
    count = served.workload.users
    yield {
        **record,
        "phase": served.workload.name,
        "bindings": count,
        "memory_before": before,
        "memory_after": after,
        "octets_per_binding": (after["total"] - before["total"]) / count,
        "disk_octets_per_binding": (disk_after - disk_before) / count,
    }


def other_calls(number: int) -> tuple[str, str]:
    """Other calls than those of the runs before.

    What has the identifiers of an older call is a retransmission to a server that keeps transactions.
    """
    return "--seed", str(number + 2)


def _open(served: Served) -> Iterator[Record]:
    """Memory before and after so many calls ring."""
    count = served.bench.scale.open
    # A few first, so that what is made at the first use is there already.
    served.load(("ring", "--count", "500"))
    before = accounting.memory(served.pid)
    record = served.load(("ring", "--count", str(count), *other_calls(0)))
    after = accounting.memory(served.pid)
    yield {
        **record,
        "phase": served.workload.name,
        "memory_before": before,
        "memory_after": after,
        "octets_per_call": (after["total"] - before["total"]) / count,
    }


def _rate(served: Served) -> Iterator[Record]:
    """The highest rate at which nothing is lost, found by halving the interval."""
    scale = served.bench.scale
    command = served.workload.phases[0].args[0]
    saturated = served.load((command, "--warmup", str(scale.warmup), "--seconds", f"{scale.trial / 2:g}"))
    low, high = 0.0, saturated["rate"] * 1.2
    best: Record | None = None
    trials = []
    for trial in range(scale.trials):
        rate = (low + high) / 2
        args = (command, "--rate", f"{rate:.0f}", "--seconds", f"{scale.trial:g}", "--warmup", str(scale.warmup))
        record = served.load((*args, "--show", "0", "--patience", "0.5", *other_calls(trial)))
        late = record["behind_us"] > LATE
        good = not (record["lost"] or record["wrong"] or record["stray"] or late)
        trials.append({"rate": rate, "lost": record["lost"], "wrong": record["wrong"], "late": late})
        if good:
            low, best = rate, record
        else:
            high = rate
    if best is None:
        best = {**saturated, "rate": 0.0}
    # What was lost above the rate that was found is how it was found, not a failure.
    yield {
        **best,
        "phase": served.workload.name,
        "loss_free_rate": low,
        "saturated_rate": saturated["rate"],
        "trials": trials,
    }


def _latency(served: Served) -> Iterator[Record]:
    """Open loop at fixed rates, and at half of what this server can do."""
    scale = served.bench.scale
    command = served.workload.phases[0].args[0]
    saturated = served.load((command, "--warmup", str(scale.warmup), "--seconds", f"{scale.trial / 2:g}"))
    half = round(saturated["rate"] / 2, -2)
    for number, rate in enumerate((*served.workload.rates, half)):
        # At a low rate, as many seconds as give a p99.9 that is more than one message.
        seconds = max(scale.seconds, min(2_000 / rate, 5.0) if scale.extras else 0)
        warmup = str(min(scale.warmup, int(rate / 5)))
        args = (command, "--rate", f"{rate:g}", "--seconds", f"{seconds:g}", "--warmup", warmup)
        record = served.load((*args, *other_calls(number)))
        name = "half" if rate == half else f"{rate:g}"
        yield {**record, "phase": f"{served.workload.name}-{name}", "offered": rate, "late": record["behind_us"] > LATE}


def _start(served: Served) -> Iterator[Record]:
    """Fills the store, stops, starts again: how long until the first right answer."""
    fill, phase = served.workload.phases
    served.load(fill.args)
    quiet = max(served.server.deferred, 0.5)
    accounting.wait_until_idle(served.pid, served.bench.cpus, quiet=quiet, limit=3 * PATIENCE)
    served.stop()
    begun = time.monotonic()
    served.start()
    before_generator = time.monotonic() - begun
    record = served.load(phase.args)
    yield {**record, "phase": phase.name, "start_seconds": before_generator + record["waited"]}


def _spread(bench: Bench, server: Server, workload: Workload) -> Iterator[Record]:
    """One worker and two on the same cores, from one sender; the load shares the cores when there are only two."""
    args = workload.phases[0].args
    cpus = frozenset(sorted(bench.cores, key=lambda core: (core in bench.load.cpus, core not in bench.cpus))[:2])
    shared = bool(cpus & bench.load.cpus)
    load = replace(bench.load, cpus=cpus, extra=(*bench.load.extra, "--idle", "sleep")) if shared else bench.load
    wide = replace(bench, cpus=cpus, load=load)
    for workers in (1, 2):
        with Served(wide, server, workload, workers=workers) as served:
            record = served.load(args)
            yield {**record, "phase": f"workers-{workers}", "workers": workers}
