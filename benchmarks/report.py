"""The table of a run, as Markdown."""
# ruff: noqa: RUF001 (the multiplication sign is meant)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.summary import Spread, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.workloads import Phase, Workload

KAMAILIO = "kamailio"
STATELESS = (
    "## Latency of a stateless forward, µs\n\nOpen loop: from the moment a message was due to its arrival at the "
    "UAS, so a pause of the server counts for every message that was due in it."
)
STATEFUL = (
    "## Latency of a stateful call, µs\n\nOpen loop: from the moment an INVITE was due to the arrival of its 180 at "
    "the UAC, there and back through the server."
)
FLOOR = "floor"


def render(result: dict[str, Any], workloads: list[Workload]) -> str:
    """All tables."""
    table = Table(result["records"])
    parts = [
        heading(result),
        cpu(table, workloads),
        durable(table, workloads),
        rates(table, "rate", "stateless forward", "messages/s", 2),
        rates(table, "call-rate", "stateful call with Record-Route", "calls/s", 2.5),
        latency(table, "latency", STATELESS),
        latency(table, "call-latency", STATEFUL),
        memory(table),
        open_calls(table),
        sizes(table),
        workers(table),
        starts(table),
        notes(table, result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(result: dict[str, Any]) -> str:
    """Where, when and what."""
    machine, method = result["machine"], result["method"]
    kind = "Quick run: is every message right? The times are not for quoting." if method["quick"] else "Full run."
    servers = "\n".join(f"- {name} {info['version']}: {info['about']}" for name, info in result["servers"].items())
    return (
        f"# {machine['time']}\n\n{kind}\n\n"
        f"{machine['cpu']}, {machine['cores']} cores{' (virtual)' if machine['virtual'] else ''}, "
        f"Linux {machine['kernel']}; server on {method['server_cpus']}, load on {method['load_cpus']}; "
        f"commit {machine['commit'][:12]}{' and changes' if machine['changed_files'] else ''}\n\n{servers}"
    )


def cpu(table: Table, workloads: list[Workload]) -> str:
    """CPU time per exchange, with budgets and goals."""
    rows = []
    for phase in phases(workloads):
        for server in table.servers(phase.name):
            spread = table.spread(phase.name, server, "cpu_us")
            if spread is None:
                continue
            rows.append(
                [
                    phase.title,
                    server,
                    spread.show(),
                    *ratios(table, phase, server),
                    *verdicts(table, phase, server),
                    percent(table.spread(phase.name, server, "busy")),
                    bad(table, phase.name, server),
                ]
            )
    head = ["workload", "server", "CPU µs", "÷ Kamailio", "÷ floor", "budget", "goal", "busy", "wrong / lost"]
    text = (
        "## CPU time per exchange\n\nUser and system, all processes of the server; median (least–most) of the rounds."
    )
    return markdown(text, head, rows)


def phases(workloads: Iterable[Workload]) -> list[Phase]:
    """Those whose CPU time is the result."""
    return [phase for w in workloads if w.kind == "cpu" for phase in w.phases if phase.measured]


def ratios(table: Table, phase: Phase, server: str) -> list[str]:
    """To Kamailio and to the floor, in the same round."""
    kamailio = table.ratio(phase.name, server, "cpu_us", (phase.rival or phase.name, KAMAILIO))
    floor = table.ratio(phase.name, server, "cpu_us", (phase.name, FLOOR))
    return [show(kamailio) if server != KAMAILIO else "", show(floor) if server != FLOOR else ""]


def verdicts(table: Table, phase: Phase, server: str) -> list[str]:
    """Budget and goal, each with whether it is met; for dialplane only."""
    if not server.startswith("dialplane"):
        return ["", ""]
    budget = goal = ""
    kamailio = table.ratio(phase.name, server, "cpu_us", (phase.rival or phase.name, KAMAILIO))
    if phase.budget is not None:
        budget = f"≤ {phase.budget:g} ×"
        if kamailio:
            budget += met(kamailio.middle <= phase.budget)
    if phase.goal is not None:
        goal = str(phase.goal)
        own, floor = table.spread(phase.name, server, "cpu_us"), table.spread(phase.name, FLOOR, "cpu_us")
        if own and floor:
            goal += met(own.middle <= phase.goal.of(floor.middle))
    return [budget, goal]


def durable(table: Table, workloads: list[Workload]) -> str:
    """Like with like: what keeps bindings in a database against its like, and what does not against its like."""
    rows = []
    for phase in phases(w for w in workloads if w.durable):
        for server, rival in (("dialplane", "kamailio-db"), ("dialplane-nodb", KAMAILIO)):
            ratio = table.ratio(phase.name, server, "cpu_us", (phase.name, rival))
            if ratio:
                rows.append([phase.title, server, rival, show(ratio)])
    text = (
        "## Like with like\n\nWith the bindings in SQLite within about a second, and without any database. Work that a "
        "server puts off\nis waited for and counted."
    )
    return markdown(text, ["workload", "server", "against", "ratio"], rows)


def rates(table: Table, phase: str, title: str, unit: str, times: float) -> str:
    """Highest loss-free rate on one core."""
    rows = []
    for server in table.servers(phase):
        spread = table.spread(phase, server, "loss_free_rate")
        kamailio = table.ratio(phase, server, "loss_free_rate", (phase, KAMAILIO))
        floor = table.ratio(phase, server, "loss_free_rate", (phase, FLOOR))
        budget = goal = ""
        if server.startswith("dialplane"):
            budget = f"≥ {times:g} ×" + (met(kamailio.middle >= times) if kamailio else "")
            goal = "≥ 0.85 × floor" + (met(floor.middle >= 0.85) if floor else "")
        rows.append([server, show(spread, 0), show(kamailio), show(floor), budget, goal])
    head = ["server", unit, "÷ Kamailio", "÷ floor", "budget", "goal"]
    return markdown(f"## Highest loss-free rate, {title}, one core", head, rows)


def latency(table: Table, workload: str, text: str) -> str:
    """Percentiles in open loop."""
    rows = []
    for phase in (p for p in table.phases() if p.startswith(f"{workload}-")):
        for server in table.servers(phase):
            records = table.records(phase, server)
            name = phase.removeprefix(f"{workload}-")
            offered = Spread.of(record["offered"] for record in records)
            row = [f"half of its own: {show(offered, 0)}" if name == "half" else f"{int(name):,}", server]
            percentiles = ("p50", "p90", "p99", "p99.9", "max")
            row += [show(Spread.of(record["latency_us"][at] for record in records), 0) for at in percentiles]
            rows.append([*row, show(table.spread(phase, server, "cpu_us")), bad(table, phase, server)])
    head = ["per second", "server", "p50", "p90", "p99", "p99.9", "max", "CPU µs", "wrong / lost"]
    return markdown(text, head, rows)


def open_calls(table: Table) -> str:
    """Octets per call that rings."""
    rows = []
    for server in table.servers("call-memory"):
        spread = table.spread("call-memory", server, "octets_per_call")
        budget = "≤ 4,096 B" + met(spread.middle <= 4096) if spread and server.startswith("dialplane") else ""
        rows.append([server, show(spread, 0), budget])
    text = "## Memory per call that rings, octets\n\nGrowth of the memory of all processes, divided by the calls."
    return markdown(text, ["server", "memory", "budget"], rows)


def memory(table: Table) -> str:
    """Octets per binding."""
    rows = []
    for phase in (p for p in table.phases() if p.startswith("memory-")):
        for server in table.servers(phase):
            spread = table.spread(phase, server, "octets_per_binding")
            budget = goal = ""
            if server.startswith("dialplane") and spread:
                budget, goal = "≤ 600 B" + met(spread.middle <= 600), "≤ 400 B" + met(spread.middle <= 400)
            disk = table.spread(phase, server, "disk_octets_per_binding")
            rows.append(
                [f"{int(phase.removeprefix('memory-')):,}", server, show(spread, 0), show(disk, 0), budget, goal]
            )
    text = (
        "## Memory per binding, octets\n\nGrowth of the memory of all processes (PSS: shared pages count once), "
        "divided by the bindings that came; and growth of the files."
    )
    return markdown(text, ["bindings", "server", "memory", "files", "budget", "goal"], rows)


def sizes(table: Table) -> str:
    """A lookup among few bindings and among many."""
    rows = []
    for server in table.servers("location-many"):
        few, many = (table.spread(f"location-{size}", server, "cpu_us") for size in ("few", "many"))
        growth = table.ratio("location-many", server, "cpu_us", ("location-few", server))
        budget = "≤ 1.25 ×" + met(growth.middle <= 1.25) if growth and server.startswith("dialplane") else ""
        rows.append([server, show(few), show(many), show(growth), budget])
    text = "## Redirect from location with few bindings and with many"
    return markdown(text, ["server", "few, CPU µs", "many, CPU µs", "growth", "budget"], rows)


def workers(table: Table) -> str:
    """One worker and two."""
    rows = []
    for server in table.servers("workers-2"):
        one, two = (table.spread(f"workers-{n}", server, "cpu_us") for n in (1, 2))
        growth = table.ratio("workers-2", server, "cpu_us", ("workers-1", server))
        shares = [sorted(r["usage"]["shares"].values(), reverse=True) for r in table.records("workers-2", server)]
        second = Spread.of(found[1] if len(found) > 1 else 0.0 for found in shares)
        budget = "≤ 1.1 ×" + met(growth.middle <= 1.1) if growth and server.startswith("dialplane") else ""
        rows.append([server, show(one), show(two), show(growth), budget, percent(second)])
    text = (
        "## One worker and two, one sender\n\nStateless forward. The last column is the second worker's part of all "
        "CPU time: 50 % is an even spread."
    )
    head = ["server", "1 worker, CPU µs", "2 workers, CPU µs", "growth", "budget", "second worker"]
    return markdown(text, head, rows)


def starts(table: Table) -> str:
    """Start with many bindings."""
    rows = []
    for server in table.servers("start"):
        spread = table.spread("start", server, "start_seconds")
        budget = "≤ 2 s" + met(spread.middle <= 2) if spread and server.startswith("dialplane") else ""
        rows.append([server, show(spread), budget])
    text = "## Start with bindings in the store, seconds until the first answer"
    return markdown(text, ["server", "seconds", "budget"], rows)


def notes(table: Table, result: dict[str, Any]) -> str:
    """What a reader must know before believing the table."""
    lines = []
    for phase in table.phases():
        for server in table.servers(phase):
            records = table.records(phase, server)
            if phase.startswith(("latency-", "rate", "memory-", "start", "workers-", "call-")):
                continue
            idle = Spread.of(record["busy"] for record in records)
            if idle and idle.middle < 0.9 and server != FLOOR and not result["method"]["quick"]:
                lines.append(f"{server}, {phase}: not saturated (busy {idle.middle:.0%}).")
            if any(record["shares_branches"] for record in records):
                lines.append(f"{server}, {phase}: different requests got the same branch (RFC 3261 §16.6 step 8).")
    lines += [f"failed: {failure.partition(chr(10))[0]}" for failure in result["failures"]]
    if result["machine"]["irq_time_accounting"]:
        lines.append("The kernel takes softirq time out of the threads' time: see `usage.softirq` in the raw results.")
    return "## Notes\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def markdown(text: str, head: list[str], rows: list[list[str]]) -> str:
    """A heading and a table; nothing when there are no rows."""
    if not rows:
        return ""
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return f"{text}\n\n" + "\n".join(lines)


def show(spread: Spread | None, digits: int = 2) -> str:
    """A spread, or nothing."""
    return spread.show(digits) if spread else ""


def percent(spread: Spread | None) -> str:
    """A share as a percentage."""
    return f"{spread.middle:.0%}" if spread else ""


def met(yes: bool) -> str:  # noqa: FBT001  (a mark behind a number)
    """A mark."""
    return " ✓" if yes else " ✗"


def bad(table: Table, phase: str, server: str) -> str:
    """Wrong and lost messages over all rounds."""
    wrong = table.total(phase, server, "wrong") + table.total(phase, server, "stray")
    return f"{wrong} / {table.total(phase, server, 'lost')}"
