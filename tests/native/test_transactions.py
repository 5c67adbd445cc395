"""The four machines from Python, in virtual time. RFC 3261 §17, RFC 6026, RFC 4320."""

from __future__ import annotations

from typing import Any

import pytest

from dialplane_native import BuildError, Message, parse
from dialplane_native.transactions import Failure, Incoming, Reply, Send, Transactions

VIA = "SIP/2.0/UDP 192.0.2.1:5060;rport"
HEAD = (
    "From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c\r\nCSeq: 7 {method}\r\n"
    "Max-Forwards: 70\r\n"
)
UDP, TCP = "a UDP flow", "a TCP flow"


def draft(method: str, *, uri: str = "sip:b@192.0.2.2", more: str = "") -> bytes:
    head = HEAD.format(method=method)
    return f"{method} {uri} SIP/2.0\r\n{head}{more}Content-Length: 0\r\n\r\n".encode()


def received(method: str, *, branch: str = "z9hG4bKx", more: str = "", to_tag: str = "") -> Message:
    head = HEAD.format(method=method).replace("b@example.com>", f"b@example.com>{to_tag}")
    via = f"Via: SIP/2.0/UDP 192.0.2.9;branch={branch};rport\r\n"
    return parse(f"{method} sip:a@192.0.2.1 SIP/2.0\r\n{via}{head}{more}Content-Length: 0\r\n\r\n".encode())


