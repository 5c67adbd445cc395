"""Everything there is to know about the running server, gathered when somebody asks."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from dialplane.control.process import usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.config import Config
    from dialplane_native.records import WorkerCounters


class HasSizes(Protocol):
    """What the status asks of the shared store."""

    def sizes(self) -> dict[str, int]:
        """Records and octets."""

    def backlog(self) -> tuple[int, int]:
        """Urgent changes and refreshes that are not in the database."""

    def targets(self, config_json: bytes) -> bytes:
        """How the targets of a configuration do, as JSON."""


class MirrorStatus(msgspec.Struct, kw_only=True):
    """The state of the database mirror. Changed by the mirror alone."""

    database: str
    """Its name, without a password; ``none``."""
    connected: bool = False
    error: str | None = None
    """Why it is not connected."""
    failures: int = 0
    """Since the start of the control process."""
    rows_written: int = 0
    """Rows of ``location`` written since the start of the control process."""
    batches: int = 0
    credentials: int = 0
    """Subscribers taken over into the store since the start of the control process."""
    restored: int = 0
    """Bindings read back into the store."""
    behind: float = 0.0
    """Seconds that the last batch of urgent changes took to be in the database."""


class Status:
    """Gathers from the supervisor's news, the mapped counters, the store, the mirror and the kernel."""

    def __init__(
        self,
        supervisor: dict[str, Any],
        *,
        mirror: MirrorStatus,
        store: HasSizes,
        counters: Callable[[], list[WorkerCounters]],
        config: Config | None = None,
    ) -> None:
        self.supervisor = supervisor
        self.mirror = mirror
        self._store = store
        self._counters = counters
        # Only what names the targets; a reload that changes them begins another process.
        self._config = msgspec.json.encode(config) if config and config.target_set else None

    def workers(self) -> list[WorkerCounters]:
        """Counters of each worker."""
        return self._counters()

    def processes(self) -> list[dict[str, Any]]:
        """Every process of the server, with its use of processor and memory."""
        control = self.supervisor.get("control") or {"process": "control", "restarts": 0, "last_gap": None}
        rows = [
            {"process": "supervisor", "pid": self.supervisor["pid"], "ready": True,
             "started": self.supervisor["started"], "restarts": 0, "last_gap": None},
            *self.supervisor["workers"],
            *self.supervisor["retired"],
            *([self.supervisor["spare"]] if self.supervisor["spare"] else []),
            {**control, "pid": os.getpid(), "ready": True},
        ]  # fmt: skip
        return [row | _used(row["pid"]) for row in rows]

    def sizes(self) -> dict[str, int]:
        """Of the shared store."""
        urgent, refresh = self._store.backlog()
        return {**self._store.sizes(), "backlog_urgent": urgent, "backlog_refresh": refresh}

    def targets(self) -> list[dict[str, Any]]:
        """Of all target sets, as :meth:`dialplane_native.server.Store.targets` has them."""
        rows: list[dict[str, Any]] = json.loads(self._store.targets(self._config)) if self._config else []
        return rows

    def is_healthy(self) -> bool:
        """Whether every worker serves."""
        workers = self.supervisor["workers"]
        return bool(workers) and all(worker["ready"] for worker in workers)

    def document(self) -> dict[str, Any]:
        """All of it, for ``/status``."""
        workers = self.workers()
        totals: dict[str, int] = {}
        for worker in workers:
            for name, value in worker["values"].items():
                totals[name] = totals.get(name, 0) + value
        of_process = {f"worker-{worker['worker']}": worker["values"] for worker in workers}
        processes = self.processes()
        for row in processes:
            if row["process"] in of_process:
                row["counters"] = of_process[row["process"]]
        facts = self.supervisor
        return {
            "version": facts["version"],
            "healthy": self.is_healthy(),
            "now": time.time(),
            "started": facts["started"],
            "file": facts["file"],
            "reloads": facts["reloads"],
            "listen": facts["listen"],
            "admin": facts["admin"],
            "data": facts["data"],
            "spread": facts["spread"],
            "receive_buffer": facts["receive_buffer"],
            "processes": processes,
            "counters": totals,
            "targets": self.targets(),
            "store": self.sizes(),
            "database": msgspec.to_builtins(self.mirror),
        }


def _used(pid: int | None) -> dict[str, float | int]:
    used = usage(pid) if pid else None
    return {"cpu": used.cpu, "memory": used.memory} if used else {"cpu": 0.0, "memory": 0}
