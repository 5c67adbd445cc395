"""The stateful proxy on the wire: forks, serial search, CANCEL, failover, retransmissions. RFC 3261 §16, RFC 3665."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from .endpoint import Endpoint
from .message import Message
from .subject import NAME, Rule, Server, Setup

pytestmark = pytest.mark.skipif(NAME == "kamailio", reason="the suite sets Kamailio up as a stateless proxy")

PLAIN = Setup(register_auth=False, workers=2)
GATEWAYS = Setup(
    workers=2,
    gateways=("sip:192.0.2.12:5060", "sip:192.0.2.13:5060", "sip:192.0.2.32:5060"),
    rules=(Rule(forward="gateways"),),
)
AOR = "sip:bob@example.org"


@pytest.fixture
def phones() -> Iterator[list[Endpoint]]:
    """Three telephones of Bob, not registered yet."""
    opened = [Endpoint(host) for host in ("bob", "carol", "after")]
    yield opened
    for phone in opened:
        phone.__exit__(None, None, None)


def register(phones: list[Endpoint], *preferences: str) -> None:
    """Registers Bob at as many phones as there are preferences."""
    for phone, q in zip(phones, preferences, strict=False):
        assert phone.register("bob", contact=f"{phone.contact}{q}").status == 200


def call(alice: Endpoint) -> Message:
    """An INVITE that has been sent and announced."""
    asked = alice.request("INVITE", AOR, contact=alice.contact, body="v=0\r\ns=-\r\n")
    alice.send(asked)
    assert alice.receive().status == 100
    return asked


def answered(alice: Endpoint, asked: Message, status: int) -> Message:
    """The response with this status, the next one that Alice gets."""
    answer = alice.receive_response(call_id=asked["call-id"])
    assert answer.status == status, answer.text()
    assert len(answer.all("via")) == 1
    return answer


def acknowledge(alice: Endpoint, asked: Message, answer: Message) -> None:
    """The ACK for a refusal, which goes no further than the server."""
    alice.send(related("ACK", asked).with_fields(("To", answer["to"])))


def cancel(alice: Endpoint, asked: Message) -> None:
    """The CANCEL of an INVITE, and its own 200."""
    alice.send(related("CANCEL", asked))
    answer = alice.receive_response()
    assert (answer.status, answer["cseq"].split()[1]) == (200, "CANCEL")


def related(method: str, invite: Message) -> Message:
    """A request with the branch and all else of an INVITE."""
    number = invite["cseq"].split()[0]
    other = invite.without("Content-Type").with_fields(("CSeq", f"{number} {method}"), ("Content-Length", "0"))
    return replace(other, start=f"{method} {AOR} SIP/2.0", body=b"")


def later(phone: Endpoint, method: str) -> Message:
    """The next request of this method; an INVITE that was sent again because this test was slow is passed over."""
    message = phone.receive()
    while message.status is None and message.method == "INVITE":
        message = phone.receive()
    assert (message.status, message.method) == (None, method), message.text()
    return message


def ringing(phone: Endpoint, asked: Message) -> Message:
    """The INVITE of this call; those of an earlier one that were sent again are passed over."""
    while (message := phone.receive())["call-id"] != asked["call-id"]:
        assert message.method == "INVITE", message.text()
    assert message.method == "INVITE", message.text()
    return message


def end(phone: Endpoint, invite: Message, cancelled: Message) -> None:
    """A phone whose ringing was cancelled: 200 to the CANCEL, 487 to the INVITE, and the server's ACK."""
    phone.respond(cancelled, 200, "OK")
    phone.respond(invite, 487, "Request Terminated")
    assert later(phone, "ACK").branch() == invite.branch()


def test_fork_to_three(serve: Callable[[Setup], Server], alice: Endpoint, phones: list[Endpoint]) -> None:
    """All ring, one answers, the others are told why they stop."""
    serve(PLAIN)
    register(phones, "", "", "")
    asked = call(alice)
    invites = [phone.receive_request("INVITE") for phone in phones]
    assert len({invite.branch() for invite in invites}) == 3
    for phone, invite in zip(phones, invites, strict=True):
        phone.respond(invite, 180, "Ringing", tag=phone.address[0])
        answered(alice, asked, 180)
    phones[1].respond(invites[1], 200, "OK", tag="lifted", fields=[("Contact", phones[1].contact)])
    assert "lifted" in answered(alice, asked, 200)["to"]
    for place in (0, 2):
        cancelled = later(phones[place], "CANCEL")
        assert cancelled["reason"] == 'SIP;cause=200;text="Call completed elsewhere"'
        assert cancelled.branch() == invites[place].branch()
        end(phones[place], invites[place], cancelled)
    alice.receive_nothing()


