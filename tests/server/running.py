"""The whole server as its users start it: ``dialplane serve`` in processes of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dialplane.supervisor.asking import ask
from dialplane.supervisor.folder import DataFolder

from .phone import Phone

DIALPLANE = [sys.executable, "-m", "dialplane"]


def free_port(kind: int = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server on a folder; may be started again and again."""

    def __init__(self, folder: Path, *, workers: int = 2, more: str = "", url: str = "sqlite:dialplane.db") -> None:
        self.folder = folder
        self.port = free_port()
        self.admin = free_port(socket.SOCK_STREAM)
        self.file = folder / "dialplane.toml"
        self.data = DataFolder(folder / "data")
        self.head = (
            f'domains = ["example.com"]\n[server]\ndata = "data"\nworkers = {workers}\n'
            f'[[listen]]\naddress = "udp:127.0.0.1:{self.port}"\n[admin]\naddress = "127.0.0.1:{self.admin}"\n'
            f'[database]\nurl = "{url}"\n'
        )
        self.more = more
        self.write(more)
        self.process: subprocess.Popen[bytes]

    def write(self, more: str) -> None:
        self.file.write_text(self.head + more)

    def start(self) -> float:
        """Starts it and waits until it says that it is ready. Seconds that took."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(f"\0dialplane-test-{os.getpid()}-{id(self)}-{time.monotonic_ns()}")
            begin = time.monotonic()
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [*DIALPLANE, "serve", str(self.file)],
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    env={**os.environ, "NOTIFY_SOCKET": "@" + notified.getsockname()[1:].decode()},
                )
            pidfd = os.pidfd_open(self.process.pid)
            try:
                readable, _, _ = select.select([notified.fileno(), pidfd], [], [], 30)
                assert notified.fileno() in readable, f"not ready: {self.log()}"
                assert notified.recv(100) == b"READY=1"
            finally:
                os.close(pidfd)
            return time.monotonic() - begin

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> int:
        """Stops it. The exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        return self.process.wait(timeout=30)

    def pids(self) -> list[int]:
        """Of all processes."""
        facts = ask(self.data, {"ask": "status"})
        rows = [*facts["workers"], *facts["retired"], facts["control"], *([facts["spare"]] if facts["spare"] else [])]
        return [facts["pid"], *(row["pid"] for row in rows)]

    def workers(self) -> list[dict[str, Any]]:
        return list(ask(self.data, {"ask": "status"})["workers"])

    def kill_all(self) -> None:
        """``kill -9`` of every process, the supervisor first."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*DIALPLANE, *arguments, "-c", str(self.file)], capture_output=True, text=True, check=False, timeout=60
        )

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.data.path / "dialplane.db", timeout=5)) as client, client:
            return client.execute(statement, values).fetchall()

    def add_user(self, name: str, password: str = "secret") -> None:
        done = subprocess.run(
            [*DIALPLANE, "users", "add", f"{name}@example.com", "--password-stdin", "-c", str(self.file)],
            input=password.encode(), check=True, capture_output=True,
        )  # fmt: skip
        assert done.stderr == b"", done.stderr

    def phone(self, name: str, password: str = "secret", domain: str = "example.com") -> Phone:
        return Phone(name, domain, ("127.0.0.1", self.port), password)

    def close(self) -> None:
        """Kills the supervisor if it still runs; nothing that it started may outlive it."""
        if not hasattr(self, "process") or self.process.poll() is not None:
            return
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        with contextlib.ExitStack() as stack:
            ends = {os.pidfd_open(int(pid)): pid for pid in children}
            for end in ends:
                stack.callback(os.close, end)
            self.process.kill()
            self.wait()
            for end, pid in ends.items():
                gone, _, _ = select.select([end], [], [], 10)
                assert gone, f"process {pid} outlived its supervisor"


def until(condition: Callable[[], object], seconds: float = 10) -> float:
    """Waits for something that another process does. Seconds that took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, "it did not happen"
        time.sleep(0.005)
    return time.monotonic() - begin


def metrics(text: str) -> dict[str, float]:
    """Sums of the samples in a page of metrics, by name."""
    sums: dict[str, float] = {}
    for name, value in re.findall(r"^(\w+)(?:\{.*?\})? (\S+)$", text, re.MULTILINE):
        sums[name] = sums.get(name, 0) + float(value)
    return sums


def log_lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
