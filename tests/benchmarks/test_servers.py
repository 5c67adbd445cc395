"""How servers are started: configurations that their owners accept."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.data import Data
from benchmarks.servers import Job
from benchmarks.servers.dialplane import Dialplane, DialplaneMemory
from benchmarks.servers.floor import Floor
from benchmarks.servers.kamailio import Kamailio, KamailioDatabase
from benchmarks.workloads import Scale, all_workloads

from dialplane.configuration import parse

CONFIGS = Path(__file__).parents[2] / "benchmarks" / "kamailio"
WORKLOADS = {workload.name: workload for workload in all_workloads(replace(Scale(), rules=3))}


class SmallData(Data):
    """A table of one number, whatever is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def table(self, count: int) -> Path:
        path = self._folder / f"numbers-{count}.csv"
        path.write_text("+493123456789,sip:+493123456789@10.0.0.1:5060\n")
        return path


def job(name: str, folder: Path) -> Job:
    return Job(WORKLOADS[name], folder, SmallData(folder), frozenset({0}))


@pytest.mark.parametrize("name", [name for name, w in WORKLOADS.items() if w.dialplane])
@pytest.mark.parametrize("server", [Dialplane("dialplane"), DialplaneMemory("dialplane")], ids=lambda s: s.name)
def test_dialplane_accepts_its_configuration(server: Dialplane, name: str, tmp_path: Path) -> None:
    config = parse(server.config(job(name, tmp_path))).config
    assert config.server.workers == 1
    assert config.auth.register == bool(WORKLOADS[name].digest)


def test_every_configuration_of_kamailio_is_used() -> None:
    used = {f"{w.config}.cfg" for w in WORKLOADS.values()}
    used |= {f"{w.config}-db.cfg" for w in WORKLOADS.values() if w.durable}
    assert {path.name for path in CONFIGS.glob("*.cfg")} - {"common.cfg"} <= used


@pytest.mark.skipif(shutil.which("kamailio") is None, reason="kamailio is not installed")
def test_kamailio_is_found_with_its_version() -> None:
    assert Kamailio("kamailio", CONFIGS).version()[0].isdigit()


def test_who_takes_part() -> None:
    kamailio, database = Kamailio("kamailio", CONFIGS), KamailioDatabase("kamailio", CONFIGS)
    assert kamailio.supports(WORKLOADS["register"])
    assert database.supports(WORKLOADS["register"])
    assert kamailio.supports(WORKLOADS["forward"])
    assert not database.supports(WORKLOADS["forward"])
    assert not kamailio.supports(WORKLOADS["redirect-table"])
    floor = Floor(Path("relay"))
    assert floor.supports(WORKLOADS["exchange"])
    assert not floor.supports(WORKLOADS["start"])
