"""Reads a configuration file. Everything that is wrong comes at once, each with its file and line."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dialplane.config import Config
from dialplane.configuration.effective import resolve
from dialplane.configuration.native import check_natively
from dialplane.configuration.position import Positions
from dialplane.configuration.problem import ConfigurationError, Problem
from dialplane.configuration.rules import findings
from dialplane.configuration.structure import structure
from dialplane.errors import MissingFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dialplane.configuration.problem import KeyPath

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Source:
    """The text that a configuration came from: puts a line to a path."""

    def __init__(self, file: str = "", text: str = "") -> None:
        self.file = file
        self._text = text

    @functools.cached_property
    def _positions(self) -> Positions:
        # Only a problem needs lines, and to find them in a file of a million prefixes takes seconds.
        return Positions(self._text)

    def problem(self, path: KeyPath, text: str) -> Problem:
        """``text`` about ``path``, with its place in the file."""
        return Problem(line=self._positions.line(path), path=path, text=text, file=self.file)

    def error(self, findings: Iterable[tuple[KeyPath, str]]) -> ConfigurationError:
        """All ``findings`` with their places."""
        return ConfigurationError(self.problem(path, text) for path, text in findings)


class Loaded(msgspec.Struct, frozen=True):
    """A configuration without problems of its own, and where it came from."""

    config: Config
    source: Source
    base: Path
    """Folder that relative paths in the file start from."""


def load(file: Path) -> Loaded:
    """Reads and checks ``file``.

    Raises :class:`ConfigurationError` with all problems, :class:`MissingFileError` when the file cannot be read.
    """
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise MissingFileError(f"{file}: {error.strerror}") from error
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigurationError([Problem(line, (), "not UTF-8", str(file))]) from error
    return parse(text, file=str(file), base=file.absolute().parent)


def parse(text: str, *, file: str = "", base: Path | None = None) -> Loaded:
    """Reads and checks ``text``; ``file`` is its name in problems, ``base`` where relative paths start."""
    # TOML ends lines with LF or CRLF; tomllib takes only text whose newlines were translated.
    text = text.replace("\r\n", "\n")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([_syntax_problem(str(error), text, file)]) from error
    source = Source(file, text)
    base = base or Path.cwd()
    found: list[tuple[KeyPath, str]] = []
    config: Config = structure(Config, document, lambda path, what: found.append((path, what)))
    broken = [path for path, _ in found]
    found.extend((path, what) for path, what in findings(config, base) if not _follows(path, broken))
    if found:
        found.extend(_compiled(config, base, [path for path, _ in found]))
        raise source.error(found)
    return Loaded(config, source, base)


def built_in() -> Loaded:
    """What serves when no file is given: every default."""
    return Loaded(Config(), Source(), Path.cwd())


def _compiled(config: Config, base: Path, broken: list[KeyPath]) -> list[tuple[KeyPath, str]]:
    """What a worker would find besides. Tables are not compiled yet; who names which is known already."""
    found = check_natively(resolve(msgspec.structs.replace(config, table=[]), base))
    return [(path, what) for path, what in found if "redirect" not in path and not _follows(path, broken)]


def _follows(path: KeyPath, broken: list[KeyPath]) -> bool:
    """Whether a finding about ``path`` may only come from a value that was replaced by its default."""
    if path[:1] == ("route",):
        # A rule names target sets and tables.
        refers_to = {"forward": "target_set", "redirect": "table"}.get(str(path[2]) if len(path) > 2 else "")
        if any(other[0] == refers_to for other in broken):
            return True
    shared = [min(len(path), len(other)) for other in broken]
    return any(path[:length] == other[:length] for other, length in zip(broken, shared, strict=True))


def _syntax_problem(message: str, text: str, file: str) -> Problem:
    place = _TOML_PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    what = _TOML_PLACE.sub("", message)
    column = f" (column {place[2]})" if place and place[2] else " (end of the file)"
    return Problem(line, (), f"not TOML: {what[:1].lower()}{what[1:]}{column}", file)
