"""TCP and TLS: softphones of different makers, and SIPp with one connection and with one for each call."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from .capture import Capture
from .certificate import issue
from .differs import differs
from .namespace import HOSTS
from .sipp import Sipp, finish
from .softphone import KINDS
from .subject import EVERYBODY, Rule, Server, Setup
from .waiting import eventually

PACKETS = 200
"""Datagrams of audio in both directions: two seconds."""

pytestmark = differs(kamailio="the control is set up for UDP")


@pytest.mark.parametrize("end", ["caller hangs up", "callee hangs up"])
@pytest.mark.parametrize(("alice_by", "bob_by"), [("tcp", "tcp"), ("tls", "tls"), ("tls", "udp"), ("udp", "tcp")])
@pytest.mark.parametrize(("caller", "callee"), [("baresip", "linphone"), ("linphone", "baresip")])
def test_softphones(
    serve: Callable[[Setup], Server],
    capture: Capture,
    tmp_path: Path,
    caller: str,
    callee: str,
    alice_by: str,
    bob_by: str,
    end: str,
) -> None:
    trusted, certificate = issue(tmp_path)
    setup = Setup(record_route=True, transports=("udp", "tcp", "tls"), certificate=certificate, call_auth=True)
    server = serve(setup)
    with (
        KINDS[caller]("alice", "wonderland", 600.0, tmp_path, alice_by, trusted) as alice,
        KINDS[callee]("bob", "builder", 1000.0, tmp_path, bob_by, trusted) as bob,
    ):
        assert {"sip:alice@example.org", "sip:bob@example.org"} >= set(server.locations())
        alice.call("sip:bob@example.org")
        alice.wait_established()
        bob.wait_established()
        # Audio shows that the call is up on both sides; baresip says nothing of a call of less than a second.
        eventually(lambda: sum(not one.is_sip for one in capture.datagrams()) >= PACKETS, seconds=15)
        (alice if end.startswith("caller") else bob).hang_up()
        alice.wait_ended()
        bob.wait_ended()


def bob_listens() -> bool:
    """Whether connections to bob are taken."""
    try:
        socket.create_connection((HOSTS["bob"], 5060), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("connections", ["t1", "tn"], ids=["one connection", "one for each call"])
@pytest.mark.parametrize("caller_by", ["tcp", "udp"])
def test_sipp(serve: Callable[[Setup], Server], sipp: Sipp, connections: str, caller_by: str) -> None:
    rule = Rule(users=("bob",), domains=("example.org",), forward=f"sip:{HOSTS['bob']}:5060;transport=tcp")
    serve(Setup(record_route=True, trusted=EVERYBODY, transports=("udp", "tcp"), rules=(rule,)))
    with sipp.running("uas", "bob", calls=100, options=["-t", "t1"]) as answering:
        # A datagram is sent again; a connection that nobody takes yet is refused at once.
        eventually(bob_listens)
        options = ["-d", "100", "-t", connections if caller_by == "tcp" else "u1"]
        sipp.run("uac", "alice", calls=100, rate=100, options=options)
        finish(answering)
