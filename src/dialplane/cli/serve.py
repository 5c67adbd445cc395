"""``dialplane serve``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Group
from rich.panel import Panel
from rich.table import Table

from dialplane import log
from dialplane.cli.demonstration import DOMAIN, User, make_users
from dialplane.cli.output import loaded, out
from dialplane.supervisor import Parts, Supervisor
from dialplane.supervisor.parts import prepare_database
from dialplane.supervisor.succession import inherited

if TYPE_CHECKING:
    from dialplane.config import Config


def serve(
    file: Annotated[
        Path | None,
        typer.Argument(envvar="DIALPLANE_CONFIG", readable=False, help="Configuration file; none: a demonstration."),
    ] = None,
) -> None:
    """Run the server until it is stopped (Ctrl-C). SIGHUP reads the configuration again.

    Without FILE it serves on 127.0.0.1 alone, with two users whose passwords it shows.
    """
    read = loaded(file)
    log.set_up(read.config.server.log, read.config.server.log_level)
    users: list[User] = []

    async def prepare(config: Config) -> None:
        await prepare_database(config)
        if file is None:
            users.extend(await make_users(config))

    def show(supervisor: Supervisor) -> None:
        if users:
            _introduce(supervisor.config, users)

    parts = msgspec.structs.replace(Parts(), prepare=prepare)
    path = file.absolute() if file else None
    supervisor = Supervisor(read, file=path, parts=parts, estate=inherited(), on_ready=show)
    raise typer.Exit(supervisor.run())


def _introduce(config: Config, users: list[User]) -> None:
    """What to type into two softphones."""
    port = config.listen[0].address.rpartition(":")[2]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("user", "password", "domain or server", "address"):
        table.add_column(heading, no_wrap=True)
    for user in users:
        table.add_row(user.name, user.password or "(the one you set)", f"{DOMAIN}:{port}", f"sip:{user.name}@{DOMAIN}")
    first, second = users[0].name, users[1].name
    hints = (
        f"\nGive one softphone the account {first}, another one {second}\n"
        f"(transport UDP, no outbound proxy), and let {first} call\n"
        f"sip:{second}@{DOMAIN}. Ctrl-C stops the server.\n"
    )
    if config.admin.address:
        hints += f"\nStatus: http://{config.admin.address}/status, or: dialplane status"
    out.print(Panel.fit(Group(table, hints), title="dialplane serves on this machine only", padding=(1, 2)))
