"""Calls between two SIPp through the subject: Record-Route and loose routing, hang-up from either side, CANCEL, 486."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .capture import Capture
from .endpoint import Endpoint
from .message import Message, parse
from .namespace import HOSTS
from .sipp import Sipp, finish
from .subject import EVERYBODY, Rule, Server, Setup

RECORDED = Setup(record_route=True)
DIRECT = Setup(record_route=False, trusted=EVERYBODY)
"""Both sides use the server as outbound proxy for the whole call, so that it has to relay to their contacts."""


def register_bob() -> None:
    with Endpoint("bob") as bob:
        assert bob.register("bob", password="builder").status == 200


def received_by(capture: Capture, host: str) -> list[Message]:
    """Messages that were sent to a host, in order."""
    return [parse(one.payload) for one in capture.datagrams() if one.destination[0] == HOSTS[host] and one.is_sip]


def call(sipp: Sipp, caller: str, callee: str, *, calls: int = 1) -> None:
    """One SIPp calls the other; both must be content."""
    with sipp.running(callee, "bob", calls=calls) as answering:
        sipp.run(caller, "alice", calls=calls, rate=50, options=["-d", "100"])
        finish(answering)


@pytest.mark.parametrize("setup", [RECORDED, DIRECT], ids=["record-route", "direct"])
@pytest.mark.parametrize(
    ("caller", "callee"),
    [
        ("uac", "uas"),
        ("uac-reinvite", "uas"),
        ("uac-listen", "uas-bye"),
        ("uac-busy", "uas-busy"),
        ("uac-cancel", "uas-cancel"),
    ],
    ids=["caller hangs up", "re-INVITE", "callee hangs up", "busy", "cancelled"],
)
def test_call(
    serve: Callable[[Setup], Server], sipp: Sipp, capture: Capture, setup: Setup, caller: str, callee: str
) -> None:
    serve(setup)
    register_bob()
    call(sipp, caller, callee)
    invite, *later = [message for message in received_by(capture, "bob") if message.status is None]
    assert bool(invite.all("record-route")) == (setup is RECORDED)
    assert not any(message.all("route") for message in later)


def test_many_calls(serve: Callable[[Setup], Server], sipp: Sipp) -> None:
    """No call of a hundred fails, and none is mixed up with another."""
    serve(RECORDED)
    register_bob()
    call(sipp, "uac", "uas", calls=100)


def test_recorded_route_names_the_server(serve: Callable[[Setup], Server], sipp: Sipp, capture: Capture) -> None:
    """RFC 3261 §16.6 step 4: a URI that leads back here, with lr; the dialog's requests come with it, leave without."""
    serve(RECORDED)
    register_bob()
    call(sipp, "uac-reinvite", "uas")
    invite, *later = [message for message in received_by(capture, "bob") if message.status is None]
    assert [route for route in invite.all("record-route") if "192.0.2.1" in route and ";lr" in route]
    assert [message.method for message in later] == ["ACK", "INVITE", "ACK", "BYE"]
    sent = [
        message for message in received_by(capture, "subject") if message.status is None and "tag=" in message["to"]
    ]
    assert all(message.all("route") == invite.all("record-route") for message in sent if message.method != "REGISTER")


def test_redirect_is_followed(serve: Callable[[Setup], Server], sipp: Sipp, capture: Capture) -> None:
    """302 by rule (RFC 3261 §8.3); the caller then reaches the contact through the same server."""
    rule = Rule(users=("bob",), domains=("example.org",), redirect=("sip:bob@192.0.2.12:5060",))
    serve(Setup(rules=(rule,), trusted=EVERYBODY))
    with sipp.running("uas", "bob") as answering:
        sipp.run("uac-redirected", "alice")
        finish(answering)
    assert received_by(capture, "bob")[0].uri == "sip:bob@192.0.2.12:5060"


def test_numbers_are_redirected(serve: Callable[[Setup], Server], sipp: Sipp) -> None:
    """A table of numbers: each caller is sent to the URI of the number that was asked for, and to no other."""
    table = tuple((f"1555{number:07}", f"sip:1555{number:07}@gateway{number % 7}.example.net") for number in range(100))
    serve(Setup(rules=(Rule(prefixes=("1555",), domains=("example.org",), table=table),)))
    sipp.run("uac-number", "alice", calls=len(table), rate=200, rows=table)
