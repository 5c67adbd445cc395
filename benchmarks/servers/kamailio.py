"""Kamailio, configured as an expert would: see ``benchmarks/kamailio/``."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

from benchmarks.machine import version
from benchmarks.servers import Job, Server

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workloads import Workload


class Kamailio(Server):
    """Bindings in memory only: Kamailio's best number, without any durability."""

    name = "kamailio"
    about = "tuned, one process, bindings in memory only"

    def __init__(self, program: str, configs: Path) -> None:
        self._program = program
        self._configs = configs

    def version(self) -> str:
        return version(self._program, "-v").removeprefix("version: kamailio ").partition(" ")[0]

    def supports(self, workload: Workload) -> bool:
        return self._config(workload).exists()

    def _config(self, workload: Workload) -> Path:
        return self._configs / f"{workload.config}.cfg"

    def command(self, job: Job) -> list[str]:
        folder = str(job.folder)
        # Touching the pages at start spares Kamailio page faults under load; when memory is measured it would hide what
        # is in use.
        touch = [] if job.workload.kind in {"memory", "open"} else ["-A", "TOUCH_MEMORY"]
        self._write_database(job)
        return [
            *(self._program, "-f", str(self._config(job.workload)), "-DD", "-E", "-w", folder, "-Y", folder),
            *("-x", "fm", "-m", str(megabytes(job.workload)), "-M", "256", "-b", str(4 << 20)),
            *("-n", str(job.workers), *touch, *self._streams(job)),
        ]

    @staticmethod
    def _streams(job: Job) -> list[str]:
        """One process for all connections, where there are any; a certificate for TLS."""
        if job.workload.transport == "udp":
            return []
        if job.workload.transport != "tls":
            return ["-N", "1"]
        chain, key = job.data.certificate()
        return ["-N", "1", "-A", f'CERTIFICATE="{chain}"', "-A", f'PRIVATE_KEY="{key}"']

    @staticmethod
    def _write_database(job: Job) -> None:
        """The tables that the configurations with SQLite name, in Kamailio's own layout."""
        path = job.folder / "kamailio.db"
        if path.exists():
            return
        with sqlite3.connect(path) as database:
            database.executescript(TABLES)
            if job.workload.digest:
                rows = job.data.subscribers(job.workload.users)
                sql = "INSERT INTO subscriber (username, domain, password, ha1, ha1_sha256) VALUES (?, ?, ?, ?, ?)"
                database.executemany(sql, rows)
        database.close()


class KamailioDatabase(Kamailio):
    """Bindings written back to SQLite each second: as durable as dialplane with its database."""

    name = "kamailio-db"
    about = "tuned, one process, bindings written back to SQLite each second"
    deferred = 2.0
    most_rounds = 1

    def supports(self, workload: Workload) -> bool:
        return workload.durable and self._config(workload).exists()

    def _config(self, workload: Workload) -> Path:
        return self._configs / f"{workload.config}-db.cfg"


def megabytes(workload: Workload) -> int:
    """Shared memory to give: twice what so many bindings and digests need, and no more, because it is touched.

    Transactions stay for 5 s after they end (``wt_timer``), 16 to 29 KB for each call.
    """
    return 128 + workload.users * 2_400 // 1_000_000 + (4_096 if workload.stateful else 0)


def find_kamailio() -> str:
    """Kamailio on this machine; the plain name when there is none."""
    return shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or "kamailio"


TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE version (id INTEGER PRIMARY KEY, table_name VARCHAR(32) NOT NULL, table_version INTEGER NOT NULL);
INSERT INTO version (table_name, table_version) VALUES ('location', 9), ('subscriber', 7);
CREATE TABLE subscriber (
    id INTEGER PRIMARY KEY, username VARCHAR(64) NOT NULL, domain VARCHAR(64) NOT NULL, password VARCHAR(64) NOT NULL,
    ha1 VARCHAR(128) NOT NULL, ha1_sha256 VARCHAR(128) NOT NULL);
CREATE TABLE location (
    id INTEGER PRIMARY KEY NOT NULL, ruid VARCHAR(64) DEFAULT '' NOT NULL UNIQUE, username VARCHAR(64) NOT NULL,
    domain VARCHAR(64), contact VARCHAR(512) NOT NULL, received VARCHAR(128), path VARCHAR(512),
    expires TIMESTAMP NOT NULL, q REAL DEFAULT 1.0 NOT NULL, callid VARCHAR(255) NOT NULL, cseq INTEGER NOT NULL,
    last_modified TIMESTAMP NOT NULL, flags INTEGER DEFAULT 0 NOT NULL, cflags INTEGER DEFAULT 0 NOT NULL,
    user_agent VARCHAR(255) DEFAULT '' NOT NULL, socket VARCHAR(64), methods INTEGER, instance VARCHAR(255),
    reg_id INTEGER DEFAULT 0 NOT NULL, server_id INTEGER DEFAULT 0 NOT NULL, connection_id INTEGER DEFAULT 0 NOT NULL,
    keepalive INTEGER DEFAULT 0 NOT NULL, partition INTEGER DEFAULT 0 NOT NULL);
CREATE INDEX location_contact ON location (username, domain, contact);
CREATE INDEX location_expires ON location (expires);
"""
