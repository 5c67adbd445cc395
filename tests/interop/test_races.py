"""Messages that cross on the wire, through the stateful proxy: RFC 5407, whose sections the tests name; RFC 6026."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from .endpoint import Endpoint
from .message import Message
from .subject import EVERYBODY, NAME, Server, Setup
from .test_stateful import acknowledge, call, end, later, related

pytestmark = pytest.mark.skipif(NAME == "kamailio", reason="the suite sets Kamailio up as a stateless proxy")

SETUP = Setup(register_auth=False, record_route=True, trusted=EVERYBODY)
TURNS = 30
"""How often two messages are made to cross, in either order."""


@dataclass
class Side:
    """One end of a dialog: what its requests need (RFC 3261 §12.2.1.1)."""

    phone: Endpoint
    local: str
    remote: str
    call_id: str
    target: str
    routes: list[str]
    cseq: int

    def send(self, method: str, *, cseq: int | None = None) -> Message:
        """Sends a request within the dialog; ACK has the number of its INVITE."""
        if cseq is None:
            self.cseq += 1
        routes = [("Route", one) for one in self.routes]
        made = self.phone.request(
            method,
            self.target,
            call_id=self.call_id,
            cseq=cseq or self.cseq,
            contact=self.phone.contact,
            fields=[("From", self.local), ("To", self.remote), *routes],
            body="v=0\r\ns=-\r\n" if method in {"INVITE", "UPDATE"} else "",
        )
        self.phone.send(made)
        return made

    def answer(self, request: Message, status: int) -> None:
        """A response; a 2xx to an INVITE leads here."""
        self.phone.respond(request, status, fields=[("Contact", self.phone.contact)])

    def acknowledge_refusal(self, request: Message, answer: Message) -> None:
        """The ACK for a refused INVITE of this side: the same branch and Route (RFC 3261 §17.1.1.3)."""
        ack = related("ACK", request).with_fields(("To", answer["to"]))
        self.phone.send(Message(f"ACK {request.uri} SIP/2.0", ack.fields))


class Answered(NamedTuple):
    """A call whose 200 has been sent and read, and not acknowledged yet: RFC 5407's state of moratorium."""

    caller: Side
    callee: Side
    asked: Message
    invite: Message
    answer: Message


def text(message: Message) -> str:
    """What it is, short."""
    return f"{message.status} {message.method}" if message.status else message.method


def gather(phone: Endpoint, *wanted: str, may: tuple[str, ...] = ()) -> dict[str, Message]:
    """Receives until each of these has come, in any order; what comes twice is passed over, anything else fails."""
    found: dict[str, Message] = {}
    while not found.keys() >= set(wanted):
        message = phone.receive()
        kind = text(message)
        assert kind in wanted or kind in may or message.status == 100, message.text()
        found.setdefault(kind, message)
    return found


def target_of(message: Message) -> str:
    return message["contact"].strip("<>")


def sides(alice: Endpoint, asked: Message, bob: Endpoint, invite: Message, answer: Message) -> tuple[Side, Side]:
    """Both ends of the dialog that this response makes."""
    tagged, number = answer["to"], asked["call-id"]
    routes = list(reversed(answer.all("record-route")))
    caller = Side(alice, asked["from"], tagged, number, target_of(answer), routes, 1)
    callee = Side(bob, tagged, invite["from"], number, target_of(invite), invite.all("record-route"), 0)
    return caller, callee


def ring(alice: Endpoint, bob: Endpoint) -> tuple[Message, Message, Message]:
    """A call that rings: as sent, as received, and the 180 as the caller has it."""
    asked = call(alice)
    invite = gather(bob, "INVITE")["INVITE"]
    bob.respond(invite, 180, "Ringing", fields=[("Contact", bob.contact)])
    return asked, invite, gather(alice, "180 INVITE")["180 INVITE"]


