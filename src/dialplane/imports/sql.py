"""Rows of an SQL dump: ``INSERT INTO`` as mysqldump, sqlite3 and others write it, ``COPY … FROM stdin`` of pg_dump.

Only what is needed to find the rows of two tables is understood; everything else is stepped over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dialplane.errors import DataError
from dialplane.imports.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = frozenset({"subscriber", "location"})
KAMAILIO_COLUMNS = {
    "subscriber": ["id", "username", "domain", "password", "ha1", "ha1b"],
    "location": [
        "id", "ruid", "username", "domain", "contact", "received", "path", "expires", "q", "callid", "cseq",
        "last_modified", "flags", "cflags", "user_agent", "socket", "methods", "instance", "reg_id", "server_id",
        "connection_id", "keepalive", "partition",
    ],
}  # fmt: skip
"""Their order where a dump names no columns and has no ``CREATE TABLE``."""

_NAME = r"[`\"\[]?(\w+)[`\"\]]?"
_TABLE = rf"(?:{_NAME}\.)?{_NAME}"
_STATEMENT = re.compile(
    rf"^\s*(?:(?P<insert>(?:INSERT|REPLACE)(?:\s+IGNORE|\s+OR\s+\w+)?\s+INTO)|(?P<copy>COPY)"
    rf"|(?P<create>CREATE\s+TABLE(?:\s+IF\s+NOT\s+EXISTS)?))\s+{_TABLE}\s*",
    re.IGNORECASE | re.MULTILINE,
)
_COLUMN_LIST = re.compile(r"\(([^()]*)\)\s*")
_VALUES = re.compile(r"VALUES\s*", re.IGNORECASE)
_VALUE = re.compile(
    r"\s*(?:(?P<null>NULL)|(?P<number>[-+]?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?)|[EeNn]?'(?P<text>(?:[^'\\]|''|\\.)*)'"
    r"|(?P<word>\w+(?:\([^()]*\))?))\s*(?P<end>[,)])",
    re.IGNORECASE | re.DOTALL,
)
# Standard SQL knows no backslash escapes; a text may even end with one.
_STANDARD_VALUE = re.compile(_VALUE.pattern.replace(r"(?:[^'\\]|''|\\.)*", r"(?:[^']|'')*"), _VALUE.flags)
_COLUMN_DEFINITION = re.compile(rf"\s*{_NAME}\s+[A-Za-z]")
_NO_COLUMN = frozenset({"constraint", "primary", "unique", "key", "index", "foreign", "check", "fulltext"})
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "v": "\v", "f": "\f"}


def sql_records(file: Path) -> Iterator[Record]:
    """Every row of ``subscriber`` and ``location`` in the dump."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = file.read_text(encoding="latin-1")
    return _Dump(str(file), text).records()


class _Dump:
    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        # Only MySQL quotes names with backticks, and only there does a backslash mean something in a text.
        self._has_escapes = "`" in text or "MySQL dump" in text[:1000] or "MariaDB dump" in text[:1000]
        self._value = _VALUE if self._has_escapes else _STANDARD_VALUE
        self._columns = {table: list(names) for table, names in KAMAILIO_COLUMNS.items()}
        self._line_offset = 0
        self._line = 1

    def records(self) -> Iterator[Record]:
        at = 0
        found = False
        while statement := _STATEMENT.search(self._text, at):
            at = statement.end()
            table = statement[statement.lastindex or 0].lower()
            if table not in TABLES:
                continue
            if statement["create"]:
                self._read_columns(table, at)
                continue
            found = True
            names = self._columns[table]
            if given := _COLUMN_LIST.match(self._text, at):
                names = [name.strip(' \t\r\n`"[]').lower() for name in given[1].split(",")]
                at = given.end()
            rows = self._copied(at) if statement["copy"] else self._inserted(at)
            for values, at in rows:
                place = f"{self._name}:{self._line_of(at)}"
                if len(values) != len(names):
                    raise DataError(f"{place}: {len(values)} values for {len(names)} columns of {table}")
                yield Record(table, dict(zip(names, values, strict=True)), place, at, len(self._text))
        if not found:
            raise DataError(f"{self._name}: holds no rows of subscriber or location")

    def _read_columns(self, table: str, at: int) -> None:
        """Order of the columns, from ``CREATE TABLE``."""
        depth, start, parts = 0, at, []
        for index in range(at, len(self._text)):
            mark = self._text[index]
            if mark == "(":
                depth += 1
                start = index + 1 if depth == 1 else start
            elif mark in ",)" and depth == 1:
                parts.append(self._text[start:index])
                start = index + 1
            depth -= mark == ")"
            if mark == ")" and depth == 0:
                break
        names = [match[1].lower() for part in parts if (match := _COLUMN_DEFINITION.match(part))]
        self._columns[table] = [name for name in names if name not in _NO_COLUMN]

    def _inserted(self, at: int) -> Iterator[tuple[list[str | None], int]]:
        """Rows behind ``VALUES``, each with the offset behind it."""
        values = _VALUES.match(self._text, at)
        if values is None:
            return
        at = values.end()
        while self._text.startswith("(", at):
            at += 1
            row: list[str | None] = []
            while True:
                value = self._value.match(self._text, at)
                if value is None:
                    raise DataError(f"{self._name}:{self._line_of(at)}: a value that cannot be read")
                row.append(self._plain(value))
                at = value.end()
                if value["end"] == ")":
                    break
            yield row, at
            while at < len(self._text) and self._text[at] in " \t\r\n,":
                at += 1

    def _copied(self, at: int) -> Iterator[tuple[list[str | None], int]]:
        r"""Lines behind ``COPY … FROM stdin;`` up to ``\.``, each with the offset behind it."""
        at = self._text.find("\n", at) + 1
        while 0 < at < len(self._text):
            end = self._text.find("\n", at)
            end = len(self._text) if end < 0 else end
            line = self._text[at:end].rstrip("\r")
            if line == "\\.":
                return
            at = end + 1
            yield [None if field == "\\N" else _unescape(field) for field in line.split("\t")], at

    def _plain(self, value: re.Match[str]) -> str | None:
        if value["null"]:
            return None
        if value["text"] is None:
            return value["number"] or value["word"]
        text = value["text"].replace("''", "'")
        return _unescape(text) if self._has_escapes else text

    def _line_of(self, offset: int) -> int:
        self._line += self._text.count("\n", self._line_offset, offset)
        self._line_offset = max(self._line_offset, offset)
        return self._line


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text) if "\\" in text else text
