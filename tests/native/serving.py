"""A configuration, a shared store and a worker process for the tests of ``dialplane_native.server``."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dialplane_native import Message, NameAddr, Request, Via, parse

WORKER = """
import os, sys
from dialplane_native.server import run_worker
sys.exit(run_worker(sys.stdin.buffer.read(), int(sys.argv[1])))
"""
PATIENCE = 20.0
"""Seconds until a test gives up; nothing takes that long unless it fails."""


def rule(**changes: Any) -> dict[str, Any]:
    """One ``[[route]]`` with every field."""
    return {
        "name": "", "methods": [], "domains": [], "users": [], "prefixes": [], "sources": [], "uri": None,
        "authenticate": None, "record_route": None, "mode": None, "ring": None, "path": False, "strip": 0,
        "prepend": "", "forward": None, "lookup": False, "redirect": None, "reply": None, "drop": False,
    } | changes  # fmt: skip


def configuration(address: str = "udp:127.0.0.1:5060", **changes: Any) -> dict[str, Any]:
    """An effective configuration: no credentials asked for, nothing outside the process."""
    whole: dict[str, Any] = {
        "domains": ["example.com"],
        "server": {
            "steering": "auto", "workers": 1, "data": "", "name": "", "retire": 60.0, "log": "auto", "log_level": "info"
        },
        "listen": [{"address": address, "advertise": None}],
        "certificate": [],
        "connections": {
            "most": 100_000, "buffer": 262_144, "connect": 4.0, "first": 10.0, "message": 32.0, "idle": 7500.0,
            "balancers": [],
        },
        "tls": {"authorities": None, "verify": True, "present": True, "oldest": "1.2"},
        "limits": {
            "message": 65536, "fields": 256, "via": 64, "route": 32, "field": 16384, "contacts": 64, "bindings": 10,
        },
        "guard": {
            "allow": ["127.0.0.0/8", "::1"], "requests": 0, "refused": 600, "failures": 10, "scanners": [],
            "ban": 600.0, "delay": 0.05, "emergency": ["112"],
        },
        "auth": {"realm": None, "algorithms": ["SHA-256"], "nonce_lifetime": 300, "register": False, "calls": False},
        "registrar": {
            "default_expires": 3600, "min_expires": 60, "max_expires": 7200, "path": "supported", "nat": "auto",
        "service_route": [], "flow_timer": 0, "gruu": False,
        },
        "proxy": {"record_route": False, "trusted": [], "relay": True, "recurse": False, "patience": 3.0, "ring": 30.0},
        "dns": {"servers": [], "timeout": 2.0, "attempts": 2, "longest": 86400.0, "stale": 3600.0, "avoid": 30.0},
        "database": {"url": "none", "bindings": True, "urgent": 1.0, "refresh": 30.0},
        "admin": {"address": ""},
        "target_set": [],
        "table": [],
        "route": [],
    }  # fmt: skip
    for key, value in changes.items():
        whole[key] = whole[key] | value if isinstance(value, dict) else value
    return whole


class Worker:
    """A worker process, and what a supervisor holds of it."""

    def __init__(self, folder: Path, socket_: socket.socket, config: dict[str, Any]) -> None:
        self.address = socket_.getsockname()
        self.config = config
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(PATIENCE)
        boot = {
            "config": config, "worker": 0, "workers": 1, "listeners": [[0, socket_.fileno()]],
            "data": str(folder), "counters": str(folder), "connections": str(folder / "connections"),
        }  # fmt: skip
        with theirs, tempfile.TemporaryFile() as stdin:
            stdin.write(json.dumps(boot).encode())
            stdin.seek(0)
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER, str(theirs.fileno())],
                pass_fds=[theirs.fileno(), socket_.fileno()],
                stdin=stdin,
                stderr=subprocess.PIPE,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        self.process.kill()
        with self.process:
            pass

    def heard(self) -> Any:
        """The next message of the worker, log lines aside."""
        while True:
            message = json.loads(self.control.recv(1 << 18))
            if "log" not in message:
                return message

    def say(self, message: object) -> None:
        self.control.send(json.dumps(message).encode())

    def wait(self) -> tuple[int, str]:
        """Exit status and what was written to standard error."""
        status = self.process.wait(timeout=PATIENCE)
        assert self.process.stderr
        return status, self.process.stderr.read().decode()


@contextmanager
def worker(folder: Path, **changes: Any) -> Iterator[Worker]:
    """A worker that reads its socket. Needs the store of ``folder`` open in this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        host, port = listening.getsockname()
        with Worker(folder, listening, configuration(f"udp:{host}:{port}", **changes)) as started:
            assert started.heard() == {"ready": True}
            yield started


class Phone:
    """A UDP socket that speaks SIP to a worker."""

    def __init__(self, to: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE)
        self.host, self.port = self.socket.getsockname()
        self.to = to
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def request(self, method: str, uri: str, *, to: str | None = None, **fields: Any) -> bytes:
        """A request of this phone's, with a new branch and CSeq."""
        self._sent += 1
        return bytes(
            Request(
                method,
                uri,
                via=Via.build("UDP", self.host, self.port, branch=f"z9hG4bK{os.getpid()}x{self._sent}", rport=True),
                from_=NameAddr.build("sip:alice@example.com", params={"tag": "1"}),
                to=to or f"<{uri}>",
                call_id=f"{os.getpid()}@127.0.0.1",
                cseq=self._sent,
                **fields,
            )
        )

    def ask(self, request: bytes) -> Message:
        self.socket.sendto(request, self.to)
        return self.hear()

    def hear(self) -> Message:
        return parse(self.socket.recv(65536))

    def is_quiet(self) -> bool:
        """Whether nothing has arrived. Only after something that was sent later has been answered."""
        return not select.select([self.socket], [], [], 0)[0]
