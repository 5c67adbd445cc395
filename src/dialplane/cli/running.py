"""``dialplane status`` and ``dialplane reload``: ask the running server."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dialplane.cli.output import ConfigOption, complain, duration, effective, octets, out
from dialplane.errors import ExitStatus, UnavailableError
from dialplane.supervisor.asking import ask
from dialplane.supervisor.folder import DataFolder

JsonOption = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
HTTP_TIMEOUT = 5.0
UPGRADE_TIMEOUT = 600.0


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what the running server does: its processes, what they counted, its store and database."""
    facts = ask(data_folder(config), {"ask": "status"}, timeout=HTTP_TIMEOUT)
    document = _document(facts)
    if as_json:
        print(json.dumps(document or facts, indent=2))  # noqa: T201 - for programs
    elif document is None:
        complain("admin.address is empty: only the supervisor can be asked")
        _show_head(facts)
        _show_processes([*facts["workers"], *facts["retired"]], {})
    else:
        # Asked a moment ago; the control process hears of it only when a process changes.
        _show_head(document | {"dropped_by_kernel": facts["dropped_by_kernel"]})
        _show_processes(document["processes"], document["counters"])
        _show_counters(document["counters"])
        _show_targets(document["targets"])
        _show_data(document["store"], document["database"])


def reload(config: ConfigOption = None) -> None:
    """Let the running server read its configuration again. When anything is wrong, it goes on with the old one."""
    answer = ask(data_folder(config), {"ask": "reload"})
    if problems := answer.get("problems"):
        for problem in problems:
            complain(problem)
        complain("not reloaded: the old configuration stays in force")
        raise typer.Exit(ExitStatus.CONFIG)
    out.print(f"reloaded {answer['file']} ({answer['routes']} rules)", markup=False)


def upgrade(config: ConfigOption = None) -> None:
    """Bring the installed version into the running server, one process after the other. No connection is cut."""
    answer = ask(data_folder(config), {"ask": "upgrade"}, timeout=UPGRADE_TIMEOUT)
    if problems := answer.get("problems"):
        for problem in problems:
            complain(problem)
        raise typer.Exit(ExitStatus.UNAVAILABLE)
    versions = answer["upgraded"]
    out.print(f"upgraded from {versions['before']} to {versions['after']}", markup=False)


def data_folder(config: Path | None) -> DataFolder:
    """Where the server of this configuration keeps its data."""
    return DataFolder(Path(effective(config).server.data))


def _document(facts: dict[str, Any]) -> dict[str, Any] | None:
    """``/status`` of the control process; ``None`` when HTTP is switched off."""
    if not facts["admin"]:
        return None
    import httpx  # noqa: PLC0415 - takes a tenth of a second, and only this command needs it

    try:
        answer = httpx.get(f"http://{facts['admin']}/status", timeout=HTTP_TIMEOUT, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise UnavailableError(f"the control process does not answer on {facts['admin']}: {error}") from error
    document: dict[str, Any] = answer.json()
    return document


def _show_head(document: dict[str, Any]) -> None:
    up = duration(time.time() - document["started"])
    out.print(f"[bold]dialplane {document['version']}[/], up {up}, {document['reloads']} reloads")
    out.print(f"listening on {', '.join(document['listen'])}; datagrams spread: {document['spread']}", markup=False)
    if dropped := document.get("dropped_by_kernel"):
        out.print(f"dropped by the kernel, from banned sources: {dropped:,}")
    out.print(f"configuration {document['file'] or 'built-in'}, data in {document['data']}\n", markup=False)


def _show_processes(processes: list[dict[str, Any]], totals: dict[str, int]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("process", "pid", "up", "cpu s", "memory", "received", "sent", "restarts", "last gap"):
        table.add_column(heading, justify="left" if heading == "process" else "right")
    for row in processes:
        counters = row.get("counters", {})
        gap = row["last_gap"]
        state = "" if row["ready"] else " [red]not serving[/]"
        if (connections := row.get("connections")) is not None:
            state = f" ({connections:,} connections)"
        table.add_row(
            row["process"] + state,
            str(row["pid"] or "-"),
            duration(time.time() - row["started"]) if row.get("started") else "-",
            f"{row['cpu']:.1f}" if "cpu" in row else "",
            octets(row["memory"]) if "memory" in row else "",
            f"{counters['messages_received']:,}" if "messages_received" in counters else "",
            f"{counters['messages_sent']:,}" if "messages_sent" in counters else "",
            str(row["restarts"]),
            f"{gap * 1000:.0f} ms" if gap is not None else "",
        )
    out.print(table)
    if totals:
        out.print()


def _show_counters(totals: dict[str, int]) -> None:
    counted = [(name, value) for name, value in totals.items() if value]
    if not counted:
        out.print("nothing counted yet\n")
        return
    table = Table("counter", "", "counter", "", box=None, pad_edge=False, show_header=False)
    half = (len(counted) + 1) // 2
    for index in range(half):
        cells = []
        for name, value in counted[index::half]:
            cells += [name, f"{value:,}".rjust(14)]
        table.add_row(*cells)
    out.print(table)
    out.print()


def _show_targets(targets: list[dict[str, Any]]) -> None:
    counts = Counter(row["state"] for row in targets)
    if counts:
        out.print(f"targets: {', '.join(f'{counts[state]} {state}' for state in sorted(counts))}")


def _show_data(store: dict[str, int], database: dict[str, Any]) -> None:
    out.print(
        f"store: {store['bindings']:,} addresses-of-record, {store['credentials']:,} credentials, "
        f"{store['bans']:,} bans, "
        f"{octets(store['octets'])}; to be written: {store['backlog_urgent']:,}, {store['backlog_refresh']:,} refreshes"
    )
    if database["database"] == "none":
        out.print("database: none")
    elif database["connected"]:
        out.print(f"database: {database['database']}, {database['rows_written']:,} rows written", markup=False)
    else:
        complain(f"database: {database['database']}: {database['error'] or 'not connected yet'}")