class Side:
    """One layer and its clock."""

    def __init__(self, **options: float) -> None:
        self.now = 1000.0
        self.layer = Transactions(now=self.now, secret=bytes(16), **options)  # type: ignore[arg-type]

    def request(
        self, method: str, *, reliable: bool = False, owner: Any = "owner", **options: str
    ) -> tuple[int, bytes]:
        flow = TCP if reliable else UDP
        data = draft(method, **options)
        return self.layer.request(self.now, data, via=VIA, flow=flow, reliable=reliable, owner=owner)

    def receive(self, message: Message, *, reliable: bool = False) -> list[Any]:
        flow = TCP if reliable else UDP
        return self.layer.receive(self.now, message, flow=flow, reliable=reliable, source=("192.0.2.9", 5099))

    def run(self, seconds: float) -> list[tuple[float, Any]]:
        """What happens in this time, by the layer's own deadlines."""
        end, events = self.now + seconds, []
        while (deadline := self.layer.next_deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            events += [(round(self.now - end + seconds, 1), action) for action in self.layer.expire(self.now)]
        self.now = end
        return events


def answer(data: bytes, status: int, *, to_tag: str = "2") -> Message:
    return parse(parse(data).response(status, to_tag=to_tag))


def sends(events: list[tuple[float, Any]]) -> list[float]:
    return [time for time, action in events if isinstance(action, Send)]


def test_an_invite_is_sent_again_and_fails_after_32_seconds() -> None:
    side = Side()
    _, data = side.request("INVITE")
    assert data.startswith(b"INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK")
    events = side.run(40)
    assert sends(events) == pytest.approx([0.5, 1.5, 3.5, 7.5, 15.5, 31.5], abs=0.1)
    assert all(action.data == data and action.flow == UDP for _, action in events[:-1])
    [time, failure] = events[-1]
    assert isinstance(failure, Failure)
    assert (time, failure.kind, failure.owner) == (pytest.approx(32, abs=0.1), "timeout", "owner")
    assert len(side.layer) == 0


def test_a_stream_is_not_sent_again() -> None:
    side = Side()
    side.request("MESSAGE", reliable=True)
    events = side.run(40)
    assert sends(events) == []
    assert [action.kind for _, action in events] == ["timeout"]


def test_a_refused_invite_is_acknowledged_each_time() -> None:
    side = Side()
    number, data = side.request("INVITE", more="Route: <sip:p;lr>\r\n")
    [trying] = side.receive(answer(data, 100))
    assert isinstance(trying, Reply)
    assert (trying.id, trying.owner, trying.message.status) == (number, "owner", 100)
    assert side.run(10) == []
    ack, busy = side.receive(answer(data, 486))
    assert isinstance(ack, Send)
    sent = parse(ack.data)
    assert (sent.method, sent.cseq.number, sent.to.tag, sent.get("Route")) == ("ACK", 7, "2", "<sip:p;lr>")
    assert sent.top_via.branch == parse(data).top_via.branch
    assert isinstance(busy, Reply)
    [again] = side.receive(answer(data, 486))
    assert isinstance(again, Send)
    assert again.data == ack.data
    side.run(33)
    assert len(side.layer) == 0


def test_every_2xx_goes_to_the_user() -> None:
    """RFC 6026 §7.2: of two branches, and again."""
    side = Side()
    _, data = side.request("INVITE")
    for tag in ("2", "3", "2"):
        [reply] = side.receive(answer(data, 200, to_tag=tag))
        assert isinstance(reply, Reply)
        assert reply.message.to.tag == tag
    side.run(33)
    [stray] = side.receive(answer(data, 200, to_tag="4"))
    assert isinstance(stray, Reply)
    assert (stray.id, stray.owner) == (None, None)


def test_cancel_waits_for_a_provisional_response() -> None:
    side = Side()
    number, data = side.request("INVITE")
    assert side.layer.cancel(side.now, number) is None
    side.receive(answer(data, 180))
    cancel = side.layer.cancel(side.now, number, lines=b"Reason: SIP;cause=200\r\n", owner="c")
    assert cancel is not None
    sent = parse(cancel)
    assert (sent.method, sent.cseq.number, sent["Reason"]) == ("CANCEL", 7, "SIP;cause=200")
    assert sent.top_via.branch == parse(data).top_via.branch
    assert side.layer.cancel(side.now, number) is None, "once"
    [done] = side.receive(answer(cancel, 200))
    assert done.owner == "c"
    ack, reply = side.receive(answer(data, 487))
    assert (parse(ack.data).method, reply.owner, reply.message.status) == ("ACK", "owner", 487)


def test_a_server_says_trying_at_once_and_sends_its_refusal_until_the_ack() -> None:
    side = Side()
    trying, incoming = side.receive(received("INVITE"))
    assert isinstance(trying, Send)
    assert parse(trying.data).status == 100
    assert parse(trying.data).top_via.rport == 5099
    assert isinstance(incoming, Incoming)
    assert incoming.id is not None
    [again] = side.receive(received("INVITE"))
    assert again.data == trying.data
    assert side.layer.respond(side.now, incoming.id, 180, to_tag="t") is not None
    refusal = side.layer.respond(side.now, incoming.id, 486, to_tag="t", headers=[("Retry-After", "5")])
    assert refusal is not None
    assert parse(refusal)["Retry-After"] == "5"
    assert side.layer.respond(side.now, incoming.id, 200) is None, "one final response"
    assert sends(side.run(4)) == pytest.approx([0.5, 1.5, 3.5], abs=0.1)
    assert side.receive(received("ACK", to_tag=";tag=t")) == []
    assert side.run(30) == []
    assert len(side.layer) == 0


def test_a_refusal_without_ack_is_told() -> None:
    side = Side()
    incoming = side.receive(received("INVITE"))[-1]
    side.layer.respond(side.now, incoming.id, 486)
    events = side.run(40)
    assert events[-1][1].kind == "no-ack"


def test_the_ack_for_a_2xx_is_the_users_and_so_are_its_retransmissions() -> None:
    side = Side()
    incoming = side.receive(received("INVITE"))[-1]
    assert side.layer.respond(side.now, incoming.id, 200, to_tag="t") is not None
    assert side.run(10) == []
    assert side.receive(received("INVITE")) == [], "RFC 6026 §7.1: absorbed"
    [ack] = side.receive(received("ACK", branch="z9hG4bKother", to_tag=";tag=t"))
    assert (ack.id, ack.message.method) == (None, "ACK")


def test_cancel_names_its_invite() -> None:
    side = Side()
    invite = side.receive(received("INVITE"))[-1]
    [cancel] = side.receive(received("CANCEL"))
    assert cancel.invite == invite.id
    assert cancel.id != invite.id
    ok = side.layer.respond(side.now, cancel.id, 200)
    [again] = side.receive(received("CANCEL"))
    assert again.data == ok
    [stranger] = side.receive(received("CANCEL", branch="z9hG4bKnone", more="Subject: x\r\n"))
    assert stranger.invite is None


def test_what_is_not_answered_says_trying_late() -> None:
    """RFC 4320 §4.1; and a provisional response of the user's own may not be."""
    side = Side()
    [incoming] = side.receive(received("MESSAGE"))
    with pytest.raises(BuildError):
        side.layer.respond(side.now, incoming.id, 180)
    [(time, trying)] = side.run(10)
    assert time == pytest.approx(3.5, abs=0.1)
    assert parse(trying.data).status == 100
    assert side.layer.respond(side.now, incoming.id, 200) is not None
    [again] = side.receive(received("MESSAGE"))
    assert parse(again.data).status == 200
    side.run(40)
    assert len(side.layer) == 0


def test_a_request_that_comes_by_two_ways_is_told() -> None:
    side = Side()
    assert not side.receive(received("INVITE"))[-1].is_merged
    assert side.receive(received("INVITE", branch="z9hG4bKy"))[-1].is_merged
    inside = side.receive(received("INVITE", branch="z9hG4bKz", to_tag=";tag=t"))[-1]
    assert not inside.is_merged, "§8.2.2.2 is about requests without a To tag"


def test_a_bad_request_is_refused_without_a_transaction() -> None:
    side = Side()
    bad = parse(received("OPTIONS").raw.replace(b"CSeq: 7 OPTIONS", b"CSeq: 7 INFO"))
    [send] = side.receive(bad)
    assert parse(send.data).status == 400
    assert side.receive(parse(received("ACK").raw.replace(b"CSeq: 7", b"CSeq: x"))) == []
    assert len(side.layer) == 0


def test_a_flow_that_fails_takes_its_transactions() -> None:
    side = Side()
    side.request("OPTIONS", owner=1)
    side.request("OPTIONS", reliable=True, owner=2)
    [failure] = side.layer.fail(side.now, TCP)
    assert (failure.kind, failure.owner) == ("transport", 2)
    assert side.layer.describe() == ["non-INVITE client: Trying, Timer E at 1000500"]


@pytest.mark.parametrize("data", [draft("ACK"), b"SIP/2.0 200 OK\r\n\r\n", b"x", draft("INVITE").replace(b"70", b"x")])
def test_what_may_not_be_sent(data: bytes) -> None:
    side = Side()
    with pytest.raises((BuildError, ValueError)):
        side.layer.request(side.now, data, via=VIA, flow=UDP, reliable=False, owner=None)
    with pytest.raises(BuildError):
        side.layer.stamp(draft("ACK"), "SIP/2.0/UDP h\r\nEvil: 1")
    assert len(side.layer) == 0


def test_there_are_not_more_than_allowed() -> None:
    side = Side(most=1)
    side.request("OPTIONS")
    with pytest.raises(OverflowError):
        side.request("OPTIONS")


def test_branches_cannot_be_guessed() -> None:
    branches = set()
    for secret in (bytes(16), bytes(15) + b"1"):
        layer = Transactions(now=0, secret=secret)
        for _ in range(100):
            stamped = parse(layer.stamp(draft("ACK"), VIA))
            branches.add(stamped.top_via.branch)
    assert len(branches) == 200
