"""Run by an older version before it gives way: would this one serve with the configuration? JSON, or a complaint."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec

# Whatever the server runs must be there.
import dialplane.cli
import dialplane.control.web
import dialplane.worker  # noqa: F401
from dialplane import __version__
from dialplane.configuration import built_in, load, resolve
from dialplane.configuration.native import check_natively
from dialplane.errors import DialplaneError
from dialplane.supervisor.succession import FORMAT
from dialplane.supervisor.supervisor import fixed_parts
from dialplane.supervisor.tables import compile_tables


def main(arguments: list[str]) -> int:
    """The exit status."""
    try:
        read = load(Path(arguments[0])) if arguments else built_in()
        config = resolve(read.config, read.base)
        with tempfile.TemporaryDirectory() as folder:
            ready = compile_tables(config, Path(folder), read.source.error)
            if problems := check_natively(ready):
                raise read.source.error(problems)
    except DialplaneError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    facts = {"version": __version__, "format": FORMAT, "fixed": fixed_parts(config)}
    sys.stdout.buffer.write(msgspec.json.encode(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
