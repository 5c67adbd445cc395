"""``dialplane targets``: the next hops of the running server, and which of them get no new calls."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from dialplane.cli.output import ConfigOption, duration, out
from dialplane.cli.running import JsonOption, data_folder
from dialplane.errors import DataError
from dialplane.supervisor.asking import ask

app = typer.Typer(help="Targets of the sets: list, drain, undrain.", no_args_is_help=True)

TargetArgument = Annotated[
    str, typer.Argument(help="URI of the target, as in the configuration; sip: may be left out.")
]
_STYLES = {"up": "green", "down": "red", "ejected": "red", "drained": "yellow"}


@app.command("list")
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show which targets take requests, how many calls they have open and how long they take."""
    targets = ask(data_folder(config), {"ask": "targets"})["targets"]
    if as_json:
        print(json.dumps(targets, indent=2))  # noqa: T201 - for programs
        return
    if not targets:
        out.print("the configuration has no target sets")
        return
    table = Table("set", "target", "state", box=None, pad_edge=False, header_style="bold")
    for heading in ("priority", "weight", "calls", "latency"):
        table.add_column(heading, justify="right")
    for row in targets:
        table.add_row(
            row["set"],
            Text(row["uri"]),
            Text(_state(row), style=_STYLES[row["state"]]),
            str(row["priority"]),
            str(row["weight"]),
            "" if row["calls"] is None else f"{row['calls']:,}",
            "" if row["latency"] is None else f"{row['latency'] * 1000:.0f} ms",
        )
    out.print(table)


@app.command()
def drain(target: TargetArgument, config: ConfigOption = None) -> None:
    """Let a target get no new calls; those that it has go on. Holds until undrain, over restarts too."""
    out.print(f"{_ask(target, config, on=True)} gets no new calls", markup=False)


@app.command()
def undrain(target: TargetArgument, config: ConfigOption = None) -> None:
    """Let a target get calls again."""
    out.print(f"{_ask(target, config, on=False)} gets calls again", markup=False)


def _ask(target: str, config: ConfigOption, *, on: bool) -> str:
    answer = ask(data_folder(config), {"ask": "drain", "target": target, "on": on})
    if "refused" in answer:
        raise DataError(answer["refused"])
    return str(answer["target"])


def _state(row: dict[str, Any]) -> str:
    left = f" for {duration(row['until'] - time.time())}" if row["until"] else ""
    return f"{row['state']}{left}"
