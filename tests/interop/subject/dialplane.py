"""dialplane as the subject: its configuration file, its command line, its database, as an operator uses them."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from dialplane.supervisor.asking import ask
from dialplane.supervisor.folder import DataFolder
from tests.interop.process import Process, ProcessError, descendants

from .database import read_locations
from .ready import wait_until_answering
from .setup import Rule, Setup

_PARTS = {"dialplane.worker": "worker", "dialplane.control": "control"}


class Dialplane:
    """A running dialplane with its configuration, data folder and log in one folder."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup = setup
        self._folder = folder
        self._configuration = folder / "dialplane.toml"
        self._database = folder / "data" / "dialplane.db"
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """The supervisor."""
        return self._running().pid

    def processes(self) -> dict[str, list[int]]:
        """By the module that each runs."""
        found: dict[str, list[int]] = {"supervisor": [self.pid], "worker": [], "control": []}
        for pid, command in sorted(descendants(self.pid).items()):
            for module, part in _PARTS.items():
                if module in command.split():
                    found[part].append(pid)
        return found

    def kill_all(self) -> None:
        """SIGKILL to all of it, the supervisor first, so that nothing is replaced."""
        everyone = [self.pid, *descendants(self.pid)]
        for pid in everyone:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._running().kill()

    def start(self) -> None:
        """Writes the configuration, brings in the users the first time, and serves."""
        first = not self._configuration.exists()
        self._configuration.write_text(_toml(self._settings()))
        if first:
            self._import_users()
        command = [sys.executable, "-m", "dialplane", "serve", self._configuration]
        log = self._folder / "dialplane.log"
        written = len(log.read_text(errors="replace")) if log.exists() else 0
        self._process = Process(command, log)
        wait_until_answering(self.setup, self._process)
        # One worker answers before the others are there, and what is for them waits.
        self._process.wait_for('"event": "ready"', seconds=20, start=written)

    def stop(self) -> None:
        """SIGTERM to the supervisor."""
        if self._process is not None:
            self._process.stop()

    def reload(self, *, changed: bool) -> None:
        """What ``dialplane reload`` asks."""
        settings = self._settings()
        settings["server"]["name"] = "another" if changed else "dialplane"
        self._configuration.write_text(_toml(settings))
        self._ask("reload")

    def upgrade(self) -> None:
        """What ``dialplane upgrade`` asks, to the version that runs already."""
        self._ask("upgrade")

    def locations(self) -> dict[str, set[str]]:
        """Rows of ``location`` that have not expired."""
        return read_locations(self._database)

    def log(self) -> str:
        """What all its processes have logged."""
        return self._running().text()

    def _running(self) -> Process:
        assert self._process is not None, "not started"
        return self._process

    def _import_users(self) -> None:
        users = self._folder / "users.csv"
        with users.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["username", "domain", "password"])
            writer.writerows((user.name, user.domain, user.password) for user in self.setup.users)
        command = [sys.executable, "-m", "dialplane", "users", "import", users, "--config", self._configuration]
        with Process(command, self._folder / "import.log") as importing:
            if importing.wait(seconds=30) != 0:
                raise ProcessError(f"users import failed\n{importing.text()}")

    def _ask(self, what: str) -> None:
        answer = ask(DataFolder(self._folder / "data"), {"ask": what})
        if "problems" in answer:
            raise ProcessError(f"{what}: {answer}\n{self.log()[-4000:]}")

    def _settings(self) -> dict[str, Any]:
        setup = self.setup
        tables = {f"table{place}": rule.table for place, rule in enumerate(setup.rules) if rule.table}
        for name, rows in tables.items():
            lines = ["number,uri", *(f"{number},{uri}" for number, uri in rows)]
            (self._folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        return {
            "domains": list(setup.domains),
            "server": {
                "workers": setup.workers,
                "steering": os.environ.get("DIALPLANE_STEERING", "auto"),
                "data": str(self._folder / "data"),
                "log": "json",
            },
            "guard": {} if setup.bans else {"ban": 0.0},
            "auth": {
                "algorithms": list(setup.algorithms),
                "register": setup.register_auth,
                "calls": setup.call_auth,
            },
            "registrar": {
                "default_expires": setup.default_expires,
                "min_expires": setup.min_expires,
                "max_expires": setup.max_expires,
            },
            "proxy": {"record_route": setup.record_route, "trusted": list(setup.trusted), "relay": True},
            "admin": {"address": ""},
            "listen": [
                {"address": f"{transport}:{_bracketed(host)}:{_port(transport, setup)}"}
                for transport in setup.transports
                for host in (setup.host, *setup.also)
            ],
            "tls": {"authorities": str(setup.authorities)} if setup.authorities else {},
            "certificate": [{"chain": str(chain), "key": str(key)} for chain, key in filter(None, [setup.certificate])],
            "table": [{"name": name, "file": str(self._folder / f"{name}.csv")} for name in tables],
            "target_set": _target_sets(setup.gateways),
            "route": [_route(rule, f"table{place}") for place, rule in enumerate(setup.rules)],
        }


def _port(transport: str, setup: Setup) -> int:
    return {"tls": setup.port + 1, "ws": 8080, "wss": 8443}.get(transport, setup.port)


def _target_sets(gateways: tuple[str, ...]) -> list[dict[str, Any]]:
    targets = [{"uri": uri, "priority": place} for place, uri in enumerate(gateways)]
    return [{"name": "gateways", "policy": "priority", "targets": targets}] if targets else []


def _route(rule: Rule, table: str) -> dict[str, Any]:
    conditions = {
        "methods": list(rule.methods),
        "domains": list(rule.domains),
        "users": list(rule.users),
        "prefixes": list(rule.prefixes),
    }
    return {name: value for name, value in conditions.items() if value} | _action(rule, table)


def _action(rule: Rule, table: str) -> dict[str, Any]:
    if rule.reply is not None:
        return {"reply": {"status": rule.reply}}
    if rule.lookup:
        return {"lookup": True}
    if rule.redirect_lookup:
        return {"redirect": {"lookup": True, "status": rule.status}}
    if rule.table:
        return {"redirect": {"table": table, "status": rule.status}}
    if rule.redirect:
        return {"redirect": {"contacts": list(rule.redirect), "status": rule.status}}
    return {"forward": rule.forward, "strip": rule.strip}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _toml(settings: dict[str, Any]) -> str:
    """TOML of plain values, tables and lists of tables; a JSON text is a TOML text for these."""
    plain, tables = [], []
    for key, value in settings.items():
        if isinstance(value, dict):
            tables.append(f"\n[{key}]\n{_pairs(value)}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            tables += [f"\n[[{key}]]\n{_pairs(item)}" for item in value]
        elif value != []:
            plain.append(f"{key} = {json.dumps(value)}\n")
    return "".join([*plain, *tables])


def _pairs(values: dict[str, Any]) -> str:
    return "".join(f"{key} = {_inline(value)}\n" for key, value in values.items())


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return json.dumps(value)
