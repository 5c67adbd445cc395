"""Number tables: CSV files are compiled once into files that the workers map, and again when they change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dialplane.errors import WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.config import Config, Table
    from dialplane.configuration import ConfigurationError

    Progress = Callable[[str, int, int], None]


def compile_tables(
    config: Config, folder: Path, as_error: Callable[..., ConfigurationError], progress: Progress | None = None
) -> Config:
    """``config`` with every CSV replaced by its compiled table in ``folder``.

    A table in use stays as it is while a new one is tried; see :func:`discard_unused`.
    """
    tables = []
    for index, table in enumerate(config.table):
        source = Path(table.file)
        if source.suffix == ".dpt":
            tables.append(table)
            continue
        try:
            compiled = _compiled(table, source, folder, progress)
        except (ValueError, OSError) as error:
            raise as_error([(("table", index, "file"), f"{source.name}: {error}")]) from error
        tables.append(msgspec.structs.replace(table, file=str(compiled)))
    return msgspec.structs.replace(config, table=tables)


def discard_unused(config: Config, folder: Path) -> None:
    """Removes compiled tables that ``config``, which is in force everywhere, does not name."""
    used = {table.file for table in config.table}
    for file in folder.glob("*.dpt"):
        if str(file) not in used:
            file.unlink(missing_ok=True)


def _compiled(table: Table, source: Path, folder: Path, progress: Progress | None) -> Path:
    facts = source.stat()
    # The name says what it was made of: a change of the source makes another file, and the old one stays mapped.
    compiled = folder / f"{table.name}-{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}.dpt"
    if compiled.exists():
        return compiled
    from dialplane_native.server import compile_table  # noqa: PLC0415 - loads the extension only where it is used

    report = (lambda done, total: progress(table.name, done, total)) if progress else None
    fresh = compiled.with_suffix(".new")
    compile_table(str(source), str(fresh), report)
    try:
        fresh.replace(compiled)
    except OSError as error:
        raise WriteError(f"{compiled}: {error.strerror}") from error
    return compiled
