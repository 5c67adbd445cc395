"""`dialplane bench` against dialplane and Kamailio: every workload, every transport, and a server that is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .certificate import issue
from .differs import differs
from .namespace import SUBJECT
from .subject import Server, Setup, User

USERS = tuple(User(f"user{number}", f"pw{number}") for number in range(20))
_UDP_AND_TCP = differs(kamailio="the control is set up for UDP and TCP")


def bench(folder: Path, workload: str, *options: str, server: str = f"{SUBJECT}:5060") -> tuple[int, dict[str, Any]]:
    """Runs it as a user does; gives its exit status and its report. A busy machine is no fault here."""
    file = folder / "report.json"
    file.unlink(missing_ok=True)
    common = ["--domain", "example.org", "--users", "user{0..19}", "--password", "pw{}", "--max-lag", "5000"]
    command = [sys.executable, "-m", "dialplane", "bench", workload, server, *common, "--json", str(file), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(file.read_text()) if file.exists() else {"error": done.stderr}


def test_every_workload(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    server = serve(Setup(users=USERS, record_route=True))
    for workload in ("options", "register", "call", "message"):
        status, report = bench(
            tmp_path, workload, "-r", "80", "-s", "1.5", "--hold", "0.2", "-n", "2", "--sockets", "2"
        )
        (step,) = report["steps"]
        assert status == 0, f"{workload}: {step['failed']} {step['faults']} lost {step['lost']} {step['why']}"
        assert step["good"] == step["begun"] > 60
        assert (step["wrong"], step["lost"], step["failed"], step["strays"]) == (0, 0, {}, 0)
        if workload == "register":
            assert (step["first"], step["challenged"]) == (20, 20)
        if workload == "call":
            assert set(step["times"]) == {"INVITE to 180", "INVITE to 200", "BYE to 200"}
    for algorithm in server.setup.algorithms:
        status, report = bench(tmp_path, "register", "-r", "50", "-s", "1", "--fresh", "--algorithm", algorithm)
        (step,) = report["steps"]
        assert (status, step["challenged"]) == (0, step["good"])


@pytest.mark.parametrize(
    "transport", ["tcp", pytest.param("tls", marks=_UDP_AND_TCP), pytest.param("ws", marks=_UDP_AND_TCP)]
)
def test_every_transport(serve: Callable[[Setup], Server], tmp_path: Path, transport: str) -> None:
    trusted, certificate = issue(tmp_path)
    serve(Setup(users=USERS, record_route=True, transports=("udp", "tcp", "tls", "ws"), certificate=certificate))
    port = {"tcp": 5060, "tls": 5061, "ws": 8080}[transport]
    options = ("-r", "40", "-s", "1", "--hold", "0.1", "-t", transport, "--ca-file", str(trusted))
    status, report = bench(tmp_path, "call", *options, server=f"{SUBJECT}:{port}")
    assert status == 0, report
    assert report["server"] == f"{transport}:{SUBJECT}:{port}"
    assert report["steps"][0]["good"] == report["steps"][0]["begun"] > 20


def test_a_server_that_stands_still_is_seen(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    """Who was due while it stood still waited for it, and the report says so; a server that is gone fails the run."""
    server = serve(Setup(users=USERS))
    everybody = {server.pid, *(pid for part in server.processes().values() for pid in part)}
    everybody |= _children(server.pid)
    file = tmp_path / "report.json"
    command = [sys.executable, "-m", "dialplane", "bench", "options", f"{SUBJECT}:5060", "-r", "100", "-s", "3"]
    command += ["--domain", "example.org", "--max-lag", "5000", "--json", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        running.stderr.readline()  # it tells of every second
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        running.stderr.readline()
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        running.stderr.read()
    (step,) = json.loads(file.read_text())["steps"]
    assert (running.returncode, step["lost"]) == (0, 0)
    times = step["times"]["OPTIONS to 200"]
    assert times["p50"] < 300_000 < 500_000 < times["p99"]
    server.stop()
    status, report = bench(tmp_path, "options", "-r", "20", "-s", "0.5", "--patience", "0.5")
    (step,) = report["steps"]
    assert (status, step["good"]) == (1, 0)
    assert step["lost"] == step["begun"]


def _children(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return {int(word) for word in listed.stdout.split()}


def test_the_ramp_ends_at_a_rate(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    serve(Setup(users=USERS))
    status, report = bench(tmp_path, "options", "-r", "1500", "-s", "0.4", "--ramp", "--max-lag", "20")
    best = report["highest"]
    assert status == (0 if best else 1)
    assert len(report["steps"]) >= 2
    for step in report["steps"]:
        assert step["clean"] == (step["kept_up"] and step["good"] == step["begun"])


def test_users_that_cannot_register(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    serve(Setup(users=USERS))
    status, report = bench(tmp_path, "call", "--password", "wrong")
    assert status == 77
    assert "could not be registered" in report["error"], report
    assert " x 401 Unauthorized" in report["error"]
