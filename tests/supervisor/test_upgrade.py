"""``dialplane upgrade`` of a real server: the same process and sockets, new workers, and not one datagram lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

COMMAND = [sys.executable, "-I", "-m", "dialplane"]
REQUEST = (
    "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: call{number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
    "Content-Length: 0\r\n\r\n"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=120)


class Server:
    """``dialplane serve`` in a process of its own."""

    def __init__(self, folder: Path, steering: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.data = folder / "data"
        self.file = folder / "dialplane.toml"
        self.write()
        self._steering = steering
        self.write()
        self.process = subprocess.Popen(
            [*COMMAND, "serve", str(self.file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        for line in self.process.stdout:
            self.lines.append(line)
            if '"ready"' in line:
                break
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout or ()))
        self._reader.start()

    _steering = "auto"

    def write(self, more: str = "") -> None:
        self.file.write_text(
            f'[server]\nworkers = 2\nsteering = "{self._steering}"\ndata = "{self.data}"\n'
            f'[[listen]]\naddress = "udp:127.0.0.1:{self.port}"\n[[listen]]\naddress = "tcp:127.0.0.1:{self.port}"\n'
            f'[admin]\naddress = ""\n[database]\nurl = "none"\n{more}'
        )

    def facts(self) -> dict[str, object]:
        asked = run("status", "--json", "-c", str(self.file))
        assert asked.returncode == 0, asked.stderr + "".join(self.lines)
        return json.loads(asked.stdout)  # type: ignore[no-any-return]

    def workers(self) -> list[int]:
        return [worker["pid"] for worker in self.facts()["workers"]]  # type: ignore[attr-defined]

    def upgrade(self) -> subprocess.CompletedProcess[str]:
        return run("upgrade", "-c", str(self.file))

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, "".join(self.lines)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(params=["auto", "classic"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(tmp_path, request.param)
    yield made
    made.close()


class Load:
    """Asks OPTIONS, one after the other, and counts what is not answered within two seconds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends = threading.Event()
        self.answered, self.lost = 0, 0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", self._port))
            client.settimeout(2)
            while not self._ends.is_set():
                client.send(REQUEST.format(port=self._port, number=self.answered).encode())
                try:
                    assert client.recv(4096).startswith(b"SIP/2.0 200 ")
                    self.answered += 1
                except TimeoutError:
                    self.lost += 1


def test_every_process_is_new_and_nothing_is_lost(server: Server) -> None:
    before, spread = server.workers(), server.facts()["spread"]
    with Load(server.port) as load:
        for _ in range(3):
            upgraded = server.upgrade()
            assert upgraded.returncode == 0, upgraded.stderr + "".join(server.lines)
            assert upgraded.stdout.startswith("upgraded from ")
            now = server.workers()
            assert not set(now) & set(before), (before, now)
            before = now
    assert load.lost == 0, f"{load.lost} lost, {load.answered} answered"
    assert load.answered > 100
    facts = server.facts()
    assert (facts["pid"], facts["spread"]) == (server.process.pid, spread)
    # Its children are watched as before.
    os.kill(before[0], signal.SIGKILL)
    with Load(server.port) as load:
        while before[0] in server.workers():
            pass
    assert load.answered > 0
    server.write("[guard]\nban = 10.0\n")
    assert run("reload", "-c", str(server.file)).returncode == 0


def test_what_the_new_version_refuses_leaves_the_old_one(server: Server) -> None:
    before = server.workers()
    for more, words in [("[guards]\n", "guards"), ('[[route]]\nforward = "nowhere"\n', "nowhere")]:
        server.write(more)
        refused = server.upgrade()
        assert refused.returncode != 0, refused
        assert words in refused.stderr, refused
    server.write()
    server.file.write_text(server.file.read_text().replace("workers = 2", "workers = 3"))
    refused = server.upgrade()
    assert refused.returncode != 0, refused
    assert "workers changed" in refused.stderr, refused
    server.write()
    with Load(server.port) as load:
        assert server.workers() == before
    assert load.lost == 0


def test_a_new_worker_that_cannot_start_leaves_the_old_one(server: Server) -> None:
    before = server.workers()
    # Where its counters should be.
    shutil.rmtree(server.data / "counters")
    (server.data / "counters").write_text("no folder")
    with Load(server.port) as load:
        refused = server.upgrade()
        assert refused.returncode != 0, refused
        assert "worker-0 cannot start" in refused.stderr, refused
        assert server.workers() == before
    assert load.lost == 0
    assert load.answered > 0
    (server.data / "counters").unlink()
    (server.data / "counters").mkdir()
    assert server.upgrade().returncode == 0
    assert not set(server.workers()) & set(before)
