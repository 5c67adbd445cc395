"""What the commands of the user agent share: the account, the view of what happens, the ladder of messages."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import ssl
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

import msgspec
import typer
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dialplane.cli.output import err
from dialplane.errors import MissingFileError
from dialplane.ua import UserAgent

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from dialplane.media import Statistics
    from dialplane.ua.transport import Flow

Account: TypeAlias = Annotated[
    str, typer.Option("--from", "-f", envvar="DIALPLANE_FROM", help="Our address: sip:alice@example.com.")
]
Password: TypeAlias = Annotated[
    str | None, typer.Option("--password", "-p", envvar="DIALPLANE_PASSWORD", help="Password for digest.")
]
Username: TypeAlias = Annotated[str | None, typer.Option(help="User name for digest; the user of --from otherwise.")]
Proxy: TypeAlias = Annotated[
    str | None,
    typer.Option("--proxy", "-x", envvar="DIALPLANE_PROXY", help="Server that everything goes to: 192.0.2.1:5060."),
]
Host: TypeAlias = Annotated[str | None, typer.Option(help="Address of this machine to use.")]
Port: TypeAlias = Annotated[int, typer.Option(help="Port for UDP and TCP; 0: any.")]
Authorities: TypeAlias = Annotated[
    Path | None, typer.Option("--ca-file", help="Certificates that are trusted for TLS, in place of the system's.")
]
Trace: TypeAlias = Annotated[bool, typer.Option("--trace", "-t", help="Show every message as it goes by.")]

ANONYMOUS = "sip:anonymous@anonymous.invalid"
"""RFC 3261 §8.1.1.3."""
_LADDER = 16


class Settings(msgspec.Struct, frozen=True):
    """The options that all of these commands have."""

    account: str
    password: str | None = None
    username: str | None = None
    proxy: str | None = None
    host: str | None = None
    port: int = 0
    authorities: Path | None = None
    trace: bool = False

    def agent(self, *, register: bool | None = None, expires: int = 600) -> UserAgent:
        """The user agent."""
        context = None if self.authorities is None else trusting(self.authorities)
        return UserAgent(
            self.account,
            password=self.password,
            username=self.username,
            proxy=self.proxy,
            register=register,
            expires=expires,
            host=self.host,
            port=self.port,
            tls=context,
        )


def trusting(authorities: Path) -> ssl.SSLContext:
    """TLS that trusts these and no others."""
    try:
        return ssl.create_default_context(cafile=str(authorities))
    except OSError as error:
        raise MissingFileError(f"{authorities}: no certificates: {error.strerror or error}") from None


_SHARED: dict[str, tuple[object, object]] = {
    "account": (Account, ANONYMOUS),
    "password": (Password, None),
    "username": (Username, None),
    "proxy": (Proxy, None),
    "host": (Host, None),
    "port": (Port, 0),
    "authorities": (Authorities, None),
    "trace": (Trace, False),
}
"""Type and default of each field of :class:`Settings`, as an option."""


def telephone(*, account: str = ANONYMOUS) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: the options that all have, which the command finds in its parameter ``settings``.

    ``account`` is the default of ``--from``. An option that the command has itself is not added, and counts.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "settings"]
        added = {name: shared for name, shared in _SHARED.items() if name not in {one.name for one in own}}
        parameters = own + [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=account if name == "account" else default,
                annotation=kind,
            )
            for name, (kind, default) in added.items()
        ]

        @functools.wraps(command)
        def run(**given: Any) -> None:  # noqa: ANN401 - whatever typer has read
            settings = Settings(**{name: given[name] for name in _SHARED})
            command(settings=settings, **{name: value for name, value in given.items() if name not in added})

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


class View:
    """What happens, as it happens: a live picture on a terminal, lines elsewhere."""

    def __init__(self, agent: UserAgent, title: str, *, trace: bool) -> None:
        self._title, self._trace = title, trace
        self._ladder: deque[Text] = deque(maxlen=_LADDER)
        self._began = time.monotonic()
        self._state = "starting"
        self.statistics: Callable[[], list[Statistics]] | None = None
        agent.endpoint.watchers.append(self._watch)
        self._live: Live | None = None
        if err.is_terminal and not trace:
            self._live = Live(console=err, get_renderable=self._picture, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        # What a user agent logs is told by its errors, too.
        logging.getLogger("dialplane.ua").setLevel(logging.ERROR)
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, state: str) -> None:
        """Where things are."""
        self._state = state
        if self._live is None:
            err.print(f"{self._clock()}  {state}", markup=False, soft_wrap=True)

    def _watch(self, direction: Literal["in", "out"], flow: Flow, data: bytes) -> None:
        line = data.partition(b"\r\n")[0].decode("utf-8", "replace")
        arrow = "→" if direction == "out" else "←"
        text = f"{self._clock()}  {arrow} {flow}  {line}"
        if self._trace:
            err.print(text, style="bold", markup=False, soft_wrap=True)
            err.print(data.decode("utf-8", "replace").replace("\r\n", "\n"), markup=False, soft_wrap=True)
        self._ladder.append(Text(text, style="cyan" if direction == "out" else "green", no_wrap=True))

    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:8.3f}"

    def _picture(self) -> Panel:
        parts: list[Any] = [Text(self._state, style="bold")]
        if self.statistics is not None and (found := self.statistics()):
            parts.append(_media_table(found))
        return Panel(Group(*parts, Text(), *self._ladder), title=self._title)


def _media_table(found: list[Statistics]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("codec", "sent", "received", "lost", "jitter", "to"):
        table.add_column(heading, no_wrap=True)
    for line in found:
        remote = f"{line.remote[0]}:{line.remote[1]}" if line.remote else "-"
        counts = (str(line.packets_sent), str(line.packets_received), str(line.packets_lost))
        table.add_row(line.codec or "-", *counts, f"{line.jitter * 1000:.1f} ms", remote)
    return table


def summary(found: list[Statistics]) -> str:
    """One line about the media of a call."""
    return "; ".join(
        f"{line.codec or 'no codec'}, {line.packets_sent} packets sent, {line.packets_received} received, "
        f"{line.packets_lost} lost, jitter {line.jitter * 1000:.1f} ms"
        for line in found
    )


def perform(work: Coroutine[Any, Any, None], *, until_stopped: bool = False) -> None:
    """Runs a command. Ctrl-C ends it in order: calls are hung up, bindings removed."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        if not until_stopped:
            raise


async def finished(*tasks: asyncio.Task[Any]) -> None:
    """Until the first is done; the others are ended."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
