"""The registrar on the wire, RFC 3261 §10.3, with digest, RFC 7616 and 8760: each rule once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from .capture import Capture
from .differs import differs
from .endpoint import Endpoint
from .message import Message, challenge_of, credentials, unique
from .subject import Rule, Server, Setup
from .waiting import eventually

ALICE = "sip:alice@example.org"
OPEN = Setup(register_auth=False)


def contacts(message: Message) -> dict[str, int]:
    """Contact URI → seconds to live, from a 200 to REGISTER."""
    found = {}
    for value in message.all("contact"):
        uri, expires = re.search(r"<([^>]*)>", value), re.search(r";\s*expires=(\d+)", value)
        assert uri, value
        assert expires, value
        found[uri[1]] = int(expires[1])
    return found


def bindings(alice: Endpoint) -> dict[str, int]:
    """What a fetch shows (RFC 3261 §10.2.3)."""
    return contacts(alice.register("alice", password="wonderland", contact="", expires=None))


def test_binding_is_listed_with_its_expiry(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """§10.3 step 8; and the expiry asked for is granted when it is within the limits."""
    serve(OPEN)
    assert contacts(alice.register("alice", expires=600)) == {"sip:192.0.2.11:5060": 600}


def test_expires_parameter_is_stronger_than_the_field(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """§10.2.1.1."""
    serve(OPEN)
    answer = alice.register("alice", contact="<sip:a@192.0.2.11>;expires=300", expires=600)
    assert contacts(answer) == {"sip:a@192.0.2.11": 300}


def test_expiry_by_default_and_at_most(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    serve(OPEN)
    assert contacts(alice.register("alice", expires=None)) == {"sip:192.0.2.11:5060": 3600}
    assert contacts(alice.register("alice", expires=1_000_000)) == {"sip:192.0.2.11:5060": 7200}


def test_too_brief(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """§10.3 step 7: 423 with Min-Expires, and no binding."""
    server = serve(OPEN)
    answer = alice.register("alice", expires=5)
    assert answer.status == 423
    assert answer["min-expires"] == "60"
    assert server.locations() == {}


def test_lower_cseq_of_the_same_call_id(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """§10.3 step 7: a request that was overtaken changes nothing."""
    serve(OPEN)
    call_id = unique("order-")
    assert alice.register("alice", expires=600, call_id=call_id, cseq=10).status == 200
    late = alice.register("alice", expires=0, call_id=call_id, cseq=9)
    assert late.status != 200
    assert "sip:192.0.2.11:5060" in bindings(alice)


def test_lower_cseq_of_another_call_id(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """§10.3 step 7: after a reboot the client counts anew, with another Call-ID."""
    serve(OPEN)
    assert alice.register("alice", cseq=10).status == 200
    assert alice.register("alice", cseq=1, expires=0).status == 200
    assert bindings(alice) == {}


def test_removal_of_one_of_two(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    serve(OPEN)
    alice.register("alice", contact="<sip:a@192.0.2.11>")
    alice.register("alice", contact="<sip:b@192.0.2.11>")
    assert set(bindings(alice)) == {"sip:a@192.0.2.11", "sip:b@192.0.2.11"}
    answer = alice.register("alice", contact="<sip:a@192.0.2.11>", expires=0)
    assert set(contacts(answer)) == {"sip:b@192.0.2.11"}


def test_star_with_an_expiry(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """§10.3 step 6: "*" only with Expires: 0."""
    serve(OPEN)
    alice.register("alice")
    assert alice.register("alice", contact="*", expires=600).status == 400
    assert set(bindings(alice)) == {"sip:192.0.2.11:5060"}


def test_star_removes_all(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    server = serve(OPEN)
    alice.register("alice", contact="<sip:a@192.0.2.11>, <sip:b@192.0.2.11>")
    assert len(bindings(alice)) == 2
    assert alice.register("alice", contact="*", expires=0).status == 200
    assert bindings(alice) == {}
    eventually(lambda: server.locations() == {})


def test_too_many_contacts(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """Ten bindings for an address-of-record; an eleventh is refused and changes nothing."""
    serve(OPEN)
    for number in range(10):
        assert alice.register("alice", contact=f"<sip:a{number}@192.0.2.11>").status == 200
    assert (alice.register("alice", contact="<sip:a10@192.0.2.11>").status or 0) >= 400
    assert set(bindings(alice)) == {f"sip:a{number}@192.0.2.11" for number in range(10)}


def test_foreign_domain(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    serve(OPEN)
    assert alice.register("alice", domain="other.invalid").status in {401, 403, 404, 407}


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_digest(serve: Callable[[Setup], Server], alice: Endpoint, algorithm: str) -> None:
    """RFC 8760: the challenge names the algorithm, and the right answer registers."""
    server = serve(Setup(algorithms=(algorithm,)))
    challenge = challenge_of(alice.register("alice"))
    assert challenge.get("algorithm", "MD5") == algorithm
    assert challenge["realm"] == "example.org"
    assert challenge["qop"] == "auth"
    assert alice.register("alice", password="not-it").status == 401
    assert alice.register("alice", password="wonderland").status == 200
    eventually(lambda: server.locations() == {ALICE: {"sip:192.0.2.11:5060"}})


@differs(kamailio="offers one algorithm at a time")
def test_best_algorithm_is_offered_first(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """RFC 8760 §2.4: one challenge for each algorithm, in order of preference; either is taken."""
    serve(Setup(algorithms=("SHA-256", "MD5")))
    offered = alice.register("alice").all("www-authenticate")
    assert [found[1] for value in offered if (found := re.search(r"algorithm=\"?([\w-]+)", value))] == [
        "SHA-256",
        "MD5",
    ]
    for algorithm in ("SHA-256", "MD5"):
        assert alice.register("alice", password="wonderland", algorithm=algorithm).status == 200


def authorized(alice: Endpoint, challenge: dict[str, str], *, nc: int, **changes: str) -> Message:
    """A REGISTER with an answer to this challenge; each a new request."""
    known = {"user": "alice", "password": "wonderland", "uri": "sip:example.org"} | changes
    value = credentials(challenge, method="REGISTER", nc=nc, **known)
    fields = [("Authorization", value), ("Expires", "600")]
    return alice.request("REGISTER", "sip:example.org", to_uri=ALICE, contact=alice.contact, fields=fields)


def test_nonce_serves_several_requests(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """RFC 7616 §3.4: the nonce count rises with each."""
    serve(Setup())
    challenge = challenge_of(alice.register("alice"))
    for count in (1, 2, 3):
        assert alice.ask(authorized(alice, challenge, nc=count)).status == 200


def test_replay_is_refused(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """Seen credentials in a new request get a fresh challenge, whichever worker reads them."""
    serve(Setup())
    challenge = challenge_of(alice.register("alice"))
    first = authorized(alice, challenge, nc=1)
    assert alice.ask(first).status == 200
    for _ in range(10):
        replay = authorized(alice, challenge, nc=1).with_fields(("Authorization", first["authorization"]))
        assert alice.ask(replay).status == 401


def test_retransmission_is_no_replay(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """The response may have been lost: the same request again gets the same answer."""
    serve(Setup())
    asked = authorized(alice, challenge_of(alice.register("alice")), nc=1)
    for _ in range(10):
        assert alice.ask(asked).status == 200


def test_forged_nonce(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    serve(Setup())
    challenge = challenge_of(alice.register("alice"))
    for nonce in ("", "0", challenge["nonce"][:-4] + "AAA=", challenge["nonce"][::-1], "A" * 2000):
        assert alice.ask(authorized(alice, challenge | {"nonce": nonce}, nc=1)).status in {400, 401}
    assert alice.ask(authorized(alice, challenge, nc=1)).status == 200


def test_address_of_record_of_another(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """§10.3 step 4: authenticated, but not authorized."""
    server = serve(Setup())
    challenge = challenge_of(alice.register("alice"))
    asked = authorized(alice, challenge, nc=1, user="bob", password="builder")
    assert alice.ask(asked).status == 403
    assert server.locations() == {}


def test_unknown_user_looks_like_a_wrong_password(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """Nobody learns from us who exists."""
    serve(Setup())
    unknown, known = alice.register("nobody", password="x"), alice.register("alice", password="x")
    assert unknown.status == known.status == 401
    assert [name for name, _ in unknown.fields] == [name for name, _ in known.fields]


def test_request_goes_to_the_contact(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """§16.5, §16.6 step 2: the binding becomes the request URI, with its parameters."""
    serve(OPEN)
    bob.register("bob", contact="<sip:bob@192.0.2.12:5060;transport=udp;x=y>")
    alice.send(alice.request("MESSAGE", "sip:bob@example.org", body="hello", content_type="text/plain"))
    assert bob.receive_request("MESSAGE").uri == "sip:bob@192.0.2.12:5060;transport=udp;x=y"


def test_client_behind_nat(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """A Contact that is not where the REGISTER came from: the request keeps that URI and goes to the real address."""
    serve(OPEN)
    bob.register("bob", contact="<sip:bob@10.1.2.3:5060>")
    alice.send(alice.request("MESSAGE", "sip:bob@example.org", body="hello", content_type="text/plain"))
    assert bob.receive_request("MESSAGE").uri == "sip:bob@10.1.2.3:5060"


def test_path(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    """RFC 3327 §5.3: stored, given back, and the Route of requests to this contact."""
    serve(OPEN)
    fields = [("Supported", "path"), ("Path", "<sip:192.0.2.12;lr>, <sip:192.0.2.99;lr>")]
    answer = alice.register("alice", contact="<sip:alice@192.0.2.98>", fields=fields)
    assert answer.all("path") == ["<sip:192.0.2.12;lr>", "<sip:192.0.2.99;lr>"]
    alice.send(alice.request("MESSAGE", ALICE, body="hello", content_type="text/plain"))
    seen = bob.receive_request("MESSAGE")
    assert seen.uri == "sip:alice@192.0.2.98"
    assert seen.all("route") == ["<sip:192.0.2.12;lr>", "<sip:192.0.2.99;lr>"]


def test_redirect_lists_contacts_by_q(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    """§8.3, §20.10: highest q first."""
    rule = Rule(methods=("INVITE",), domains=("example.org",), redirect_lookup=True)
    serve(Setup(register_auth=False, rules=(rule,)))
    for name, q in (("low", "0.1"), ("high", "0.9"), ("middle", "0.5")):
        alice.register("bob", contact=f"<sip:{name}@192.0.2.12>;q={q}")
    answer = alice.ask(alice.request("INVITE", "sip:bob@example.org", contact=alice.contact))
    assert answer.status == 302
    assert [value.partition(">")[0] for value in answer.all("contact")] == [
        f"<sip:{name}@192.0.2.12" for name in ("high", "middle", "low")
    ]


def test_binding_expires(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint, capture: Capture) -> None:
    """§10.3: on time; from then on no request goes there."""
    serve(Setup(register_auth=False, min_expires=1))
    bob.register("bob", expires=2)
    start = time.monotonic()
    ended = 0.0
    while not ended:
        asked = alice.request("MESSAGE", "sip:bob@example.org", body="hello", content_type="text/plain")
        alice.send(asked)
        bob_or_server = next_message(alice, bob)
        if bob_or_server.status is not None:
            assert bob_or_server.status in {404, 480}
            ended = time.monotonic() - start
        assert time.monotonic() - start < 10, "the binding does not expire"
    assert ended > 1.0, "the binding expired too early"
    assert ended < 5.0, "the binding expired too late"


def next_message(alice: Endpoint, bob: Endpoint) -> Message:
    """What comes first: the request at bob or the answer at alice."""
    while True:
        for endpoint in (alice, bob):
            try:
                return endpoint.receive(seconds=0.02)
            except AssertionError:
                continue
