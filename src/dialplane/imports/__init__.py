"""Reads subscribers and bindings from what people have: a Kamailio SQLite database, an SQL dump, a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialplane.errors import DataError, MissingFileError
from dialplane.imports.csvfile import csv_records
from dialplane.imports.sql import sql_records
from dialplane.imports.sqlitefile import MAGIC, sqlite_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dialplane.imports.record import Record

__all__ = ["records"]


def records(file: Path) -> Iterator[Record]:
    """Every row of ``subscriber`` and ``location`` in ``file``, whatever kind of file it is.

    Raises :class:`MissingFileError` when it cannot be read, :class:`DataError` when it is none of the kinds.
    """
    try:
        with file.open("rb") as opened:
            beginning = opened.read(65536)
    except OSError as error:
        raise MissingFileError(f"{file}: {error.strerror}") from error
    if beginning.startswith(MAGIC):
        return sqlite_records(file)
    text = beginning.decode(errors="replace")
    if any(word in text.upper() for word in ("INSERT INTO", "CREATE TABLE", "COPY ")) or file.suffix == ".sql":
        return sql_records(file)
    if "username" in text.partition("\n")[0].lower():
        return csv_records(file)
    raise DataError(
        f"{file}: neither a SQLite database nor an SQL dump nor a CSV file whose first line names a column username"
    )
