"""One row of a foreign file, and what becomes of it."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from dialplane.database.rows import Subscriber, new_subscriber
from dialplane.errors import DataError

if TYPE_CHECKING:
    from dialplane_native.records import Binding

UNIX_EPOCH_AS_JULIAN_DAY = 2440587.5
TEN_YEARS = 10 * 365 * 86400
_HEX = re.compile(r"[0-9A-Fa-f]+\Z")
_DIGEST_LENGTHS = {"ha1": 32, "ha1b": 32, "ha1_sha256": 64, "ha1_sha512_256": 64}


class Record(msgspec.Struct, frozen=True):
    """A row: its table, its columns as text (``None`` for NULL), and how far into the file it stands."""

    table: str
    values: dict[str, str | None]
    place: str
    """For messages: ``users.csv:7``."""
    done: int
    """Octets or rows read so far."""
    total: int
    """Octets or rows in all."""


def subscriber(record: Record, *, domain: str | None, realm: str | None) -> Subscriber:
    """The subscriber that a row describes. ``domain`` is used where the row has none; ``realm`` makes the digests.

    A plain password becomes digests and is not kept.
    """
    values = {name: value or "" for name, value in record.values.items()}
    username, of_row = values.get("username", ""), values.get("domain", "").lower()
    if "@" in username and not of_row:
        username, _, of_row = username.partition("@")
    of_row = of_row or domain or ""
    if not username or not of_row:
        what = "user name" if not username else "domain (give one with --domain)"
        raise DataError(f"{record.place}: a row without {what}")
    for name, length in _DIGEST_LENGTHS.items():
        value = values.get(name, "")
        if value and (len(value) != length or not _HEX.match(value)):
            raise DataError(f"{record.place}: {name} is not a digest of {length} hexadecimal digits")
    given = {name: values.get(name, "").lower() for name in _DIGEST_LENGTHS}
    if password := values.get("password", ""):
        made = new_subscriber(username, of_row, password, realm or of_row)
        # What the file says of a digest counts: it may be of a realm that we do not know.
        known = {name: digest for name, digest in given.items() if digest}
        return msgspec.structs.replace(made, **known)
    if not given["ha1"] and not given["ha1_sha256"] and not given["ha1_sha512_256"]:
        raise DataError(f"{record.place}: a row with neither password nor digest")
    return Subscriber(username=username, domain=of_row, **given)


def binding(record: Record, *, domain: str | None) -> Binding:
    """The binding that a row of ``location`` describes; its ``id`` is 0."""
    values = record.values
    username, of_row = values.get("username") or "", (values.get("domain") or domain or "").lower()
    contact = values.get("contact") or ""
    if not username or not of_row or not contact:
        raise DataError(f"{record.place}: a binding without user name, domain or contact")
    expires = _time(values.get("expires"), record)
    instance = (values.get("instance") or "").strip('"') or None
    reg_id = _number(values.get("reg_id"))
    params = f';+sip.instance="{instance}"' + (f";reg-id={reg_id}" if reg_id else "") if instance else None
    return (
        0,
        values.get("ruid") or f"import-{username}@{of_row}-{contact}"[:64],
        username,
        of_row,
        contact,
        params,
        values.get("received") or None,
        values.get("path") or None,
        # 0 means for ever in Kamailio.
        expires or int(time.time()) + TEN_YEARS,
        float(values.get("q") or -1.0),
        values.get("callid") or "",
        _number(values.get("cseq")),
        _time(values.get("last_modified"), record),
        values.get("user_agent") or "",
        values.get("socket") or None,
        instance,
        reg_id,
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isdecimal() else 0


def _time(text: str | None, record: Record) -> int:
    """Seconds since 1970 of a Julian day (SQLite) or a local date and time (MySQL, PostgreSQL)."""
    if not text:
        return 0
    try:
        return max(0, round((float(text) - UNIX_EPOCH_AS_JULIAN_DAY) * 86400))
    except ValueError:
        pass
    try:
        # Kamailio writes the local time of its host.
        return max(0, round(datetime.fromisoformat(text).timestamp()))
    except (ValueError, OverflowError):
        if text.startswith("0000-00-00"):
            return 0
        raise DataError(f'{record.place}: "{text}" is not a time') from None
