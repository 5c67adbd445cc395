"""``dialplane bans`` against a running server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dialplane.errors import ExitStatus

COMMAND = [sys.executable, "-I", "-m", "dialplane"]
OPTIONS = (
    "OPTIONS sip:{host} SIP/2.0\r\nVia: SIP/2.0/UDP {host};rport;branch=z9hG4bK{number}\r\nFrom: <sip:a@b>;tag=1\r\n"
    "To: <sip:c@d>\r\nCall-ID: call{number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60)


def asks(host: str, port: int, number: int) -> str:
    """The status of the answer to OPTIONS from 127.0.0.2; ``""`` for none within a fifth of a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.2", 0))
        client.settimeout(0.2)
        client.sendto(OPTIONS.format(host=host, number=number).encode(), (host, port))
        try:
            return client.recv(4096).split(b" ", 2)[1].decode()
        except TimeoutError:
            return ""


@pytest.mark.parametrize("steering", ["auto", "classic"])
def test_a_ban_begins_and_ends(tmp_path: Path, steering: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path / "dialplane.toml"
    file.write_text(
        f'[server]\nworkers = 2\nsteering = "{steering}"\ndata = "{tmp_path / "data"}"\n'
        '[guard]\nallow = ["127.0.0.9"]\n'
        f'[[listen]]\naddress = "udp:127.0.0.1:{port}"\n[admin]\naddress = ""\n[database]\nurl = "none"\n'
    )
    server = subprocess.Popen(
        [*COMMAND, "serve", str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert server.stdout is not None
        assert any('"ready"' in line for line in server.stdout)
        assert asks("127.0.0.1", port, 1) == "200"
        added = run("bans", "add", "127.0.0.2", "--for", "10m", "-c", str(file))
        assert (added.returncode, added.stdout) == (0, "banned 127.0.0.2 for 10m 00s\n"), added.stderr
        # Calls of both workers.
        assert {asks("127.0.0.1", port, number) for number in range(2, 6)} == {""}
        (row,) = json.loads(run("bans", "list", "--json", "-c", str(file)).stdout)
        assert (row["source"], row["reason"]) == ("127.0.0.2", "by the operator")
        assert "127.0.0.2" in run("bans", "list", "-c", str(file)).stdout
        facts = json.loads(run("status", "--json", "-c", str(file)).stdout)
        assert facts["dropped_by_kernel"] == (4 if "eBPF" in facts["spread"] else 0)
        assert "no longer banned" in run("bans", "remove", "127.0.0.2", "-c", str(file)).stdout
        assert asks("127.0.0.1", port, 6) == "200"
        assert "is not banned" in run("bans", "remove", "127.0.0.2", "-c", str(file)).stdout
        for arguments in (["add", "127.0.0.9"], ["add", "somebody"], ["add", "192.0.2.1", "--for", "soon"]):
            refused = run("bans", *arguments, "-c", str(file))
            assert refused.returncode == ExitStatus.DATA, refused
            assert refused.stderr.count("\n") == 1
    finally:
        server.terminate()
        server.wait(20)
        assert server.stdout is not None
        server.stdout.close()
