"""The table ``location`` as any SQL client reads it: Kamailio's, and dialplane's, which is the same."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path


def read_locations(database: Path) -> dict[str, set[str]]:
    """Address-of-record → contact URIs that have not expired."""
    found: dict[str, set[str]] = {}
    # Times are SQLite's Julian days.
    query = "SELECT username, domain, contact FROM location WHERE CAST(strftime('%s', expires) AS INTEGER) > ?"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        for user, domain, contact in opened.execute(query, (time.time(),)):
            found.setdefault(f"sip:{user}@{domain}", set()).add(contact)
    return found
