"""What all commands share: where output goes, how problems look, which configuration is meant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console

from dialplane.configuration import built_in, load, resolve

if TYPE_CHECKING:
    from dialplane.config import Config
    from dialplane.configuration import Loaded

# A program that reads our output gets whole lines; a person gets what fits.
_WIDE = 500
out = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _WIDE)

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="DIALPLANE_CONFIG",
        readable=False,  # Said by whoever reads it, in one line.
        help="Configuration file of the server; none: the built-in one.",
    ),
]


def complain(text: str) -> None:
    """One line on standard error."""
    err.print(text, style="red" if err.is_terminal else None, markup=False, soft_wrap=True)


def is_interactive() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and out.is_terminal


def loaded(file: Path | None) -> Loaded:
    """The configuration in ``file``, or the built-in one."""
    return load(file) if file else built_in()


def effective(file: Path | None) -> Config:
    """As :func:`loaded`, with everything filled in that was left open."""
    read = loaded(file)
    return resolve(read.config, read.base)


def duration(seconds: float) -> str:
    """``3d 4h``, ``2h 05m``, ``7m 09s``, ``12s``: the two largest units."""
    seconds = max(0, int(seconds))
    days, hours, minutes, rest = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


def octets(count: float) -> str:
    """``512 B``, ``1.5 KiB``, ``37.2 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
