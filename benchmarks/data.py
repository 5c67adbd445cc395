"""What servers are given before they are measured: subscribers and tables, made once for each size."""

from __future__ import annotations

import csv
import io
import sqlite3
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.generator import Load

Row = tuple[str, ...]


class Data:
    """Files in one folder, written when first asked for."""

    def __init__(self, load: Load, folder: Path) -> None:
        self._load = load
        self._folder = folder
        self._subscribers: dict[int, list[Row]] = {}

    def subscribers(self, count: int) -> list[Row]:
        """User, domain, password, MD5 and SHA-256 digests of the generator's subscribers."""
        if count not in self._subscribers:
            text = self._load.lines("users", "--users", str(count))
            self._subscribers[count] = [tuple(row) for row in csv.reader(io.StringIO(text))]
        return self._subscribers[count]

    def subscriber_database(self, count: int) -> Path:
        """The same as an SQLite file with Kamailio's table ``subscriber``."""
        path = self._folder / f"subscribers-{count}.db"
        if not path.exists():
            with sqlite3.connect(path) as database:
                database.execute(SUBSCRIBER)
                rows = [row[:4] for row in self.subscribers(count)]
                database.executemany(
                    "INSERT INTO subscriber (username, domain, password, ha1) VALUES (?, ?, ?, ?)", rows
                )
            database.close()
        return path

    def certificate(self) -> tuple[Path, Path]:
        """Chain and key of a certificate for our domain, for TLS; nobody checks who signed it."""
        chain, key = self._folder / "chain.pem", self._folder / "key.pem"
        if not chain.exists():
            issued = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(
                "bench.example", key_type=trustme.KeyType.ECDSA
            )
            issued.private_key_pem.write_to_path(key)
            chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return chain, key

    def table(self, count: int) -> Path:
        """A table of so many numbers, as CSV."""
        path = self._folder / f"numbers-{count}.csv"
        if not path.exists():
            self._load.write(path, "table", "--users", str(count))
        return path


SUBSCRIBER = """
CREATE TABLE subscriber (
    id INTEGER PRIMARY KEY NOT NULL, username VARCHAR(64) DEFAULT '' NOT NULL, domain VARCHAR(64) DEFAULT '' NOT NULL,
    password VARCHAR(64) DEFAULT '' NOT NULL, ha1 VARCHAR(128) DEFAULT '' NOT NULL,
    ha1b VARCHAR(128) DEFAULT '' NOT NULL)
"""
