"""Rows of a CSV file whose first line names the columns: ``username,domain,password`` or with ``ha1`` and so on."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from dialplane.errors import DataError
from dialplane.imports.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def csv_records(file: Path) -> Iterator[Record]:
    """Every row, as one of ``subscriber``, or of ``location`` when it has a column ``contact``."""
    total = file.stat().st_size
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front.
        with file.open(newline="", encoding="utf-8-sig") as opened:
            first = opened.readline()
            delimiter = max(",;\t", key=first.count)
            names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter))]
            table = "location" if "contact" in names else "subscriber"
            done = len(first)
            for number, row in enumerate(csv.reader(opened, delimiter=delimiter), 2):
                place = f"{file}:{number}"
                if not row:
                    continue
                if len(row) != len(names):
                    raise DataError(f"{place}: {len(row)} values where the first line names {len(names)} columns")
                done += sum(map(len, row)) + len(row)
                yield Record(table, dict(zip(names, (value or None for value in row), strict=True)), place, done, total)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{file}: {error}") from error
