"""Rows of an existing SQLite database. It is opened for reading only."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from dialplane.errors import DataError
from dialplane.imports.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"SQLite format 3\0"
TABLES = ("subscriber", "location")


def sqlite_records(file: Path) -> Iterator[Record]:
    """Every row of ``subscriber`` and ``location``."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            tables = [table for table in TABLES if table in present]
            if not tables:
                raise DataError(f"{file}: has no table subscriber and no table location")
            count = "SELECT COUNT(*) FROM "
            total = sum(connection.execute(count + table).fetchone()[0] for table in tables)
            done = 0
            for table in tables:
                cursor = connection.execute("SELECT * FROM " + table)
                names = [column[0].lower() for column in cursor.description]
                for row in cursor:
                    done += 1
                    values = {
                        name: None if value is None else str(value) for name, value in zip(names, row, strict=True)
                    }
                    yield Record(table, values, f"{file}: {table} row {done}", done, total)
    except sqlite3.Error as error:
        raise DataError(f"{file}: {error}") from error
