"""The command: rounds over workloads and servers, results as they come, then the table."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from benchmarks import generator, machine, plot, report
from benchmarks.data import Data
from benchmarks.servers import HOST, PORT, UAC_PORT, UAS_PORT
from benchmarks.servers.dialplane import Dialplane, DialplaneMemory, find_dialplane
from benchmarks.servers.floor import Floor
from benchmarks.servers.kamailio import Kamailio, KamailioDatabase, find_kamailio
from benchmarks.trial import Bench, Record
from benchmarks.workloads import QUICK, Scale, Workload, all_workloads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.servers import Server

HERE = Path(__file__).resolve().parent
QUICK_SERVERS = ("floor", "kamailio", "dialplane")
console = Console(highlight=False, soft_wrap=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0: measured, and every message was right; 1: some were wrong, lost or failed; 2: could not begin."""
    options = read_arguments(argv)
    cores = frozenset(os.sched_getaffinity(0))
    folder = Path(tempfile.mkdtemp(prefix="dialplane-bench-", dir=options.folder))
    try:
        bench, servers = prepare(options, folder, cores)
    except (generator.BuildError, OSError, ValueError) as problem:
        console.print(f"[red]{escape(str(problem))}[/red]")
        shutil.rmtree(folder, ignore_errors=True)
        return 2
    os.sched_setaffinity(0, bench.load.cpus)
    try:
        with alone():
            records, failures = measure(options, bench, servers)
    except OSError as problem:
        console.print(f"[red]{escape(str(problem))}[/red]")
        return 2
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = {
        "machine": machine.facts(),
        "method": method(options, bench),
        "servers": {server.name: {"version": server.version(), "about": server.about} for server in servers},
        "records": records,
        "failures": failures,
    }
    write(options, result, all_workloads(bench.scale))
    for failure in failures:
        console.print(f"[red]failed:[/red] {escape(failure)}")
    return 1 if failures else 0


def read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    cores = sorted(os.sched_getaffinity(0))
    add("--quick", action="store_true", help="short: is every message right? The times are not for quoting")
    add("--rounds", type=int, help="rounds over all servers (5; with --quick 1)")
    add(
        "--servers", help="comma-separated: floor, kamailio, kamailio-db, dialplane, dialplane-nodb (all that are here)"
    )
    add("--workloads", help="comma-separated names or beginnings of names (all)")
    add("--list", action="store_true", help="list the workloads and end")
    add("--kamailio", default=find_kamailio(), metavar="PATH", help="your Kamailio (%(default)s)")
    add("--kamailio-config", type=Path, default=HERE / "kamailio", metavar="DIR", help="your configurations for it")
    add("--dialplane", default=find_dialplane(), metavar="PATH", help="the dialplane command (%(default)s)")
    add("--server-cpus", type=core_list, default=frozenset(cores[-1:]), help="cores of the server (the last one)")
    add("--load-cpus", type=core_list, default=frozenset(cores[:1]), help="cores of the load (the first one)")
    add("--load-args", default="", help="more options for the load generator, e.g. '--gso off'")
    add("--seconds", type=float, help="length of a timed measurement (3)")
    add(
        "--output", type=Path, metavar="DIR", help="where results are written (benchmarks/results; quick: .build/bench)"
    )
    add("--folder", type=Path, help="where the servers keep their files (the system's folder for temporary files)")
    options = parser.parse_args(argv)
    if options.list:
        for workload in all_workloads(QUICK if options.quick else Scale()):
            for phase in workload.phases:
                if phase.measured:
                    console.print(f"{workload.name:16} {phase.title}")
        sys.exit(0)
    return options


