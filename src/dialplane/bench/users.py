"""Who takes part: users by a pattern, ``user{0..999}``, or from a CSV file."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import msgspec

from dialplane.errors import DataError, MissingFileError

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST = 10_000_000


class User(msgspec.Struct, frozen=True):
    """A user and what he needs to prove it."""

    name: str
    domain: str
    password: str | None = None

    @property
    def aor(self) -> str:
        """His address."""
        return f"sip:{self.name}@{self.domain}"


def read_users(text: str, *, domain: str, password: str | None = None) -> list[User]:
    """A pattern, or the path of a CSV file with the columns ``username``, ``password`` and, if need be, ``domain``."""
    return _from_csv(Path(text), domain) if text.endswith(".csv") else by_pattern(text, domain, password)


def by_pattern(pattern: str, domain: str, password: str | None = None) -> list[User]:
    """``user{0..999}`` is a thousand users, ``user{000..999}`` the same with three digits; ``@domain`` may follow.

    In the password, ``{}`` is the number as it is written and ``{user}`` the name.
    """
    name, _, at = pattern.removeprefix("sip:").partition("@")
    users = []
    for number in _numbers(name):
        found = _RANGE.sub(number, name)
        secret = None if password is None else password.replace("{user}", found).replace("{}", number)
        users.append(User(found, at or domain, secret))
    return users


def _numbers(pattern: str) -> list[str]:
    found = _RANGE.search(pattern)
    if found is None:
        if "{" in pattern:
            raise DataError(f"{pattern}: a range is written like user{{0..999}}")
        return [""]
    first, last = found[1], found[2]
    if not 0 <= int(last) - int(first) < _MOST:
        raise DataError(f"{pattern}: the range ends before it begins, or has more than {_MOST:,} users")
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]


def _from_csv(path: Path, domain: str) -> list[User]:
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            missing = {"username", "password"} - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"{path}: line 1: no column {' and no column '.join(sorted(missing))}")
            users = [User(row["username"], row.get("domain") or domain, row["password"]) for row in reader]
    except OSError as error:
        raise MissingFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8") from error
    if not users:
        raise DataError(f"{path}: no users in it")
    return users
