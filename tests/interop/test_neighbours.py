"""The subject between two Kamailio: three proxies in a row that all record the route, hung up from either side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .capture import Capture
from .message import Message, parse
from .namespace import HOSTS
from .sipp import Sipp, finish
from .subject import Rule, Server, Setup
from .subject.kamailio import Kamailio


@pytest.fixture
def neighbours(network: None, tmp_path: Path) -> Iterator[None]:
    """A Kamailio before the subject and one behind it, which knows where bob is."""
    ways = {"before": "sip:192.0.2.1:5060", "after": f"sip:{HOSTS['bob']}:5060"}
    with ExitStack() as stack:
        for name, next_hop in ways.items():
            rules = (Rule(domains=("example.org",), forward=next_hop),)
            setup = Setup(host=HOSTS[name], domains=(f"{name}.example.net",), record_route=True, rules=rules)
            server = Kamailio(setup, tmp_path / name)
            stack.callback(server.stop)
            server.start()
        yield


@pytest.mark.parametrize(
    ("caller", "callee"),
    [("uac-reinvite", "uas"), ("uac-listen", "uas-bye"), ("uac-cancel", "uas-cancel"), ("uac-busy", "uas-busy")],
    ids=["caller hangs up", "callee hangs up", "cancelled", "busy"],
)
def test_three_proxies(
    neighbours: None, serve: Callable[[Setup], Server], sipp: Sipp, capture: Capture, caller: str, callee: str
) -> None:
    serve(Setup(record_route=True, rules=(Rule(domains=("example.org",), forward=f"sip:{HOSTS['after']}:5060"),)))
    with sipp.running(callee, "bob", remote=(HOSTS["after"], 5060)) as answering:
        sipp.run(caller, "alice", remote=(HOSTS["before"], 5060))
        finish(answering)
    seen = [parse(one.payload) for one in capture.datagrams() if one.destination[0] == HOSTS["bob"] and one.is_sip]
    assert len(seen[0].all("record-route")) == 3
    assert len(seen[0].all("via")) == 4
    passed = [message for message in through_subject(capture) if message.method == "BYE" and message.status is None]
    if caller in {"uac-reinvite", "uac-listen"}:
        assert len(passed) == 2, "BYE goes through the subject once: in and out"


def through_subject(capture: Capture) -> list[Message]:
    """What the subject received and sent."""
    return [
        parse(one.payload)
        for one in capture.datagrams()
        if HOSTS["subject"] in (one.source[0], one.destination[0]) and one.is_sip
    ]
