"""CPU time and memory of real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks import accounting

CORES = frozenset(os.sched_getaffinity(0))

# Burns CPU time when told to, in a child of its own, and says how much by its own clock.
BURN = """
import os, sys, time
if not os.fork():
    for line in sys.stdin:
        while time.process_time() < float(line):
            pass
        print(time.process_time(), flush=True)
    os._exit(0)
os.wait()
"""


@pytest.fixture
def burner() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.communicate(timeout=10)


def burn(process: subprocess.Popen[str], until: float) -> float:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{until}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def test_cpu_time_of_descendants_is_counted(burner: subprocess.Popen[str]) -> None:
    start = burn(burner, 0.0)
    before = accounting.snapshot(burner.pid, CORES)
    used = burn(burner, start + 0.3) - start
    usage = before.until(accounting.snapshot(burner.pid, CORES))
    assert usage.seconds == pytest.approx(used, rel=0.1)
    assert max(usage.shares.values()) > 0.9


def test_a_process_that_ends_while_it_is_measured_is_an_error(burner: subprocess.Popen[str]) -> None:
    burn(burner, 0.0)
    before = accounting.snapshot(burner.pid, CORES)
    burner.communicate(timeout=10)
    with pytest.raises(accounting.ProcessEndedError):
        before.until(accounting.snapshot(burner.pid, CORES))


def test_memory_of_a_process() -> None:
    total = accounting.memory(os.getpid())
    assert total["total"] > 1_000_000
    assert total["total"] >= total["anonymous"]


def test_disk_counts_what_is_allocated(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "full").write_bytes(b"x" * 100_000)
    assert 0 < accounting.disk(tmp_path) < 1 << 20
