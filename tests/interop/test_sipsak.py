"""sipsak against the subject: OPTIONS, usrloc mode with digest, trace route by Max-Forwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .namespace import HOSTS, SUBJECT
from .process import Process
from .sipp import Sipp, finish
from .subject import EVERYBODY, Server, Setup
from .waiting import eventually


def sipsak(folder: Path, *options: str) -> str:
    """Its output; anything but success fails the test."""
    with Process(["sipsak", *options], folder / "sipsak.log") as process:
        status = process.wait(seconds=20)
        assert status == 0, process.text()
        return process.text()


def test_options(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    serve(Setup())
    assert "SIP/2.0 200" in sipsak(tmp_path, "-v", "-s", f"sip:{SUBJECT}:5060")


def test_register(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    server = serve(Setup())
    contact = f"sip:alice@{HOSTS['alice']}:5060"
    # -i means a Via all the same; -p must come before -s, or sipsak wants to resolve the domain.
    user = ["-p", SUBJECT, "-u", "alice", "-a", "wonderland", "-s", "sip:alice@example.org"]
    assert "successful" in sipsak(tmp_path, "-U", "-i", "-vv", "-C", contact, "-x", "600", *user)
    eventually(lambda: server.locations() == {"sip:alice@example.org": {contact}})


def test_trace_route(serve: Callable[[Setup], Server], sipp: Sipp, tmp_path: Path) -> None:
    """First hop: our 483; second: the user agent itself."""
    serve(Setup(trusted=EVERYBODY))
    with sipp.running("uas-options", "bob") as answering:
        text = sipsak(tmp_path, "-T", "-vv", "-p", SUBJECT, "-s", f"sip:bob@{HOSTS['bob']}:5060")
        finish(answering)
    assert text.index("483") < text.index("SIP/2.0 200 OK")
