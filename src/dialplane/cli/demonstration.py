"""Two users for a server that was started without a file, so that two softphones can call each other at once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dialplane.database import database
from dialplane.database.rows import new_subscriber
from dialplane.errors import WriteError

if TYPE_CHECKING:
    from dialplane.config import Config

NAMES = ("alice", "bob")
DOMAIN = "127.0.0.1"


class User(msgspec.Struct, frozen=True):
    """A demonstration user. ``password`` is ``None`` when somebody has given them another one."""

    name: str
    password: str | None


async def make_users(config: Config) -> list[User]:
    """Sees that the users are in the database. Their passwords are random, and the same at each start."""
    seed = _seed(config)
    users = []
    async with database(config.database.url) as opened:
        for name in NAMES:
            password = _password(seed, name)
            row = new_subscriber(name, DOMAIN, password, config.auth.realm or DOMAIN)
            present = await opened.subscriber(row.account)
            if present is None:
                await opened.put_subscribers([row], replace=False)
            users.append(User(name, password if present in {None, row} else None))
    return users


def _seed(config: Config) -> bytes:
    path = Path(config.server.data) / "demonstration"
    try:
        return _read_or_make(path)
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror}") from error


def _read_or_make(path: Path) -> bytes:
    if path.exists() and (seed := path.read_bytes()):
        return seed
    seed = secrets.token_bytes(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(seed)
    return seed


def _password(seed: bytes, name: str) -> str:
    """Ten letters and digits that cannot be mistaken for each other on a telephone's display."""
    digest = hmac.new(seed, name.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest)[:10].decode().lower()
