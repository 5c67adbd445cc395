"""``dialplane users``: who may register. Works on the database, whether the server runs or not."""

from __future__ import annotations

import asyncio
import json
import secrets
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from dialplane.cli.output import ConfigOption, complain, effective, err, is_interactive, out
from dialplane.configuration.address import listen_address
from dialplane.database import Database, DatabaseError, database
from dialplane.database.rows import new_subscriber
from dialplane.errors import DataError, ExitStatus, UnknownUserError, WriteError
from dialplane.imports import records
from dialplane.imports.record import Record, binding, subscriber

if TYPE_CHECKING:
    from dialplane.config import Config
    from dialplane.database import Subscriber
    from dialplane_native.records import Account, Binding

app = typer.Typer(name="users", help="Add, list, remove and import users.", no_args_is_help=True)

PAGE = 1000
SHOWN_PROBLEMS = 5


@app.command()
def add(
    user: Annotated[str, typer.Argument(metavar="USER@DOMAIN", help="Address-of-record: alice@example.com.")],
    config: ConfigOption = None,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    generate: Annotated[bool, typer.Option(help="Make a password and print it.")] = False,
    replace: Annotated[bool, typer.Option(help="Give a user who exists a new password.")] = False,
) -> None:
    """Add a user. The password is asked for; only its digests are stored."""
    settings = effective(config)
    account = _account(user)
    password = _password(password_stdin=password_stdin, generate=generate)
    row = new_subscriber(*account, password, settings.auth.realm or account[1])

    async def work() -> None:
        async with _database(settings) as opened:
            if not await opened.put_subscribers([row], replace=replace):
                raise DataError(f"{user} exists; --replace gives a new password")

    asyncio.run(work())
    if generate:
        print(password)  # noqa: T201 - what was asked for, for a script to read
    else:
        out.print(f"added {'@'.join(account)}", markup=False)
    _warn_of_foreign_domain(account[1], settings)


@app.command(name="list")
def list_users(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List all users."""
    settings = effective(config)

    async def work() -> None:
        async with _database(settings) as opened:
            after: Account | None = None
            table = Table("user", "digests", box=None, pad_edge=False, header_style="bold")
            while page := await opened.subscribers(after, PAGE):
                for row in page:
                    if as_json:
                        entry = {"user": row.username, "domain": row.domain, "digests": _digest_names(row)}
                        print(json.dumps(entry))  # noqa: T201 - for programs
                    else:
                        table.add_row(f"{row.username}@{row.domain}", ", ".join(_digest_names(row)) or "none")
                after = page[-1].account
            if not as_json:
                out.print(table if table.row_count else "no users yet; add one: dialplane users add alice@example.com")

    asyncio.run(work())


@app.command()
def remove(
    user: Annotated[str, typer.Argument(metavar="USER@DOMAIN")],
    config: ConfigOption = None,
) -> None:
    """Remove a user. A running server refuses them within two seconds; a binding lasts until it ends."""
    settings = effective(config)

    async def work() -> None:
        async with _database(settings) as opened:
            if not await opened.remove_subscriber(_account(user)):
                raise UnknownUserError(f"{user}: no such user")

    asyncio.run(work())
    out.print(f"removed {user}", markup=False)


@app.command(name="import")
def import_users(
    file: Annotated[
        Path,
        typer.Argument(readable=False, help="Kamailio SQLite database, SQL dump, or CSV with a first line of names."),
    ],
    config: ConfigOption = None,
    domain: Annotated[str | None, typer.Option(help="Domain of rows that have none.")] = None,
    replace: Annotated[bool, typer.Option(help="Replace users who exist.")] = False,
    bindings: Annotated[bool, typer.Option(help="Take over bindings (table location) too.")] = True,
) -> None:
    """Import users, and bindings, from what you have."""
    settings = effective(config)
    importer = _Importer(settings, domain, replace=replace, with_bindings=bindings)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())

    async def work() -> None:
        async with _database(settings) as opened:
            with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
                bar = progress.add_task("importing")
                for record in records(file):
                    if await importer.take(record, opened):
                        progress.update(bar, completed=record.done, total=record.total)
                await importer.flush(opened)

    asyncio.run(work())
    out.print(
        f"{importer.written} users imported, {importer.read - importer.written} existed, {importer.bound} bindings",
        markup=False,
    )
    if importer.problems:
        for problem in importer.problems[:SHOWN_PROBLEMS]:
            complain(problem)
        complain(f"{len(importer.problems)} rows were left out")
        raise typer.Exit(ExitStatus.DATA)


class _Importer:
    """Collects rows and writes them in batches; rows that cannot be used are left out and told."""

    def __init__(self, settings: Config, domain: str | None, *, replace: bool, with_bindings: bool) -> None:
        self.read = 0
        self.written = 0
        self.bound = 0
        self.problems: list[str] = []
        self._settings = settings
        self._domain = domain
        self._replace = replace
        self._with_bindings = with_bindings
        self._users: list[Subscriber] = []
        self._bindings: list[Binding] = []

    async def take(self, record: Record, opened: Database) -> bool:
        """Takes a row. Whether a batch was written."""
        try:
            if record.table == "subscriber":
                self._users.append(subscriber(record, domain=self._domain, realm=self._settings.auth.realm))
            elif self._with_bindings:
                self._bindings.append(binding(record, domain=self._domain))
        except DataError as problem:
            self.problems.append(str(problem))
        if len(self._users) < PAGE and len(self._bindings) < PAGE:
            return False
        await self.flush(opened)
        return True

    async def flush(self, opened: Database) -> None:
        """Writes what was collected."""
        if self._users:
            self.read += len(self._users)
            self.written += await opened.put_subscribers(self._users, replace=self._replace)
            self._users.clear()
        if self._bindings:
            await opened.insert_foreign_bindings(self._bindings)
            self.bound += len(self._bindings)
            self._bindings.clear()


def _database(settings: Config) -> Database:
    url = settings.database.url
    if url == "none":
        raise DatabaseError("database.url is none: there is nowhere to keep users")
    if url.startswith("sqlite:"):
        folder = Path(url.removeprefix("sqlite:")).parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"{folder}: {error.strerror}") from error
    return database(url)


def _account(text: str) -> Account:
    username, _, domain = text.removeprefix("sip:").rpartition("@")
    if not username or not domain or any(mark.isspace() for mark in text) or "@" in username:
        raise DataError(f'"{text}" is not an address-of-record such as alice@example.com')
    return username, domain.lower()


def _password(*, password_stdin: bool, generate: bool) -> str:
    if generate:
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif is_interactive():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise DataError("no terminal to ask for a password on: use --password-stdin or --generate")
    if not password:
        raise DataError("the password is empty")
    return password


def _digest_names(row: Subscriber) -> list[str]:
    known = {"MD5": row.ha1, "SHA-256": row.ha1_sha256, "SHA-512-256": row.ha1_sha512_256}
    if row.password:
        return list(known)
    return [name for name, digest in known.items() if digest]


def _warn_of_foreign_domain(domain: str, settings: Config) -> None:
    own = {name.lower() for name in settings.domains}
    own |= {str(listen_address(entry.address).bind.host) for entry in settings.listen}
    if domain.strip("[]") not in own and domain not in own:
        complain(f"note: {domain} is not among the domains of this configuration")
