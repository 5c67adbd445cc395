"""`dialplane bench` with its processes, against a small server on this machine; the examples of its page."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialplane.errors import ExitStatus
from dialplane.testing import Server
from dialplane.ua.transport import SocketTransports

from .conftest import Run

# One of the many names of this machine, so that several runs of the tests do not meet at port 5060.
HOST = f"127.{20 + os.getpid() // 250 % 200}.{os.getpid() % 250}.7"
PAGE = Path(__file__).parents[2] / "docs" / "user-agent" / "bench.md"
EXAMPLES = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    dialplane bench ")]


class Sockets:
    """In the place of a network without sockets."""

    def __init__(self) -> None:
        self.hosts: dict[str, list[str]] = {}

    def transports(self, host: str, *, supported: str) -> SocketTransports:
        return SocketTransports(host=host, port=5060)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """In a thread of its own; gives its address."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    leave = asyncio.Event()

    async def serve() -> None:
        async with Server(Sockets(), "example.com", HOST):  # type: ignore[arg-type]
            ready.set()
            await leave.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"{HOST}:5060"
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join(10)
        loop.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda line: line.split()[2])
def test_the_examples(run: Run, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    """As they stand, at our server, with less to do. There is no TLS here: a connection must do."""
    monkeypatch.chdir(tmp_path)
    rows = [f"user{number},secret{number},example.com" for number in range(10)]
    Path("users.csv").write_text("\n".join(["username,password,domain", *rows]) + "\n")
    words = shlex.split(example)[1:]
    words[2] = server if words[2].startswith("192") else f"sip:{server};transport=tcp"
    if words[1] == "options":
        words += ["--register", "--to", "user{0..9}@example.com"]  # this server has nothing to say for itself
    ramp = "--ramp" in words
    words = [word for word in words if word != "--ramp"]
    result = run(*words, "--rate", "30", "--seconds", "0.5", "--hold", "0.05", "--max-lag", "5000", "--host", HOST)
    assert result.status == 0, result.err + result.out
    assert "begun" in result.out
    if ramp:
        (step,) = json.loads(Path("report.json").read_text())["steps"]
        assert step["good"] == step["begun"] > 0


def test_what_failed_is_told(run: Run, server: str) -> None:
    options = ("--domain", "example.com", "--to", "nobody@example.com", "-r", "30", "-s", "0.5", "--max-lag", "5000")
    result = run("bench", "message", server, *options, "--host", HOST)
    assert result.status == ExitStatus.FAILED
    assert re.search(r"\d+ +404 Not Found", result.out)
    assert "100.00% bad" in result.out
    assert run("bench", "message", server, *options, "--host", HOST, "--allow", "100").status == 0


def test_the_ramp_and_its_files(run: Run, server: str, tmp_path: Path) -> None:
    """The rate that is found is that of the slower of the two: here a busy Python, so that it is found soon."""
    svg = tmp_path / "course.svg"
    options = ("--domain", "example.com", "-r", "2000", "-s", "0.2", "--ramp", "--svg", str(svg), "--host", HOST)
    result = run("bench", "register", server, *options, "--json", "-")
    report = json.loads(result.out)
    assert result.status == (0 if report["highest"] else ExitStatus.FAILED)
    assert any(not step["clean"] for step in report["steps"])
    assert ET.parse(svg).getroot().tag.endswith("svg")


def test_a_generator_that_is_late_is_not_believed(run: Run, server: str) -> None:
    result = run(
        "bench",
        "register",
        server,
        "--domain",
        "example.com",
        "-r",
        "50",
        "-s",
        "0.4",
        "--max-lag",
        "0",
        "--host",
        HOST,
    )
    assert result.status == ExitStatus.FAILED
    assert "not to be trusted" in result.out


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("call", "127.0.0.1", "-u", "alice"), ExitStatus.DATA, "too few"),
        (("options", "127.0.0.1", "-t", "carrier-pigeon"), ExitStatus.DATA, "one of udp, tcp"),
        (("options", "nonsense@@"), ExitStatus.DATA, "it looks like"),
        (("options", "nowhere.invalid"), ExitStatus.UNAVAILABLE, "no address"),
        (("options", "127.0.0.1", "-u", "missing.csv"), ExitStatus.NO_INPUT, "missing.csv"),
        (("options", "127.0.0.1:1", "-t", "tcp"), ExitStatus.UNAVAILABLE, "takes no connection"),
        (("options", "127.0.0.1", "--ca-file", "missing.pem"), ExitStatus.NO_INPUT, "missing.pem"),
        (("dance", "127.0.0.1"), ExitStatus.USAGE, "dance"),
        (("options", "127.0.0.1", "--rate", "-1"), ExitStatus.USAGE, "--rate"),
    ],
)
def test_mistakes(run: Run, words: tuple[str, ...], status: ExitStatus, text: str) -> None:
    result = run("bench", *words)
    assert (result.status, text in result.err) == (status, True), result.err


def test_ctrl_c_ends_it_in_order(server: str) -> None:
    """Calls that stand for an hour are hung up; nobody waits for them."""
    # A shell that runs the tests in the background has them ignore Ctrl-C, and what they start inherits that.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "dialplane", "bench", "call", server]
    command += [
        "--domain",
        "example.com",
        "--host",
        HOST,
        "--users",
        "late{0..9}",
        "--hold",
        "3600",
        "--seconds",
        "600",
        "--rate",
        "20",
        "--max-lag",
        "5000",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stderr is not None
        assert "open" in running.stderr.readline()
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(25) == 130
