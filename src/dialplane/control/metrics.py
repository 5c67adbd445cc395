"""``/metrics`` in the text format of Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from dialplane import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from dialplane.control.status import Status


class StatusCollector(Collector):
    """Makes metrics of a :class:`Status`. Names of counters and their help come from the engine's own table."""

    def __init__(self, status: Status, counter_names: list[tuple[str, str]]) -> None:
        self._status = status
        self._names = counter_names

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        yield InfoMetricFamily("dialplane", "Version of the server", {"version": __version__})
        yield from self._of_workers()
        yield from self._of_processes()
        yield from self._of_targets()
        yield from self._of_data()

    def _of_workers(self) -> Iterator[Metric]:
        workers = self._status.workers()
        for name, help_text in self._names:
            family = CounterMetricFamily(f"dialplane_{name}", help_text, labels=["worker"])
            for worker in workers:
                family.add_metric([str(worker["worker"])], worker["values"].get(name, 0))
            yield family

    def _of_processes(self) -> Iterator[Metric]:
        processes = self._status.processes()
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {
            "ready": GaugeMetricFamily("dialplane_process_ready", "Whether the process serves", labels=["process"]),
            "cpu": CounterMetricFamily("dialplane_process_cpu_seconds", "User and system time", labels=["process"]),
            "memory": GaugeMetricFamily("dialplane_process_memory_bytes", "Resident memory", labels=["process"]),
            "restarts": CounterMetricFamily("dialplane_process_restarts", "Replacements", labels=["process"]),
        }
        for row in processes:
            for key, family in families.items():
                family.add_metric([row["process"]], float(row[key]))
        yield from families.values()

    def _of_targets(self) -> Iterator[Metric]:
        labels = ["set", "target"]
        up = GaugeMetricFamily("dialplane_target_up", "Whether the target takes new requests", labels=labels)
        calls = GaugeMetricFamily("dialplane_target_calls", "Calls that the target has open", labels=labels)
        latency = GaugeMetricFamily(
            "dialplane_target_latency_seconds", "How long the target takes to respond", labels=labels
        )
        for row in self._status.targets():
            names = [row["set"], row["uri"]]
            up.add_metric(names, float(row["state"] == "up"))
            for key, family in (("calls", calls), ("latency", latency)):
                if row[key] is not None:
                    family.add_metric(names, row[key])
        yield from (up, calls, latency)

    def _of_data(self) -> Iterator[Metric]:
        sizes, mirror = self._status.sizes(), self._status.mirror
        yield GaugeMetricFamily("dialplane_accounts", "Addresses-of-record with a binding", sizes.get("bindings", 0))
        yield GaugeMetricFamily("dialplane_credentials", "Subscribers with digests", sizes.get("credentials", 0))
        yield GaugeMetricFamily("dialplane_bans", "Sources whose messages are dropped", sizes.get("bans", 0))
        yield GaugeMetricFamily("dialplane_store_bytes", "Size of the shared store", sizes.get("octets", 0))
        yield GaugeMetricFamily("dialplane_database_up", "Whether the database answers", float(mirror.connected))
        yield CounterMetricFamily("dialplane_database_failures", "Errors of the database", mirror.failures)
        yield CounterMetricFamily("dialplane_database_rows_written", "Rows of location written", mirror.rows_written)
        backlog = GaugeMetricFamily("dialplane_database_backlog", "Changes not yet stored", labels=["kind"])
        backlog.add_metric(["urgent"], sizes.get("backlog_urgent", 0))
        backlog.add_metric(["refresh"], sizes.get("backlog_refresh", 0))
        yield backlog


def metrics_text(status: Status, counter_names: list[tuple[str, str]]) -> bytes:
    """All metrics as they are now."""
    registry = CollectorRegistry()
    registry.register(StatusCollector(status, counter_names))
    return generate_latest(registry)
