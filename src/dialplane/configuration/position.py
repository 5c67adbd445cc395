"""Where each key of a TOML document stands. TOML 1.0.0.

``tomllib`` gives values without lines, and no library that keeps them exposes them, so this walks the text once more.
It takes only text that ``tomllib`` has accepted, so it need not check anything: it finds where keys and values begin
and steps over what lies between.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialplane.configuration.problem import KeyPath

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL_STRING = re.compile(r"'[^']*'")
# Up to two quotation marks may stand directly before the closing three.
_LONG_BASIC_STRING = re.compile(r'"""(?:[^\\]|\\.)*?""""{0,2}', re.DOTALL)
_LONG_LITERAL_STRING = re.compile(r"'''.*?''''{0,2}", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class Positions:
    """Lines of the keys of ``text``, which has to be valid TOML."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._offsets: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._document()

    def line(self, path: KeyPath) -> int:
        """1-based line of ``path``, or of the nearest thing around it; 0 when there is none."""
        while path:
            if path in self._offsets:
                return bisect_right(self._newlines, self._offsets[path] - 1) + 1
            path = path[:-1]
        return 0

    def paths(self) -> frozenset[KeyPath]:
        """All paths that were seen."""
        return frozenset(self._offsets)

    def _document(self) -> None:
        table: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            start = self._at
            if self._text.startswith("[[", start):
                self._at += 2
                table = self._header(self._key(), is_array=True)
                self._mark(table, start)
                self._at = self._text.index("]]", self._at) + 2
            elif self._text[start] == "[":
                self._at += 1
                table = self._header(self._key(), is_array=False)
                self._mark(table, start)
                self._at = self._text.index("]", self._at) + 1
            else:
                self._pair(table)

    def _header(self, key: list[str], *, is_array: bool) -> KeyPath:
        """Path of a table header; a name that is an array of tables means its last element."""
        path: KeyPath = ()
        for part in key[:-1]:
            path = self._inside((*path, part))
        path = (*path, key[-1])
        if not is_array:
            return path
        index = self._arrays.get(path, -1) + 1
        self._arrays[path] = index
        return (*path, index)

    def _inside(self, path: KeyPath) -> KeyPath:
        return (*path, self._arrays[path]) if path in self._arrays else path

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        path = (*table, *self._key())
        self._mark(path, start)
        self._at = self._text.index("=", self._at) + 1
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_SPACE)
            mark = self._text[self._at]
            if mark == '"':
                parts.append(_ESCAPE.sub(_unescape, self._take(_BASIC_STRING)[1:-1]))
            elif mark == "'":
                parts.append(self._take(_LITERAL_STRING)[1:-1])
            else:
                parts.append(self._take(_BARE_KEY))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        for opening, pattern in (
            ('"""', _LONG_BASIC_STRING),
            ("'''", _LONG_LITERAL_STRING),
            ('"', _BASIC_STRING),
            ("'", _LITERAL_STRING),
        ):
            if self._text.startswith(opening, self._at):
                self._take(pattern)
                return
        if self._text[self._at] == "[":
            self._items(path)
        elif self._text[self._at] == "{":
            self._inline_table(path)
        else:
            self._take(_SCALAR)

    def _items(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip(_BLANK)] != "]":
            self._mark((*path, index), self._at)
            self._value((*path, index))
            index += 1
            if self._text[self._skip(_BLANK)] == ",":
                self._at += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._text[self._skip(_BLANK)] != "}":
            self._pair(path)
            if self._text[self._skip(_BLANK)] == ",":
                self._at += 1
        self._at += 1

    def _mark(self, path: KeyPath, offset: int) -> None:
        """Remembers where ``path`` begins, and what lies above it, as far as it was not seen before."""
        for length in range(1, len(path) + 1):
            self._offsets.setdefault(path[:length], offset)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"not valid TOML at offset {self._at}")
        self._at = match.end()
        return match.group()


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPES.get(match[3], match[3])
