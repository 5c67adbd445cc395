"""``dialplane check``, ``schema`` and ``explain``: look at a configuration without serving."""

from __future__ import annotations

import base64
import contextlib
import difflib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dialplane.cli.output import ConfigOption, err, loaded, out
from dialplane.config import Config
from dialplane.configuration import resolve
from dialplane.configuration.native import check_natively
from dialplane.errors import DataError, MissingFileError
from dialplane.supervisor.folder import DataFolder
from dialplane.supervisor.tables import compile_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dialplane.configuration import Loaded


def check(
    file: Annotated[
        Path | None, typer.Argument(envvar="DIALPLANE_CONFIG", readable=False, help="Configuration file.")
    ] = None,
) -> None:
    """Tell everything that is wrong with a configuration; exit status 78 if anything is."""
    read = loaded(file)
    with tempfile.TemporaryDirectory() as folder:
        config = _ready(read, Path(folder))
    counts = [(len(config.listen), "listener"), (len(config.route), "rule"), (len(config.target_set), "target set"),
        (len(config.table), "table")]  # fmt: skip
    listed = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts)
    out.print(f"{file or 'built-in configuration'}: good ({listed}, {config.server.workers} workers)", markup=False)


def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    document = msgspec.json.schema(Config)
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "dialplane configuration"
    print(json.dumps(document, indent=2))  # noqa: T201 - to be redirected into a file, as it is


def explain(
    message: Annotated[
        str, typer.Argument(help="File with a SIP message, '-' for standard input, or a SIP URI that is called.")
    ],
    config: ConfigOption = None,
    source: Annotated[str, typer.Option(help="Where the message comes from: udp:HOST:PORT.")] = "udp:127.0.0.1:40000",
    caller: Annotated[str, typer.Option("--from", help="Who calls, when MESSAGE is a URI.")] = "sip:alice@127.0.0.1",
    method: Annotated[str, typer.Option(help="Method, when MESSAGE is a URI.")] = "INVITE",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
) -> None:
    """Show which rule decides about a message, where it goes, and how it leaves. Sends nothing."""
    octets = _message(message, caller, method, source)
    read = loaded(config)
    from dialplane_native.server import explain as explain_natively  # noqa: PLC0415 - loads the extension

    with tempfile.TemporaryDirectory() as folder:
        ready = _ready(read, Path(folder))
        store = DataFolder(Path(ready.server.data)).store
        try:
            answer = json.loads(explain_natively(msgspec.json.encode(ready), str(store), octets, source))
        except ValueError as error:
            raise DataError(f"{message}: {error}") from error
    if as_json:
        print(json.dumps(answer, indent=2))  # noqa: T201 - for programs
    else:
        _show(answer, octets)


def _ready(read: Loaded, folder: Path) -> Config:
    """The configuration as a worker would take it, compiled."""
    config = resolve(read.config, read.base)
    with table_progress() as advance:
        config = compile_tables(config, folder, read.source.error, advance)
    problems = check_natively(config)
    if problems:
        raise read.source.error(problems)
    return config


@contextlib.contextmanager
def table_progress() -> Iterator[Any]:
    """A bar for each number table that is compiled, shown only where it takes time and somebody watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bars: dict[str, Any] = {}

        def advance(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(f"table {name}", total=total)
            progress.update(bars[name], completed=done)

        yield advance


def _message(text: str, caller: str, method: str, source: str) -> bytes:
    if text.lower().startswith(("sip:", "sips:", "tel:")):
        return _request(text, caller, method, source)
    try:
        octets = sys.stdin.buffer.read() if text == "-" else Path(text).read_bytes()
    except OSError as error:
        raise MissingFileError(f"{text}: {error.strerror}") from error
    # People write messages in editors, which end lines with LF alone.
    return octets if b"\r\n" in octets else octets.replace(b"\n", b"\r\n")


def _request(uri: str, caller: str, method: str, source: str) -> bytes:
    """A request such as a softphone would send. RFC 3261 §8.1.1."""
    transport, _, sent_by = source.partition(":")
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport.upper()} {sent_by};branch=z9hG4bKexplain;rport",
        "Max-Forwards: 70",
        f"From: <{caller}>;tag=explain",
        f"To: <{uri}>",
        "Call-ID: explain@dialplane",
        f"CSeq: 1 {method}",
        f"Contact: <sip:explain@{sent_by}>",
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def _show(answer: dict[str, Any], received: bytes) -> None:
    rule = answer.get("rule")
    decided = f"route[{rule}] {answer.get('name', '')}".strip() if rule is not None else "no rule"
    out.print(f"[bold]{answer['verdict']}[/] by {decided}")
    for step in answer.get("steps", []):
        out.print(f"  · {step}", markup=False)
    targets = answer.get("targets", [])
    if targets:
        table = Table("target", "sent to", "why", box=None, pad_edge=False, header_style="bold")
        for target in targets:
            table.add_row(Text(target["uri"]), Text(target.get("to") or "-"), Text(target.get("why", "")))
        out.print(table)
    for sent in answer.get("sends", []):
        out.print(f"\n[bold]to {sent['to']}[/]")
        _show_difference(received, base64.b64decode(sent["message"]), is_reply=answer["verdict"] == "reply")


def _show_difference(before: bytes, after: bytes, *, is_reply: bool) -> None:
    """The message that leaves; where it is the one that came, with what was changed."""
    old, new = (octets.decode(errors="replace").splitlines() for octets in (before, after))
    if is_reply:
        for line in new:
            out.print(f"  {line}", markup=False, soft_wrap=True)
        return
    styles = {"+": "green", "-": "red", "?": None}
    for line in difflib.ndiff(old, new):
        if not line.startswith("?"):
            out.print(line, style=styles.get(line[0]), markup=False, soft_wrap=True)
