"""Numbers, verdicts and pictures from records that are made up."""

# ruff: noqa: RUF001 (the multiplication sign is meant)

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from benchmarks import plot, report
from benchmarks.run import core_list, judge
from benchmarks.summary import Spread, Table
from benchmarks.workloads import QUICK, Goal, Scale, all_workloads

MACHINE = {
    "time": "2026-01-02T03:04:05+00:00",
    "cpu": "CPU <1> & more",
    "cores": 2,
    "virtual": False,
    "kernel": "6",
    "commit": "0123456789abcdef",
    "changed_files": 0,
    "irq_time_accounting": False,
}


def record(phase: str, server: str, round_number: int, cpu_us: float, **more: object) -> dict[str, Any]:
    return {
        "phase": phase,
        "server": server,
        "round": round_number,
        "cpu_us": cpu_us,
        "busy": 1.0,
        "right": 10,
        "wrong": 0,
        "lost": 0,
        "stray": 0,
        "shares_branches": False,
        "complaints": "",
        **more,
    }


def result(records: list[dict[str, Any]], failures: tuple[str, ...] = ()) -> dict[str, Any]:
    servers = {"floor": {"version": "1", "about": "relay"}}
    method = {"quick": False, "server_cpus": [1], "load_cpus": [0]}
    return {"machine": MACHINE, "method": method, "servers": servers, "records": records, "failures": list(failures)}


def test_ratio_is_of_paired_rounds() -> None:
    records = [record("forward", "dialplane", n, value) for n, value in enumerate([4.0, 9.0, 6.0])]
    records += [record("forward", "kamailio", n, value) for n, value in enumerate([8.0, 9.0])]
    ratio = Table(records).ratio("forward", "dialplane", "cpu_us", ("forward", "kamailio"))
    assert ratio == Spread(0.75, 0.5, 1.0, 2)


def test_no_ratio_without_a_rival() -> None:
    table = Table([record("forward", "dialplane", 0, 4.0)])
    assert table.ratio("forward", "dialplane", "cpu_us", ("forward", "kamailio")) is None


@pytest.mark.parametrize(
    ("goal", "floor", "wanted"), [(Goal(times=1.4), 5.0, 7.0), (Goal(plus=0.5), 4.0, 4.5)], ids=["times", "plus"]
)
def test_goal(goal: Goal, floor: float, wanted: float) -> None:
    assert goal.of(floor) == pytest.approx(wanted)


@pytest.mark.parametrize(("cpu_us", "mark"), [(3.9, "≤ 0.5 × ✓"), (4.1, "≤ 0.5 × ✗")])
def test_budget_is_judged_by_the_ratio(cpu_us: float, mark: str) -> None:
    records = [record("forward", server, 0, value) for server, value in (("kamailio", 8.0), ("dialplane", cpu_us))]
    text = report.render(result(records), all_workloads(Scale()))
    assert mark in text
    assert "≤ floor + 0.5 µs |" in text  # no floor, no verdict


def test_redirect_from_a_table_is_judged_by_kamailios_location() -> None:
    records = [record("redirect", "kamailio", 0, 10.0), record("redirect-table", "dialplane", 0, 4.0)]
    assert "≤ 0.5 × ✓" in report.render(result(records), all_workloads(Scale()))


@pytest.mark.parametrize(("many", "mark"), [(6.2, "≤ 1.25 × ✓"), (6.3, "≤ 1.25 × ✗")])
def test_many_bindings_are_compared_with_few(many: float, mark: str) -> None:
    records = [record("location-few", "dialplane", 0, 5.0), record("location-many", "dialplane", 0, many)]
    assert mark in report.render(result(records), all_workloads(Scale()))


def test_failures_and_shared_branches_are_in_the_notes() -> None:
    records = [record("forward", "kamailio", 0, 8.0, shares_branches=True)]
    text = report.render(result(records, ("kamailio, forward: 1 wrong\nVia: …",)), all_workloads(Scale()))
    assert "- failed: kamailio, forward: 1 wrong\n" in text
    assert "got the same branch" in text


@pytest.mark.parametrize("what", ["wrong", "lost", "stray"])
def test_one_bad_message_is_a_failure(what: str) -> None:
    assert judge(record("forward", "floor", 0, 1.0)) == []
    assert judge(record("forward", "floor", 0, 1.0, **{what: 1})) == [f"floor, forward: 1 {what}"]
    assert judge(record("forward", "floor", 0, 1.0, right=0)) == ["floor, forward: nothing came back"]


def test_plot_is_well_formed_and_has_a_bar_for_each_server() -> None:
    records = [record("forward", server, n, 5.0 + n) for server in ("floor", "kamailio") for n in range(3)]
    root = ET.fromstring(plot.render(result(records), all_workloads(Scale())))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}rect")) == 3
    assert len(root.findall(f"{space}line")) == 2


@pytest.mark.parametrize("scale", [QUICK, Scale()], ids=["quick", "full"])
def test_phases_have_names_of_their_own(scale: Scale) -> None:
    names = [phase.name for workload in all_workloads(scale) for phase in workload.phases if workload.kind == "cpu"]
    measured = [name for name in names if name != "fill"]
    assert len(measured) == len(set(measured))


def test_core_list() -> None:
    assert core_list("0,2-4") == {0, 2, 3, 4}
