"""``dialplane bans``: sources whose messages the running server drops unread."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from typing import Annotated

import typer
from rich.table import Table

from dialplane.cli.output import ConfigOption, duration, effective, out
from dialplane.cli.running import JsonOption, data_folder
from dialplane.errors import DataError
from dialplane.supervisor.asking import ask

app = typer.Typer(help="Sources whose messages are dropped unread: list, add, remove.", no_args_is_help=True)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
AddressArgument = Annotated[str, typer.Argument(help="An address; of IPv6, the whole /64 is meant.")]


@app.command("list")
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show who is banned, why, and for how long."""
    bans = ask(data_folder(config), {"ask": "bans"})["bans"]
    if as_json:
        rows = [{"source": source, "until": until, "reason": reason} for source, until, reason in bans]
        print(json.dumps(rows, indent=2))  # noqa: T201 - for programs
        return
    if not bans:
        out.print("nobody is banned")
        return
    table = Table("source", "left", "reason", box=None, pad_edge=False, header_style="bold")
    for source, until, reason in bans:
        table.add_row(source, duration(until - time.time()), reason)
    out.print(table)


@app.command()
def add(
    address: AddressArgument,
    config: ConfigOption = None,
    time_: Annotated[str | None, typer.Option("--for", help="90s, 10m, 12h or 7d; without it, guard.ban.")] = None,
) -> None:
    """Ban a source, unless guard.allow or proxy.trusted has it."""
    chosen = effective(config)
    seconds = chosen.guard.ban if time_ is None else _seconds(time_)
    address = _address(address)
    for network in (*chosen.guard.allow, *chosen.proxy.trusted):
        if ipaddress.ip_address(address) in ipaddress.ip_network(network):
            raise DataError(f"{address} is in {network}, which guard.allow or proxy.trusted has: it cannot be banned")
    answer = ask(data_folder(config), {"ask": "ban", "address": address, "seconds": seconds})
    out.print(f"banned {answer['banned']} for {duration(seconds)}", markup=False)


@app.command()
def remove(address: AddressArgument, config: ConfigOption = None) -> None:
    """End a ban."""
    lifted = ask(data_folder(config), {"ask": "lift", "address": _address(address)})["lifted"]
    out.print(f"{lifted} is no longer banned" if lifted else f"{address} is not banned", markup=False)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.removesuffix("/64")))
    except ValueError:
        raise DataError(f'"{text}" is not an address such as 192.0.2.7 or 2001:db8::7') from None


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,8})([smhd]?)", text)
    if match is None or not int(match[1]):
        raise DataError(f'"{text}" is not a time such as 90s, 10m, 12h or 7d')
    return float(int(match[1]) * _UNITS[match[2] or "s"])
