"""``dialplane locations``: who is registered, where. Reads the shared store, whether the server runs or not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from dialplane.cli.output import ConfigOption, duration, effective, is_interactive, out
from dialplane.database.rows import LOCATION_COLUMNS
from dialplane.errors import DataError, UnavailableError, UnknownUserError
from dialplane.supervisor.folder import DataFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dialplane_native.records import Binding
    from dialplane_native.server import Store

SHOWN = ("aor", "contact", "ends in", "q", "received", "path", "user agent")


def locations(
    aor: Annotated[str | None, typer.Argument(metavar="[USER@DOMAIN]", help="Only this address-of-record.")] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    page: Annotated[int, typer.Option(min=1, help="Bindings on one page.")] = 40,
) -> None:
    """List bindings: all, page by page, or those of one address-of-record."""
    store = _store(DataFolder(Path(effective(config).server.data)))
    if aor is not None:
        username, _, domain = aor.removeprefix("sip:").rpartition("@")
        if not username:
            raise DataError(f'"{aor}" is not an address-of-record such as alice@example.com')
        rows = store.lookup(username, domain.lower())
        if not rows:
            raise UnknownUserError(f"{aor}: not registered")
        pages = iter([rows])
    else:
        pages = _pages(store, page)
    count = 0
    for rows in pages:
        if count and not as_json and is_interactive() and not _wants_more(count):
            return
        _print(rows, as_json=as_json)
        count += len(rows)
    if not count and not as_json:
        out.print("nobody is registered")


def _store(folder: DataFolder) -> Store:
    from dialplane_native.server import Store, StoreError  # noqa: PLC0415 - loads the extension only where it is used

    try:
        return Store(str(folder.store), "reader")
    except (StoreError, OSError) as error:
        raise UnavailableError(f"no store in data folder {folder.path}: {error}") from error


def _pages(store: Store, length: int) -> Iterator[list[Binding]]:
    cursor: bytes | None = None
    while True:
        cursor, rows = store.bindings(cursor, length)
        if rows:
            yield rows
        if cursor is None:
            return


def _wants_more(count: int) -> bool:
    answer = out.input(f"-- {count} bindings; Enter for more, q to end -- ")
    return not answer.strip().lower().startswith("q")


def _print(rows: list[Binding], *, as_json: bool) -> None:
    named: list[dict[str, Any]] = [dict(zip(LOCATION_COLUMNS, row, strict=True)) for row in rows]
    if as_json:
        for row in named:
            print(json.dumps(row))  # noqa: T201 - for programs
        return
    table = Table(*SHOWN, box=None, pad_edge=False, header_style="bold")
    for row in named:
        table.add_row(
            Text(f"{row['username']}@{row['domain']}"),
            Text(row["contact"]),
            duration(row["expires"] - time.time()),
            f"{row['q']:g}" if row["q"] >= 0 else "-",
            Text(row["received"] or ""),
            Text(row["path"] or ""),
            Text(row["user_agent"]),
        )
    out.print(table)
