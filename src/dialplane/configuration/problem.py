"""One thing that is wrong with a configuration, and the error that carries all of them."""

from __future__ import annotations

import difflib
import itertools
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from dialplane.errors import DialplaneError, ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands: names of keys and, in an array, its index: ``("route", 3, "uri")``."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """What is wrong, and where: ``dialplane.toml:12: listen[0].adress: unknown key; did you mean "address"?``."""

    line: int
    """1-based; 0 when the problem belongs to no line (a key that is missing from an empty file)."""
    path: KeyPath
    text: str
    file: str = ""

    def __str__(self) -> str:
        place = ":".join(part for part in (self.file, str(self.line or "")) if part)
        return ": ".join(part for part in (place, dotted(self.path), self.text) if part)


class ConfigurationError(DialplaneError):
    """A configuration that cannot be used. ``problems`` holds all of them, in the order of the file."""

    status = ExitStatus.CONFIG

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: (p.file, p.line, [str(part) for part in p.path], p.text))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: KeyPath) -> str:
    """The path as people write it: ``route[3].uri``."""
    parts = ((f"[{part}]" if isinstance(part, int) else f".{part}") for part in path)
    return "".join(parts).removeprefix(".")


def key_path(text: str) -> KeyPath:
    """Reads what :func:`dotted` wrote, or the plain form ``route.3.uri``."""
    parts = text.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts if part)


def suggestion(wrong: str, known: Sequence[str]) -> str:
    """``; did you mean "address"?`` for the nearest of ``known``, or else ``; known: a, b, c``."""
    nearest = difflib.get_close_matches(wrong.lower(), [name.lower() for name in known], n=1, cutoff=0.6)
    if nearest:
        original = next(name for name in known if name.lower() == nearest[0])
        return f'; did you mean "{original}"?'
    if not known:
        return ""
    listed = ", ".join(itertools.islice(known, 12))
    return f"; known: {listed}" + (", …" if len(known) > 12 else "")
