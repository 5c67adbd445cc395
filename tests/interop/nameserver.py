"""A name server with a zone of its own: Knot DNS, as Debian has it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import IO, cast

ZONE = "example.net"
HEAD = """\
$ORIGIN example.net.
$TTL 3600
@ SOA ns hostmaster {serial} 3600 600 86400 1
@ NS ns
ns A 127.0.0.1
here A 127.0.0.1
"""


class NameServer:
    """Knot on a free port of 127.0.0.1, serving ``example.net``. A negative answer lives for one second."""

    def __init__(self, folder: Path, records: str) -> None:
        self.folder = folder
        self.serial = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.zone = folder / "zone"
        self.control = folder / "knot.sock"
        self.file = folder / "knot.conf"
        self.file.write_text(
            f"server:\n  rundir: {folder}\n  listen: 127.0.0.1@{self.port}\n  udp-workers: 1\n  tcp-workers: 1\n"
            f"control:\n  listen: {self.control}\ndatabase:\n  storage: {folder}\n"
            "log:\n- target: stderr\n  any: info\n"
            f"zone:\n- domain: {ZONE}\n  file: {self.zone}\n  zonefile-sync: -1\n  zonefile-load: whole\n"
        )
        self._write(records)
        self.process: subprocess.Popen[bytes]
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it says that the zone is loaded."""
        self.process = subprocess.Popen(
            ["knotd", "-c", str(self.file)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        said = b""
        errors = cast("IO[bytes]", self.process.stderr)
        while b"server started" not in said:
            line = errors.readline()
            assert line, f"knotd has ended: {said.decode()}"
            said += line

    def change(self, records: str) -> None:
        """Serves other records from now on."""
        self._write(records)
        reload = ["knotc", "-s", str(self.control), "-b", "zone-reload", ZONE]
        subprocess.run(reload, check=True, capture_output=True, timeout=20)

    def freeze(self) -> None:
        """It takes queries and answers none."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        cast("IO[bytes]", self.process.stderr).close()

    def _write(self, records: str) -> None:
        self.serial += 1
        self.zone.write_text(HEAD.format(serial=self.serial) + records)
