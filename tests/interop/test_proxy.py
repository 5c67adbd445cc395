"""The stateless proxy on the wire, RFC 3261 §16.11 with §16.3 to §16.7: what leaves is looked at field by field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from .capture import Capture
from .differs import differs
from .endpoint import Endpoint
from .message import Message, challenge_of, credentials, parse, unique
from .namespace import HOSTS
from .subject import EVERYBODY, Rule, Server, Setup

BOB = "sip:bob@192.0.2.12:5060"
SERVER = "192.0.2.1"
SELF = "sip:192.0.2.1:5060"
RELAYING = Setup(trusted=EVERYBODY)


def invite(alice: Endpoint, uri: str = BOB, *, fields: tuple[tuple[str, str], ...] = ()) -> Message:
    return alice.request("INVITE", uri, contact=alice.contact, fields=fields, body="v=0\r\ns=-\r\n")


def test_request_and_response(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.6: our Via on top, Max-Forwards less one; §16.7: the response loses it again. Nothing else changes."""
    serve(RELAYING)
    asked = invite(alice)
    alice.send(asked)
    seen = bob.receive_request("INVITE")
    assert seen.uri == BOB
    assert len(seen.all("via")) == 2
    assert SERVER in seen.all("via")[0]
    assert seen.branch().startswith("z9hG4bK")
    assert seen["max-forwards"] == "69"
    assert f"received={HOSTS['alice']}" in seen.all("via")[1] or "rport=5060" in seen.all("via")[1]
    untouched = ("from", "to", "call-id", "cseq", "contact", "content-type", "content-length")
    assert [seen[name] for name in untouched] == [asked[name] for name in untouched]
    assert seen.body == asked.body
    bob.respond(seen, 200, "OK")
    answer = alice.receive_response()
    assert answer.status == 200
    assert len(answer.all("via")) == 1
    assert answer.branch() == asked.branch()


