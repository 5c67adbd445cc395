"""``check`` and ``explain``: what the engine says about a configuration and a message, without a worker."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dialplane_native import Message, ParseError, parse
from dialplane_native.server import Store, check, explain, record_id

from .samples import INVITE
from .serving import configuration, rule


def checked(**changes: Any) -> list[tuple[str, str]]:
    return check(json.dumps(configuration(**changes)).encode())


def test_a_good_configuration() -> None:
    assert checked() == []
    assert checked(route=[rule(forward="sip:192.0.2.7"), rule(methods=["OPTIONS"], drop=True)]) == []


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"route": [rule(), rule(forward="nowhere")]}, {"route.0", "route.1.forward"}),
        ({"listen": [{"address": "udp:localhost:5060", "advertise": None}]}, {"listen.0.address"}),
        ({"domains": ["not a host"]}, {"domains.0"}),
        ({"table": [{"name": "numbers", "file": "/nonexistent/numbers.dpt"}]}, {"table.0.file"}),
        ({"registrar": {"path": "sometimes"}}, {"registrar.path"}),
        ({"proxy": {"trusted": ["10.0.0.0/99"]}}, {"proxy.trusted.0"}),
    ],
)
def test_problems_have_their_path(changes: Any, paths: set[str]) -> None:
    problems = checked(**changes)
    assert {path for path, _ in problems} == paths
    assert all(text for _, text in problems)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"server": 1}', b"\xff"])
def test_what_is_no_configuration(text: bytes) -> None:
    ((path, problem),) = check(text)
    assert path == ""
    assert problem


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(str(tmp_path), "supervisor")
    opened.mirror(True)
    yield opened
    opened.close()


class Explained:
    def __init__(self, folder: Path, message: bytes, source: str = "udp:198.51.100.9:5060", **changes: Any) -> None:
        config = configuration("udp:192.0.2.1:5060", **changes)
        self.json: Any = json.loads(explain(json.dumps(config).encode(), str(folder), message, source))
        assert set(self.json) == {"verdict", "rule", "name", "steps", "targets", "sends"}
        self.verdict: str = self.json["verdict"]
        self.sends: list[tuple[str, Message]] = [
            (send["to"], parse(base64.b64decode(send["message"]))) for send in self.json["sends"]
        ]


def to(uri: str = "sip:x@example.com") -> bytes:
    return INVITE.replace(b"INVITE sip:bob@biloxi.com", f"INVITE {uri}".encode())


def test_a_forward_by_rule(tmp_path: Path, store: Store) -> None:
    rules = [
        rule(name="options", methods=["OPTIONS"], drop=True),
        rule(name="carrier", prefixes=["+49"], forward="sip:192.0.2.77:5070"),
    ]
    explained = Explained(tmp_path, to("sip:+493012@example.com"), route=rules)
    assert (explained.verdict, explained.json["rule"], explained.json["name"]) == ("forward", 1, "carrier")
    ((address, message),) = explained.sends
    assert address == "udp:192.0.2.77:5070"
    assert (len(message.via), message.max_forwards) == (2, 69)
    assert message.body == parse(INVITE).body
    assert explained.json["targets"] == [
        {"uri": "sip:+493012@example.com", "to": "udp:192.0.2.77:5070", "why": explained.json["steps"][-1]}
    ]
    steps = "\n".join(explained.json["steps"])
    assert "options does not: methods is INVITE, not OPTIONS" in steps
    assert "carrier decides" in steps


def test_a_target_set(tmp_path: Path, store: Store) -> None:
    uris = ["sip:192.0.2.81:5060", "sip:192.0.2.82:5060"]
    targets = [{"uri": uri, "weight": 1, "priority": 0, "drain": False} for uri in uris]
    gateways = {"name": "gateways", "policy": "round-robin", "hash_by": "call-id", "targets": targets, "probe": None,
                "eject": None, "longest_call": 14400.0}  # fmt: skip
    explained = Explained(tmp_path, to(), target_set=[gateways], route=[rule(forward="gateways")])
    assert [target["uri"] for target in explained.json["targets"]] == uris
    chosen = [target["to"] for target in explained.json["targets"] if target["to"]]
    assert chosen == [explained.sends[0][0]]
    assert all(target["why"] == "target set gateways, up" for target in explained.json["targets"])


def test_a_registered_user(tmp_path: Path, store: Store) -> None:
    base = record_id("bob", "example.com")
    row = (
        base, "", "bob", "example.com", "sip:bob@192.0.2.90:5090", None, None, None, 4_000_000_000, 0.5, "c", 1, 1, "",
        None, None, 0,
    )  # fmt: skip
    better = (base + 1, *row[1:4], "sip:bob@192.0.2.91:5091", *row[5:9], 0.9, *row[10:])
    assert store.restore([row, better]) == 2
    explained = Explained(tmp_path, to("sip:bob@example.com"))
    assert (explained.verdict, explained.json["rule"]) == ("forward", None)
    ((address, message),) = explained.sends
    assert address == "udp:192.0.2.91:5091"
    assert message.uri_text == "sip:bob@192.0.2.91:5091"
    assert [(target["uri"], target["to"]) for target in explained.json["targets"]] == [
        ("sip:bob@192.0.2.91:5091", "udp:192.0.2.91:5091"),
        ("sip:bob@192.0.2.90:5090", None),
    ]


@pytest.mark.parametrize(
    ("message", "changes", "verdict", "status"),
    [
        (to("sip:nobody@example.com"), {}, "reply", 404),
        (to(), {"route": [rule(reply={"status": 603, "reason": "No"})]}, "reply", 603),
        (to(), {"route": [rule(drop=True)]}, "drop", None),
        (to().replace(b": 70", b": 0"), {}, "reply", 483),
        (to().replace(b"314159 INVITE", b"x INVITE"), {}, "reply", 400),
        (to().replace(b"INVITE", b"ACK"), {"route": [rule(reply={"status": 603, "reason": None})]}, "handled", None),
        (b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKforged\r\n\r\n", {}, "drop", None),
    ],
)  # fmt: skip
def test_verdicts(tmp_path: Path, store: Store, message: bytes, changes: Any, verdict: str, status: int | None) -> None:
    explained = Explained(tmp_path, message, **changes)
    assert explained.verdict == verdict
    assert [sent.status for _, sent in explained.sends] == ([status] if status else [])
    assert explained.json["steps"] or verdict == "drop"


def test_explaining_changes_nothing(tmp_path: Path, store: Store) -> None:
    register = INVITE.replace(b"INVITE sip:bob@biloxi.com", b"REGISTER sip:example.com").replace(
        b"314159 INVITE", b"1 REGISTER"
    )
    register = register.replace(b"bob@biloxi.com", b"bob@example.com")
    explained = Explained(tmp_path, register)
    assert (explained.verdict, explained.sends[0][1].status) == ("reply", 200)
    assert explained.sends[0][1].contact is not None
    assert store.lookup("bob", "example.com") == []
    assert store.backlog() == (0, 0)


def test_names_are_resolved(tmp_path: Path, store: Store) -> None:
    explained = Explained(tmp_path, to(), route=[rule(forward="sip:localhost:5075")])
    assert explained.verdict == "forward"
    assert explained.sends[0][0] == "udp:127.0.0.1:5075"


def test_without_a_store(tmp_path: Path) -> None:
    explained = Explained(tmp_path / "none", to("sip:bob@example.com"))
    assert explained.sends[0][1].status == 404
    assert explained.json["steps"][0].startswith("no server has run")


@pytest.mark.parametrize(
    ("message", "source", "changes", "error"),
    [
        (b"nonsense", "udp:192.0.2.9:5060", {}, "Head without an end"),
        (INVITE, "192.0.2.9:5060", {}, "source: "),
        (INVITE, "tcp:192.0.2.9:5060", {}, "source: no listener"),
        (INVITE, "udp:somewhere:5060", {}, "source: "),
        (INVITE, "udp:192.0.2.9:5060", {"route": [rule(forward="x")]}, "route"),
    ],
)
def test_what_cannot_be_explained(tmp_path: Path, message: bytes, source: str, changes: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error) as caught:
        Explained(tmp_path, message, source, **changes)
    assert isinstance(caught.value, ParseError) == (message == b"nonsense")
