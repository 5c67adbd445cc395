"""The command ``dialplane``. A mistake of the user is one line and an exit status, never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from dialplane import __version__
from dialplane.cli import asking, bans, bench, calling, inspect, locations, running, serve, targets, users, watching
from dialplane.cli.output import complain
from dialplane.configuration import ConfigurationError
from dialplane.errors import DialplaneError, ExitStatus

app = typer.Typer(
    name="dialplane",
    help="SIP server and user agent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(inspect.check)
app.command()(inspect.explain)
app.command()(inspect.schema)
app.command()(running.status)
app.command()(running.reload)
app.command()(running.upgrade)
app.command()(locations.locations)
app.command()(asking.register)
app.command()(calling.call)
app.command()(calling.listen)
app.command()(asking.message)
app.command("options")(asking.options)
app.command()(watching.subscribe)
app.command()(watching.publish)
app.command()(bench.bench)
app.add_typer(users.app, name="users")
app.add_typer(bans.app, name="bans")
app.add_typer(targets.app, name="targets")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        print(f"dialplane {__version__}")  # noqa: T201 - what was asked for
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """SIP server and user agent."""


def main() -> None:
    """Entry of the command."""
    try:
        app()
    except ConfigurationError as error:
        for problem in error.problems:
            complain(str(problem))
        sys.exit(error.status)
    except DialplaneError as error:
        complain(str(error))
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # "dialplane locations | head": who reads has seen enough. Nothing more may be written on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        complain(f"internal error: {type(error).__name__}: {error}")
        if os.environ.get("DIALPLANE_TRACEBACK"):
            traceback.print_exc()
        else:
            complain("this is a fault of dialplane; DIALPLANE_TRACEBACK=1 shows where")
        sys.exit(ExitStatus.INTERNAL)
