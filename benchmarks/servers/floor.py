"""The relay that only receives and sends: what no server can go below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.servers import HOST, PORT, UAS_PORT, Job, Server

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workloads import Workload


class Floor(Server):
    """``benchmarks/floor/relay.c``."""

    name = "floor"
    about = "relay without SIP: recvmmsg and sendmmsg, 64 datagrams at a time"
    forgets = True

    def __init__(self, relay: Path) -> None:
        self._relay = relay

    def version(self) -> str:
        return "1"

    def supports(self, workload: Workload) -> bool:
        return workload.floor is not None

    def command(self, job: Job) -> list[str]:
        mode, size = job.workload.floor or ("forward", 0)
        address = f"{HOST}:{PORT}"
        workers = ["-w", str(job.workers)]
        if mode == "reply":
            return [str(self._relay), *workers, "reply", address, str(size)]
        return [str(self._relay), *workers, mode, address, f"{HOST}:{UAS_PORT}"]

    def load_args(self, job: Job) -> tuple[str, ...]:  # noqa: ARG002
        return ("--floor",)
