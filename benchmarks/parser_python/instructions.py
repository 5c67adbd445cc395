"""Instructions per message, counted by valgrind: the difference of two runs, divided by the rounds between.

They hardly depend on what else the machine does, so that a change shows which time would hide. They do depend on the
interpreter: counts of another Python, or of another build of it, say nothing beside these.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.parser_python import readers

#: The message that is counted.
MESSAGE = "invite"
ROUNDS = 2000
#: By how much counts may grow before `check` complains.
TOLERANCE = 0.03
ROOT = Path(__file__).parents[2]


def measure(*, ours: bool = False) -> dict[str, dict[str, int]]:
    """Job, reader, instructions; with ``ours`` only for dialplane."""
    data = readers.MESSAGES[MESSAGE]
    return {
        job: {
            reader: (_run(job, reader, 2 * ROUNDS) - _run(job, reader, ROUNDS)) // ROUNDS
            for reader in readers.fitting(job, data)
            if reader.startswith("dialplane") or not ours
        }
        for job in readers.JOBS
    }


def grown(before: dict[str, dict[str, int]], now: dict[str, dict[str, int]]) -> list[str]:
    """What has become more by more than the tolerance, in words."""
    return [
        f"{job}, {reader}: {count:,} instructions, {before[job][reader]:,} before"
        for job, counts in now.items()
        for reader, count in counts.items()
        if reader in before.get(job, {}) and count > before[job][reader] * (1 + TOLERANCE)
    ]


def _run(job: str, reader: str, rounds: int) -> int:
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [sys.executable, "-m", "benchmarks.parser_python.instructions", job, reader, str(rounds)]
    settings = {**os.environ, "PYTHONHASHSEED": "0"}
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=settings).stderr
    found = re.search(r"I\s+refs:\s+([\d,]+)", said)
    if found is None:
        raise RuntimeError(f"valgrind did not count: {said}")
    return int(found[1].replace(",", ""))


def main() -> None:
    """The work itself: JOB READER ROUNDS."""
    job, reader, rounds = sys.argv[1:]
    read, data = readers.JOBS[job][reader], readers.MESSAGES[MESSAGE]
    for _ in range(int(rounds)):
        read(data)


if __name__ == "__main__":
    main()