def test_max_forwards_absent(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.6 step 3: should be 70; one less is what some servers make of it."""
    serve(RELAYING)
    alice.send(invite(alice).without("Max-Forwards"))
    assert bob.receive_request("INVITE")["max-forwards"] in {"69", "70"}


def test_retransmissions_have_the_same_branch(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.11: by whichever worker, or it would be another transaction to the next hop."""
    serve(RELAYING)
    asked = invite(alice)
    branches = set()
    for _ in range(20):
        alice.send(asked)
        branches.add(bob.receive_request("INVITE").branch())
    assert len(branches) == 1
    alice.send(invite(alice))
    assert bob.receive_request("INVITE").branch() not in branches


def test_cancel_and_ack_of_a_refusal_have_the_branch_of_the_invite(
    serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint
) -> None:
    """§16.11 and §17.1.1.3: the next hop matches them to the INVITE by the branch."""
    serve(RELAYING)
    asked = invite(alice)
    alice.send(asked)
    seen = bob.receive_request("INVITE")
    for method in ("CANCEL", "ACK"):
        with_tag = [("To", f"{asked['to']};tag=callee")] if method == "ACK" else []
        related = alice.request(
            method,
            asked.uri,
            call_id=asked["call-id"],
            fields=[("Via", asked["via"]), ("From", asked["from"]), *with_tag],
        )
        alice.send(related)
        assert bob.receive_request(method).branch() == seen.branch()


def test_ack_of_a_2xx_has_a_branch_of_its_own(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    serve(RELAYING)
    asked = invite(alice)
    alice.send(asked)
    seen = bob.receive_request("INVITE")
    fields = [("From", asked["from"]), ("To", f"{asked['to']};tag=callee")]
    alice.send(alice.request("ACK", BOB, call_id=asked["call-id"], fields=fields))
    assert bob.receive_request("ACK").branch() != seen.branch()


def test_unknown_method_and_fields_pass(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.6: what a proxy does not understand, it forwards, octet for octet."""
    serve(RELAYING)
    odd = (("X-Odd", "one,  two;;three  =\tfour"), ("P-Odder", '"<>;=,\\" \u00fc'))
    asked = alice.request("NOTHEARDOF", BOB, fields=odd, body="\x01\x02\u00e4", content_type="application/octet-stream")
    alice.send(asked)
    seen = bob.receive_request("NOTHEARDOF")
    for name, value in odd:
        assert f"{name}: {value}\r\n".encode() in seen.raw
    assert seen.body == asked.body


def test_route_to_us_then_onwards(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.4 and §16.6 step 6: our Route value goes, the next one decides, the request URI stays."""
    serve(RELAYING)
    fields = (("Route", f"<{SELF};lr>"), ("Route", "<sip:192.0.2.12;lr>, <sip:192.0.2.99;lr>"))
    alice.send(invite(alice, "sip:carol@192.0.2.77", fields=fields))
    seen = bob.receive_request("INVITE")
    assert seen.uri == "sip:carol@192.0.2.77"
    assert seen.all("route") == ["<sip:192.0.2.12;lr>", "<sip:192.0.2.99;lr>"]


def test_next_hop_is_a_strict_router(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.6 step 6: without lr its URI becomes the request URI, and ours goes to the end of the Route."""
    serve(RELAYING)
    fields = (("Route", f"<{SELF};lr>"), ("Route", "<sip:192.0.2.12>"))
    alice.send(invite(alice, "sip:carol@192.0.2.77", fields=fields))
    seen = bob.receive_request("INVITE")
    assert seen.uri == "sip:192.0.2.12"
    assert seen.all("route") == ["<sip:carol@192.0.2.77>"]


def test_strict_router_before_us(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.4: a request URI that we once put into Record-Route is replaced by the last Route value."""
    serve(replace(RELAYING, record_route=True))
    alice.send(invite(alice))
    own = bob.receive_request("INVITE").all("record-route")[0].strip("<>")
    asked = alice.request("BYE", own, fields=[("Route", f"<{BOB}>"), ("To", "<sip:bob@example.org>;tag=callee")])
    alice.send(asked)
    seen = bob.receive_request("BYE")
    assert seen.uri == BOB
    assert seen.all("route") == []


def test_via_of_another_address_gets_received(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§18.2.1 and RFC 3581 §4: the response comes back to where the request came from."""
    serve(RELAYING)
    asked = invite(alice).with_fields(("Via", "SIP/2.0/UDP 10.9.8.7:5099;branch=z9hG4bKprivate;rport"))
    alice.send(asked)
    seen = bob.receive_request("INVITE")
    assert f"received={HOSTS['alice']}" in seen.all("via")[1]
    assert "rport=5060" in seen.all("via")[1]
    bob.respond(seen, 200, "OK")
    assert alice.receive_response().status == 200


def test_received_is_not_believed(
    serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint, capture: Capture
) -> None:
    """What the sender wrote into received and rport is replaced by its real address."""
    serve(RELAYING)
    forged = "SIP/2.0/UDP 10.9.8.7;branch=z9hG4bKforged;received=192.0.2.66;rport=9"
    alice.send(invite(alice).with_fields(("Via", forged)))
    bob.respond(bob.receive_request("INVITE"), 200, "OK")
    assert alice.receive_response().status == 200
    assert not [one for one in capture.datagrams() if one.destination[0] == HOSTS["stranger"]]


@differs(kamailio="its stateless proxy forwards any response by the second Via")
@pytest.mark.parametrize("branch", ["z9hG4bKnever-written-by-this-server", "z9hG4bK0000000000000000000000000000"])
def test_response_that_nobody_asked_for(
    serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint, branch: str
) -> None:
    """A branch that we did not write opens no way through us."""
    serve(RELAYING)
    fields = (
        ("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch}"),
        ("Via", "SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bKx;rport=5060;received=192.0.2.11"),
        ("From", "<sip:alice@example.org>;tag=1"),
        ("To", "<sip:bob@example.org>;tag=2"),
        ("Call-ID", "unasked"),
        ("CSeq", "1 INVITE"),
        ("Content-Length", "0"),
    )
    bob.send(Message("SIP/2.0 200 OK", fields))
    alice.receive_nothing()


def test_response_whose_top_via_is_not_ours(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.7 step 3."""
    serve(RELAYING)
    alice.send(invite(alice))
    seen = bob.receive_request("INVITE")
    ours, theirs = seen.all("via")
    foreign = ours.replace("192.0.2.1", "192.0.2.66", 1)
    vias = tuple(("Via", value) for value in (foreign, theirs))
    bob.respond(seen.without("Via").with_fields(("X", "x")), 200)
    rest = tuple(one for one in seen.fields if one[0].lower() in {"from", "to", "call-id", "cseq"})
    bob.send(Message("SIP/2.0 200 OK", (*vias, *rest, ("Content-Length", "0"))))
    alice.receive_nothing()


def test_spiral_is_no_loop(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.3 step 4: a request that comes back with another request URI passes."""
    rules = (Rule(prefixes=("99",), strip=1, forward=SELF), Rule(prefixes=("9",), strip=1, forward=BOB))
    serve(replace(RELAYING, rules=rules))
    alice.send(invite(alice, "sip:9995550123@example.org"))
    seen = bob.receive_request("INVITE")
    assert seen.uri == "sip:5550123@example.org"
    assert len(seen.all("via")) == 4
    assert seen["max-forwards"] == "67"
    bob.respond(seen, 200, "OK")
    assert alice.receive_response().status == 200


@differs(kamailio="has no loop detection: it spirals until Max-Forwards is used up, then 483")
def test_loop(serve: Callable[[Setup], Server], alice: Endpoint, capture: Capture) -> None:
    """RFC 5393 §4.2: the same request URI again, 482."""
    serve(replace(RELAYING, rules=(Rule(users=("loop",), forward=SELF),)))
    alice.send(invite(alice, "sip:loop@example.org"))
    assert alice.receive_response().status == 482
    to_itself = [one for one in capture.datagrams() if one.source == one.destination]
    passed = [one for one in to_itself if one.payload.startswith(b"INVITE ")]
    assert len(passed) <= 2


def test_unknown_user(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    serve(RELAYING)
    assert alice.ask(invite(alice, "sip:nobody@example.org")).status == 404


def test_user_who_is_not_registered(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    serve(RELAYING)
    assert alice.ask(invite(alice, "sip:bob@example.org")).status in {404, 480}


def test_stranger_is_not_relayed(serve: Callable[[Setup], Server], bob: Endpoint, capture: Capture) -> None:
    """No open relay: a foreign request URI without credentials."""
    serve(Setup())
    with Endpoint("stranger") as stranger:
        answer = stranger.ask(stranger.request("INVITE", BOB, from_uri="sip:eve@example.com"))
    assert answer.status in {401, 403, 404, 407}
    bob.receive_nothing(seconds=0.1)


def test_caller_of_our_domain_is_challenged(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """RFC 3261 §22.3: 407; with credentials the request passes, and its ACK too."""
    serve(Setup(call_auth=True))
    assert bob.register("bob", password="builder").status == 200
    asked = invite(alice, "sip:bob@example.org")
    answer = alice.ask(asked)
    assert answer.status == 407
    bob.receive_nothing(seconds=0.1)
    proof = credentials(
        challenge_of(answer), user="alice", password="wonderland", method="INVITE", uri="sip:bob@example.org"
    )
    again = asked.with_fields(
        ("Via", f"SIP/2.0/UDP 192.0.2.11:5060;branch={unique('z9hG4bKt')};rport"),
        ("CSeq", "2 INVITE"),
        ("Proxy-Authorization", proof),
    )
    alice.send(again)
    bob.respond(bob.receive_request("INVITE"), 486, "Busy Here")
    assert alice.receive_response().status == 486


def test_first_rule_that_fits(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    serve(
        Setup(
            rules=(
                Rule(methods=("MESSAGE",), domains=("example.org",), reply=405),
                Rule(prefixes=("+49",), domains=("example.org",), forward=BOB),
                Rule(users=("gone",), domains=("example.org",), redirect=("sip:new@example.net",), status=301),
            )
        )
    )
    assert alice.ask(alice.request("MESSAGE", "sip:bob@example.org")).status == 405
    alice.send(invite(alice, "sip:+4930123456@example.org"))
    assert bob.receive_request("INVITE").uri == "sip:+4930123456@example.org"
    moved = alice.ask(invite(alice, "sip:gone@example.org"))
    assert moved.status == 301
    assert moved.all("contact") == ["<sip:new@example.net>"]


def test_parse_keeps_what_it_was_given() -> None:
    """The suite's own parser against a message of RFC 3261 §24.2, so that its verdicts can be trusted."""
    text = b"INVITE sip:bob@biloxi.com SIP/2.0\r\n"
    text += b"Via: SIP/2.0/UDP a;branch=z9hG4bKa, SIP/2.0/UDP b\r\nv: SIP/2.0/TCP c\r\n"
    message = parse(text + b'm: "Mr, <Watson>" <sip:w@x;a=b>;q=0.7,\r\n <sip:y@z>\r\n\r\nbody')
    assert message.all("via") == ["SIP/2.0/UDP a;branch=z9hG4bKa", "SIP/2.0/UDP b", "SIP/2.0/TCP c"]
    assert message.all("contact") == ['"Mr, <Watson>" <sip:w@x;a=b>;q=0.7', "<sip:y@z>"]
    assert message.body == b"body"
