"""``python -m benchmarks.parser_python``: measures, writes raw results, renders the table.

Readers take turns within each round, so that a change of clock or a noisy neighbour meets all. The minimum is what is
quoted.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import facts
from benchmarks.parser_python import capture, instructions, readers

if TYPE_CHECKING:
    from benchmarks.parser_python.readers import Reader

RESULTS = Path(__file__).parents[1] / "results"
DOCUMENT = Path(__file__).parents[2] / "docs" / "parser-python.md"
START, END = "<!-- results -->\n", "<!-- end of results -->"
GIGABYTE = 1_000_000_000
#: Seconds that one reader reads in one round.
SLICE = 0.01


def measure(rounds: int) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Nanoseconds per message: job, message, reader, one number for each round."""
    results: dict[str, dict[str, dict[str, list[float]]]] = {}
    for job in readers.JOBS:
        for name, data in readers.MESSAGES.items():
            candidates = readers.fitting(job, data)
            loops = {reader: max(10, int(SLICE / once(read, data, 20))) for reader, read in candidates.items()}
            times: dict[str, list[float]] = {reader: [] for reader in candidates}
            for _ in range(rounds):
                for reader, read in candidates.items():
                    times[reader].append(round(once(read, data, loops[reader]) * 1e9, 1))
            results.setdefault(job, {})[name] = times
    return results


def once(read: Reader, data: bytes, loops: int) -> float:
    """Seconds per message."""
    begin = time.perf_counter()
    for _ in range(loops):
        read(data)
    return (time.perf_counter() - begin) / loops


def render(result: dict[str, Any]) -> str:
    """The tables, as Markdown."""
    machine = result["machine"]
    lines = [
        f"# The parser from Python, {machine['time']}",
        "",
        f"{machine['cpu']}, Python {machine['python']}; {', '.join(f'{k} {v}' for k, v in result['versions'].items())}",
        "Nanoseconds per message, the least of all rounds; in brackets how many times as long as `dialplane` takes.",
    ]
    sizes = {name: len(data) for name, data in readers.MESSAGES.items()}
    for job, messages in result["parse"].items():
        lines += ["", f"| {job} | " + " | ".join(f"{name}, {sizes[name]} octets" for name in messages) + " |"]
        lines += ["|---|" + "--:|" * len(messages)]
        for reader in dict.fromkeys(name for times in messages.values() for name in times):
            cells = []
            for times in messages.values():
                if reader not in times:
                    cells.append("cannot read it")
                    continue
                least = min(times[reader])
                ours = min(min(rounds) for name, rounds in times.items() if name.startswith("dialplane"))
                cells.append(f"{least:,.0f} ({least / ours:.1f})")
            lines.append(f"| {reader} | " + " | ".join(cells) + " |")
    counts = result.get("instructions", {})
    for job, readers_of_job in counts.items():
        least = min(count for name, count in readers_of_job.items() if name.startswith("dialplane"))
        lines += ["", f"| {job}, {instructions.MESSAGE} | instructions |", "|---|--:|"]
        lines += [f"| {name} | {count:,} ({count / least:.1f}) |" for name, count in readers_of_job.items()]
    if result["capture"]:
        large = result["capture"]
        lines += [
            "",
            f"| capture of {large['octets'] / GIGABYTE:.2f} GB, {large['messages']:,} messages | seconds |",
            "|---|--:|",
        ]
        lines += [f"| {name} | {min(seconds):.2f} |" for name, seconds in large["seconds"].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures or renders."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parser_python", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the capture; 0 leaves it out")
    parser.add_argument("--capture-rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the capture is written for the time of the measurement")
    parser.add_argument("--render", action="store_true", help="only render the raw results that are there")
    parser.add_argument("--times", action="store_true", help="only measure times; the instructions that are there stay")
    parser.add_argument("--check", action="store_true", help="only count instructions: exit status 1 when they grew")
    parser.add_argument("--output", type=Path, default=RESULTS / "parser-python.json")
    options = parser.parse_args()
    if options.check:
        sys.exit(check(json.loads(options.output.read_text())))
    if not options.render:
        size = int(options.gigabytes * GIGABYTE)
        names = ["dialplane-native", "sippy", "sipmessage"]
        result = {
            "machine": facts(),
            "versions": {name: version for name in names if (version := installed(name))},
            "parse": measure(options.rounds),
            "instructions": committed(options.output) if options.times else instructions.measure(),
            "capture": capture.measure(readers.native, size, options.capture_rounds, options.folder) if size else None,
        }
        options.output.parent.mkdir(exist_ok=True)
        options.output.write_text(json.dumps(result, indent=1) + "\n")
    table = render(json.loads(options.output.read_text()))
    options.output.with_suffix(".md").write_text(table)
    if options.output == RESULTS / "parser-python.json":
        write_document(table)
    print(table)


def write_document(table: str) -> None:
    """Puts the tables without their title between the marks in the document."""
    before, rest = DOCUMENT.read_text().split(START)
    DOCUMENT.write_text(before + START + table.partition("\n\n")[2] + END + rest.split(END)[1])


def committed(path: Path) -> dict[str, dict[str, int]]:
    """The instructions of raw results; none when there are no such results."""
    counts: dict[str, dict[str, int]] = json.loads(path.read_text()).get("instructions", {}) if path.exists() else {}
    return counts


def check(before: dict[str, Any]) -> int:
    """Compares the instructions of this dialplane with those before; the exit status."""
    machine, here = before["machine"], facts()
    if machine["python"] != here["python"]:
        print(f"counted with Python {machine['python']}, this is {here['python']}", file=sys.stderr)
        return 2
    grown = instructions.grown(before["instructions"], instructions.measure(ours=True))
    for line in grown:
        print(line, file=sys.stderr)
    return 1 if grown else 0


def installed(name: str) -> str | None:
    """The version of a package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
