"""``/status``, ``/metrics`` and ``/healthz`` over a store in memory."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dialplane.config import Config, Target, TargetSet
from dialplane.control.process import usage
from dialplane.control.status import MirrorStatus, Status
from dialplane.control.web import application
from dialplane_native.records import WorkerCounters

from .memory import MemoryStore

CONFIG = Config(target_set=[TargetSet(name="s", targets=[Target(uri="sip:192.0.2.0")])])
NAMES = [("messages_received", "Datagrams and stream messages received."), ("loops_detected", "Loops.")]


def worker(index: int, *, ready: bool = True, pid: int | None = None) -> dict[str, Any]:
    return {
        "process": f"worker-{index}",
        "pid": pid or os.getpid(),
        "ready": ready,
        "started": time.time() - 10,
        "restarts": index,
        "last_gap": None,
    }


def status(*workers: dict[str, Any]) -> Status:
    counters: list[WorkerCounters] = [
        {"worker": n, "pid": 1, "started": 0.0, "values": {"messages_received": 10 * (n + 1), "loops_detected": n}}
        for n in range(len(workers))
    ]
    facts = {
        "version": "1", "pid": os.getpid(), "started": time.time() - 60, "file": None, "reloads": 0, "listen": [],
        "admin": "", "data": "/x", "spread": "random", "receive_buffer": 1, "workers": list(workers), "spare": None,
        "retired": [], "control": None,
    }  # fmt: skip
    return Status(
        facts, mirror=MirrorStatus(database="x.db"), store=MemoryStore(), counters=lambda: counters, config=CONFIG
    )


def get(path: str, *workers: dict[str, Any], method: str = "GET") -> Any:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=application(status(*workers), NAMES))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


def test_status_sums_the_workers() -> None:
    document = get("/status", worker(0), worker(1)).json()
    assert document["healthy"] is True
    assert document["counters"] == {"messages_received": 30, "loops_detected": 1}
    assert [row["process"] for row in document["processes"]] == ["supervisor", "worker-0", "worker-1", "control"]
    assert document["processes"][1]["counters"]["messages_received"] == 10
    assert all(row["memory"] > 0 and row["cpu"] > 0 for row in document["processes"])
    assert document["store"] == {
        "bindings": 0, "credentials": 0, "octets": 0, "backlog_urgent": 0, "backlog_refresh": 0,
    }  # fmt: skip
    assert [row["state"] for row in document["targets"]] == ["up", "down"]
    assert document["database"]["connected"] is False


def test_metrics_are_readable_by_prometheus() -> None:
    answer = get("/metrics", worker(0), worker(1, ready=False))
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["dialplane_messages_received_total", "0"] == 10
    assert samples["dialplane_messages_received_total", "1"] == 20
    assert samples["dialplane_process_ready", "worker-1"] == 0
    assert samples["dialplane_process_restarts_total", "worker-1"] == 1
    assert samples["dialplane_process_memory_bytes", "supervisor"] > 0
    assert [samples["dialplane_target_up", "s", f"sip:192.0.2.{n}"] for n in range(2)] == [1, 0]
    assert samples["dialplane_target_calls", "s", "sip:192.0.2.1"] == 1
    assert not any(name == "dialplane_target_latency_seconds" for name, *_ in samples)
    assert samples["dialplane_database_up",] == 0
    assert samples["dialplane_database_backlog", "urgent"] == 0


@pytest.mark.parametrize(
    ("workers", "code"),
    [([worker(0), worker(1)], 200), ([worker(0), worker(1, ready=False)], 503), ([], 503)],
    ids=["all", "one missing", "none"],
)
def test_health_is_that_of_the_workers(workers: list[dict[str, Any]], code: int) -> None:
    assert get("/healthz", *workers).status_code == code


def test_a_process_that_has_ended_uses_nothing() -> None:
    assert usage(2**22 - 1) is None
    document = get("/status", worker(0, pid=2**22 - 1)).json()
    assert document["processes"][1]["memory"] == 0


def test_nothing_can_be_changed_from_here() -> None:
    assert get("/status", method="POST").status_code == 405
    assert get("/").status_code == 404