def test_late_200_of_another_branch(serve: Callable[[Setup], Server], alice: Endpoint, phones: list[Endpoint]) -> None:
    """RFC 3261 §16.7 step 5: two receivers lifted at one time are two calls, and the caller hears of both."""
    serve(PLAIN)
    register(phones, "", "")
    asked = call(alice)
    invites = [phone.receive_request("INVITE") for phone in phones[:2]]
    for phone, invite, tag in zip(phones, invites, ("first", "second"), strict=False):
        phone.respond(invite, 200, "OK", tag=tag, fields=[("Contact", phone.contact)])
    tags = {answered(alice, asked, 200)["to"].rpartition("tag=")[2] for _ in range(2)}
    assert tags == {"first", "second"}


def test_serial_by_preference(serve: Callable[[Setup], Server], alice: Endpoint, phones: list[Endpoint]) -> None:
    """§16.6: the next q when all of the one before have refused."""
    serve(PLAIN)
    register(phones, ";q=0.2", ";q=1.0", ";q=0.2")
    asked = call(alice)
    first = phones[1].receive_request("INVITE")
    phones[0].receive_nothing()
    phones[1].respond(first, 486, "Busy Here")
    assert later(phones[1], "ACK").branch() == first.branch()
    second = phones[0].receive_request("INVITE")
    third = phones[2].receive_request("INVITE")
    phones[0].respond(second, 404, "Not Found")
    later(phones[0], "ACK")
    phones[2].respond(third, 200, "OK", fields=[("Contact", phones[2].contact)])
    answered(alice, asked, 200)


def test_best_response(serve: Callable[[Setup], Server], alice: Endpoint, phones: list[Endpoint]) -> None:
    """§16.7 step 6, and the ACK of the caller ends here."""
    serve(PLAIN)
    register(phones, "", "")
    asked = call(alice)
    for phone, status in ((phones[0], 503), (phones[1], 480)):
        phone.respond(phone.receive_request("INVITE"), status)
        later(phone, "ACK")
    acknowledge(alice, asked, answered(alice, asked, 480))
    alice.receive_nothing(seconds=1.2)
    phones[0].receive_nothing()


def test_cancel_against_200(serve: Callable[[Setup], Server], alice: Endpoint, phones: list[Endpoint]) -> None:
    """RFC 3665 §3.9 and the race: the call that was answered stands, whatever the CANCEL wanted."""
    serve(PLAIN)
    register(phones, "")
    asked = call(alice)
    invite = ringing(phones[0], asked)
    phones[0].respond(invite, 180, "Ringing")
    answered(alice, asked, 180)
    cancel(alice, asked)
    cancelled = later(phones[0], "CANCEL")
    phones[0].respond(invite, 200, "OK", fields=[("Contact", phones[0].contact)])
    phones[0].respond(cancelled, 200, "OK")
    answered(alice, asked, 200)
    asked = call(alice)
    invite = ringing(phones[0], asked)
    phones[0].respond(invite, 180, "Ringing")
    answered(alice, asked, 180)
    cancel(alice, asked)
    end(phones[0], invite, later(phones[0], "CANCEL"))
    acknowledge(alice, asked, answered(alice, asked, 487))
    alice.receive_nothing(seconds=0.8)


def test_failover(serve: Callable[[Setup], Server], alice: Endpoint, phones: list[Endpoint]) -> None:
    """RFC 3263 §4.3: 503 means the next gateway; any other refusal is an answer."""
    serve(GATEWAYS)
    asked = call(alice)
    phones[0].respond(phones[0].receive_request("INVITE"), 503, "Service Unavailable")
    later(phones[0], "ACK")
    phones[1].respond(phones[1].receive_request("INVITE"), 486, "Busy Here")
    later(phones[1], "ACK")
    acknowledge(alice, asked, answered(alice, asked, 486))
    phones[2].receive_nothing()


def test_retransmissions(serve: Callable[[Setup], Server], alice: Endpoint, phones: list[Endpoint]) -> None:
    """§17: the callee hears an INVITE once however often the caller sends it, and again only while it says nothing."""
    # A stranger would not be sent more octets than he sent.
    serve(replace(PLAIN, trusted=(alice.address[0],)))
    register(phones, "")
    asked = call(alice)
    invite = phones[0].receive_request("INVITE")
    again = phones[0].receive_request("INVITE", seconds=1.0)
    assert again.text() == invite.text()
    phones[0].respond(invite, 180, "Ringing")
    answered(alice, asked, 180)
    for _ in range(3):
        alice.send(asked)
        answered(alice, asked, 180)
    phones[0].receive_nothing(seconds=1.2)
    phones[0].respond(invite, 486, "Busy Here")
    later(phones[0], "ACK")
    first = answered(alice, asked, 486)
    assert answered(alice, asked, 486).text() == first.text(), "until it is acknowledged"
    acknowledge(alice, asked, first)
    alice.receive_nothing(seconds=1.2)