@contextmanager
def alone() -> Iterator[None]:
    """Waits until no other run measures on this machine; fails when something else has one of our ports.

    A server that shares its port with another (SO_REUSEPORT) would lose half of its messages to it.
    """
    with (Path(tempfile.gettempdir()) / "dialplane-bench.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("[yellow]another benchmark is running here; waiting for its end[/yellow]")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for port in (PORT, UAS_PORT, UAC_PORT):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind((HOST, port))
                except OSError as problem:
                    raise OSError(f"UDP port {port} of {HOST} is in use: {problem.strerror}") from problem
        yield


def core_list(text: str) -> frozenset[int]:
    """``0,2-3`` as a set of core numbers."""
    cores: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return frozenset(cores)


def prepare(options: argparse.Namespace, folder: Path, cores: frozenset[int]) -> tuple[Bench, list[Server]]:
    """Builds what must be built and finds the servers."""
    scale = QUICK if options.quick else Scale()
    if options.seconds:
        scale = replace(scale, seconds=options.seconds)
    program = generator.build_load()
    extra = tuple(options.load_args.split())
    if "--window" not in extra:
        extra += ("--window", str(window(machine.receive_buffer_limit())))
    if options.server_cpus & options.load_cpus and "--idle" not in extra:
        extra += ("--idle", "sleep")
    load = generator.Load(program, options.load_cpus, extra)
    known: list[Server] = [
        Floor(generator.build_relay(folder)),
        Kamailio(options.kamailio, options.kamailio_config.resolve()),
        KamailioDatabase(options.kamailio, options.kamailio_config.resolve()),
        Dialplane(options.dialplane),
        DialplaneMemory(options.dialplane),
    ]
    wanted = options.servers.split(",") if options.servers else list(QUICK_SERVERS) if options.quick else None
    if wanted and (unknown := set(wanted) - {server.name for server in known}):
        raise ValueError(f"no such server: {', '.join(sorted(unknown))}")
    servers = []
    for server in known:
        if wanted and server.name not in wanted:
            continue
        if server.version():
            servers.append(server)
        elif options.servers:
            raise ValueError(f"{server.name} cannot be run here")
        else:
            console.print(f"[yellow]{server.name} is not here and is left out[/yellow]")
    return Bench(load, Data(load, folder), scale, options.server_cpus, cores, folder), servers


def window(limit: int) -> int:
    """Exchanges under way that fit into the receive buffer a server may have.

    The kernel doubles what is asked for and charges up to 2,304 octets for one of our datagrams.
    """
    return max(16, min(256, limit * 2 // 2304 * 3 // 4))


def measure(options: argparse.Namespace, bench: Bench, servers: list[Server]) -> tuple[list[Record], list[str]]:
    """All rounds: A B C, A B C. Servers follow each other within a workload, so that a pair shares its moment."""
    workloads = [w for w in all_workloads(bench.scale) if chosen(w, options.workloads)]
    records: list[Record] = []
    failures: list[str] = []
    for round_number in range(options.rounds or (1 if options.quick else 5)):
        for workload in workloads:
            for server in servers:
                if round_number >= min(workload.most_rounds, server.most_rounds) or not server.supports(workload):
                    continue
                begun = time.monotonic()
                try:
                    for record in bench.run(server, workload):
                        records.append({**record, "round": round_number})
                        failures += judge(record)
                        show(record, time.monotonic() - begun)
                except Exception as problem:  # a server that fails must not end the comparison
                    notes = "\n".join(getattr(problem, "__notes__", []))
                    failures.append(f"{server.name}, {workload.name}: {problem}\n{notes}".strip())
                    console.print(f"[red]{escape(failures[-1])}[/red]")
    return records, failures


def chosen(workload: Workload, names: str | None) -> bool:
    """Whether one of ``names`` is how the workload's name begins."""
    return names is None or any(workload.name.startswith(name) for name in names.split(","))


def judge(record: Record) -> list[str]:
    """What is wrong with a record; times are no reason."""
    found = [f"{record[name]} {name}" for name in ("wrong", "lost", "stray") if record[name]]
    if not record["right"]:
        found.append("nothing came back")
    if not found:
        return []
    text = f"{record['server']}, {record['phase']}: {', '.join(found)}"
    return [f"{text}\n{record['complaints']}".strip()]


def show(record: Record, seconds: float) -> None:
    """One line for one record."""
    bad = record["wrong"] + record["lost"] + record["stray"]
    verdict = f"[red]{bad} wrong, lost or stray[/red]" if bad else "all right"
    more = ""
    if "octets_per_binding" in record:
        more = f"  {record['octets_per_binding']:.0f} B per binding"
    if "octets_per_call" in record:
        more = f"  {record['octets_per_call']:.0f} B per call"
    if "loss_free_rate" in record:
        more = f"  loss-free {record['loss_free_rate']:,.0f}/s"
    if "start_seconds" in record:
        more = f"  started in {record['start_seconds']:.2f} s"
    if "offered" in record:
        more = f"  p50 {record['latency_us']['p50']:.0f} µs  p99 {record['latency_us']['p99']:.0f} µs"
    console.print(
        f"{record['phase']:18} {record['server']:15} {record['cpu_us']:7.2f} µs  {record['rate']:9,.0f}/s"
        f"  busy {record['busy']:4.0%}  {verdict}{more}  ({seconds:.1f} s)"
    )


def method(options: argparse.Namespace, bench: Bench) -> dict[str, object]:
    """How it was measured, for the raw results."""
    return {
        "quick": options.quick,
        "server_cpus": sorted(bench.cpus),
        "load_cpus": sorted(bench.load.cpus),
        "load_args": list(bench.load.extra),
        "scale": asdict(bench.scale),
        "cpu_time": "growth of sum_exec_runtime over all threads of all processes of the server, per right exchange",
        "see": "benchmarks/README.md",
    }


def write(options: argparse.Namespace, result: dict[str, Any], workloads: list[Workload]) -> None:
    """Raw results, table and plot."""
    output = options.output or (HERE.parent / ".build" / "bench" if options.quick else HERE / "results")
    output.mkdir(parents=True, exist_ok=True)
    stamp = result["machine"]["time"][:16].replace(":", "").replace("T", "-")
    name = f"{'quick' if options.quick else 'full'}-{stamp}"
    raw = output / f"{name}.json"
    raw.write_text(json.dumps(result, indent=1) + "\n")
    text = report.render(result, workloads)
    (output / f"{name}.md").write_text(text)
    (output / f"{name}.svg").write_text(plot.render(result, workloads))
    print(f"\n{text}\n{raw.with_suffix('.*')}")