@pytest.fixture
def answered(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> Answered:
    serve(SETUP)
    assert bob.register("bob").status == 200
    asked, invite, _ = ring(alice, bob)
    bob.respond(invite, 200, "OK", fields=[("Contact", bob.contact)])
    answer = gather(alice, "200 INVITE")["200 INVITE"]
    return Answered(*sides(alice, asked, bob, invite, answer), asked, invite, answer)


@pytest.fixture
def up(answered: Answered) -> Answered:
    """A call that is acknowledged."""
    answered.caller.send("ACK", cseq=1)
    gather(answered.callee.phone, "ACK")
    return answered


@pytest.fixture
def fork(serve: Callable[[Setup], Server]) -> Iterator[list[Endpoint]]:
    """A server and two telephones of Bob."""
    serve(SETUP)
    with Endpoint("bob") as first, Endpoint("carol") as second:
        for phone in (first, second):
            assert phone.register("bob").status == 200
        yield [first, second]


def test_invite_again_after_its_200(answered: Answered) -> None:
    """§3.1.1: the callee does not see it; its 200, sent again for the first was lost, reaches the caller each time."""
    alice, bob = answered.caller.phone, answered.callee.phone
    for _ in range(3):
        alice.send(answered.asked)
        bob.respond(answered.invite, 200, "OK", fields=[("Contact", bob.contact)])
        assert gather(alice, "200 INVITE")["200 INVITE"]["to"] == answered.answer["to"]
    alice.receive_nothing()
    answered.caller.send("ACK", cseq=1)
    gather(bob, "ACK")
    bob.receive_nothing()


def test_invite_again_after_a_refusal(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """RFC 3261 §17.2.1: in the state Confirmed it is absorbed."""
    serve(SETUP)
    assert bob.register("bob").status == 200
    asked, invite, _ = ring(alice, bob)
    bob.respond(invite, 486, "Busy Here")
    acknowledge(alice, asked, gather(alice, "486 INVITE")["486 INVITE"])
    gather(bob, "ACK")
    alice.send(asked)
    alice.receive_nothing()
    bob.receive_nothing()


@pytest.mark.parametrize("first", ["200", "CANCEL"])
def test_cancel_crosses_200(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint, first: str) -> None:
    """§3.1.2: both are answered, the call stands, and the caller ends it."""
    serve(SETUP)
    assert bob.register("bob").status == 200
    for _ in range(TURNS):
        asked, invite, _ = ring(alice, bob)
        if first == "CANCEL":
            alice.send(related("CANCEL", asked))
        bob.respond(invite, 200, "OK", fields=[("Contact", bob.contact)])
        if first == "200":
            alice.send(related("CANCEL", asked))
        caller, callee = sides(alice, asked, bob, invite, gather(alice, "200 INVITE", "200 CANCEL")["200 INVITE"])
        caller.send("ACK", cseq=1)
        seen = gather(bob, "ACK", may=("CANCEL",))
        if "CANCEL" in seen:
            callee.answer(seen["CANCEL"], 200)
        caller.send("BYE")
        callee.answer(gather(bob, "BYE")["BYE"], 200)
        gather(alice, "200 BYE")


def test_early_bye_crosses_200(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§3.1.3: the BYE follows the route set of the 180, and the 200 is acknowledged all the same."""
    serve(SETUP)
    assert bob.register("bob").status == 200
    for turn in range(TURNS):
        asked, invite, rung = ring(alice, bob)
        caller, callee = sides(alice, asked, bob, invite, rung)
        if turn % 2:
            caller.send("BYE")
        callee.answer(invite, 200)
        if not turn % 2:
            caller.send("BYE")
        callee.answer(gather(bob, "BYE")["BYE"], 200)
        gather(alice, "200 INVITE", "200 BYE")
        caller.send("ACK", cseq=1)
        gather(bob, "ACK")


def test_reinvite_before_the_ack(answered: Answered) -> None:
    """§3.1.4, §3.1.5: a re-INVITE crosses the 200 that is sent again, for its ACK was lost; each gets its own ACK."""
    caller, callee, _, invite, _ = answered
    again = caller.send("INVITE")
    callee.answer(invite, 200)
    seen = gather(callee.phone, "INVITE")["INVITE"]
    assert seen["cseq"] == again["cseq"]
    assert gather(caller.phone, "200 INVITE")["200 INVITE"]["cseq"] == "1 INVITE"
    caller.send("ACK", cseq=1)
    callee.answer(seen, 200)
    assert gather(callee.phone, "ACK")["ACK"]["cseq"] == "1 ACK"
    assert gather(caller.phone, "200 INVITE")["200 INVITE"]["cseq"] == "2 INVITE"
    caller.send("ACK", cseq=2)
    assert gather(callee.phone, "ACK")["ACK"]["cseq"] == "2 ACK"


@pytest.mark.parametrize("by", ["caller", "callee"])
def test_bye_crosses_the_ack(answered: Answered, by: str) -> None:
    """§3.1.6, §3.2.4: BYE before the ACK, or crossing it; both arrive."""
    caller, callee = answered.caller, answered.callee
    leaving, other = (caller, callee) if by == "caller" else (callee, caller)
    leaving.send("BYE")
    caller.send("ACK", cseq=1)
    if leaving is caller:
        seen = gather(callee.phone, "BYE", "ACK")
    else:
        gather(callee.phone, "ACK")
        seen = gather(caller.phone, "BYE")
    other.answer(seen["BYE"], 200)
    gather(leaving.phone, "200 BYE")


def test_bye_crosses_bye(up: Answered) -> None:
    """§3.2.1: each is answered."""
    for side in (up.caller, up.callee):
        side.send("BYE")
    for side in (up.callee, up.caller):
        side.answer(gather(side.phone, "BYE")["BYE"], 200)
    for side in (up.caller, up.callee):
        gather(side.phone, "200 BYE")


@pytest.mark.parametrize("method", ["INVITE", "REFER"])
def test_request_crosses_bye(up: Answered, method: str) -> None:
    """§3.2.2, §3.3.3: a re-INVITE or REFER reaches who has hung up; his 481 comes back."""
    asked = up.callee.send(method)
    up.caller.send("BYE")
    up.callee.answer(gather(up.callee.phone, "BYE", may=("100 INVITE",))["BYE"], 200)
    seen = gather(up.caller.phone, method, may=("200 BYE",))[method]
    up.caller.answer(seen, 481)
    refused = gather(up.callee.phone, f"481 {method}")[f"481 {method}"]
    if method == "INVITE":
        up.callee.acknowledge_refusal(asked, refused)
        gather(up.caller.phone, "ACK", may=("200 BYE",))
    up.callee.phone.receive_nothing()


def test_200_to_a_reinvite_crosses_bye(up: Answered) -> None:
    """§3.2.3: it is acknowledged after the BYE."""
    up.callee.send("INVITE")
    seen = gather(up.caller.phone, "INVITE")["INVITE"]
    up.callee.send("BYE")
    up.caller.answer(seen, 200)
    gather(up.callee.phone, "200 INVITE")
    up.callee.send("ACK", cseq=1)
    up.caller.answer(gather(up.caller.phone, "BYE", "ACK")["BYE"], 200)
    gather(up.callee.phone, "200 BYE")


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_glare(up: Answered, method: str) -> None:
    """§3.3.1, §3.3.2: two offers cross and both are refused with 491; the one that is tried again is taken."""
    first, second = up.caller.send(method), up.callee.send("INVITE")
    for side, kind in ((up.callee, method), (up.caller, "INVITE")):
        side.answer(gather(side.phone, kind)[kind], 491)
    for side, asked, kind in ((up.caller, first, method), (up.callee, second, "INVITE")):
        refused = gather(side.phone, f"491 {kind}", may=("ACK",))[f"491 {kind}"]
        if kind == "INVITE":
            side.acknowledge_refusal(asked, refused)
    up.caller.send("INVITE")
    seen = gather(up.callee.phone, "INVITE", may=("ACK",))["INVITE"]
    up.callee.answer(seen, 200)
    gather(up.caller.phone, "200 INVITE", may=("ACK",))
    up.caller.send("ACK", cseq=up.caller.cseq)
    assert gather(up.callee.phone, "ACK")["ACK"]["cseq"] == f"{up.caller.cseq} ACK"


@pytest.mark.parametrize("first", ["200", "487"])
def test_487_against_200(alice: Endpoint, fork: list[Endpoint], first: str) -> None:
    """A cancelled fork: one telephone stops ringing, the other was just lifted. The caller hears of the 200 alone."""
    asked, invites, cancels = cancelled(alice, fork)
    contact = [("Contact", fork[1].contact)]
    answers = [(fork[0], invites[0], 487, "gone", []), (fork[1], invites[1], 200, "lifted", contact)]
    for phone, invite, status, tag, fields in sorted(answers, key=lambda one: str(one[2]) != first):
        phone.respond(invite, status, tag=tag, fields=fields)
    for phone, cancel in zip(fork, cancels, strict=True):
        phone.respond(cancel, 200, "OK")
    answer_seen = gather(alice, "200 INVITE")["200 INVITE"]
    assert "lifted" in answer_seen["to"]
    gather(fork[0], "ACK")
    goes_through(alice, asked, fork[1], invites[1], answer_seen)
    alice.receive_nothing()


def test_200_long_after_the_cancel(alice: Endpoint, fork: list[Endpoint]) -> None:
    """RFC 3261 §9.1, §16.7 step 5: one says nothing more for 64·T1, so the caller has his 487; then it is lifted."""
    asked, invites, cancels = cancelled(alice, fork)
    end(fork[0], invites[0], cancels[0])
    fork[1].respond(cancels[1], 200, "OK")
    refused = alice.receive_response(seconds=36)
    assert refused.status == 487
    acknowledge(alice, asked, refused)
    fork[1].respond(invites[1], 200, "OK", tag="lifted", fields=[("Contact", fork[1].contact)])
    answer = gather(alice, "200 INVITE")["200 INVITE"]
    assert "lifted" in answer["to"]
    goes_through(alice, asked, fork[1], invites[1], answer)


def cancelled(alice: Endpoint, fork: list[Endpoint]) -> tuple[Message, list[Message], list[Message]]:
    """A call that rings at all of a fork and is given up: the caller's INVITE, those that arrive, and their CANCELs."""
    asked = call(alice)
    invites = [gather(phone, "INVITE")["INVITE"] for phone in fork]
    for phone, invite in zip(fork, invites, strict=True):
        phone.respond(invite, 180, "Ringing", tag=phone.address[0])
        gather(alice, "180 INVITE")
    alice.send(related("CANCEL", asked))
    gather(alice, "200 CANCEL")
    return asked, invites, [later(phone, "CANCEL") for phone in fork]


def goes_through(alice: Endpoint, asked: Message, bob: Endpoint, invite: Message, answer: Message) -> None:
    """ACK and BYE of a call that nobody wants."""
    caller, callee = sides(alice, asked, bob, invite, answer)
    caller.send("ACK", cseq=1)
    gather(bob, "ACK")
    caller.send("BYE")
    callee.answer(gather(bob, "BYE")["BYE"], 200)
    gather(alice, "200 BYE")
