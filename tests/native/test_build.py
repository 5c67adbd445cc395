"""Own requests and responses: legal whatever goes in, or an error."""

from __future__ import annotations

from typing import Any

import pytest

from dialplane_native import BuildError, CSeq, Header, NameAddr, Request, Response, Uri, Via, parse, validate

from .samples import INVITE, crlf

PARTS: dict[str, Any] = {
    "via": Via.build("UDP", "192.0.2.1", 5060, branch="z9hG4bKa", rport=True),
    "from_": NameAddr.build("sip:alice@atlanta.com", display="Alice", params={"tag": "1"}),
    "to": "<sip:bob@biloxi.com>",
    "call_id": "abc@192.0.2.1",
}


def test_a_request() -> None:
    request = Request(
        "MESSAGE",
        Uri("sip:bob@biloxi.com"),
        **PARTS,
        cseq=7,
        contact=["<sip:alice@192.0.2.1>", "<sip:alice@192.0.2.2>"],
        headers={"Content-Type": "text/plain", "X-Number": 5},
        body="hé",
    )
    assert (
        bytes(request)
        == request.raw
        == crlf(
            """\
MESSAGE sip:bob@biloxi.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport
Max-Forwards: 70
From: "Alice" <sip:alice@atlanta.com>;tag=1
To: <sip:bob@biloxi.com>
Call-ID: abc@192.0.2.1
CSeq: 7 MESSAGE
Contact: <sip:alice@192.0.2.1>
Contact: <sip:alice@192.0.2.2>
Content-Type: text/plain
X-Number: 5
Content-Length: 3

hé"""
        )
    )
    assert request.message() == parse(request.raw)
    assert repr(request) == '<Request "MESSAGE sip:bob@biloxi.com SIP/2.0">'


def test_several_vias_come_first_and_in_order() -> None:
    request = Request("BYE", "sip:b@c", **PARTS | {"via": ["SIP/2.0/UDP a", Via("SIP/2.0/TCP b")]}, cseq=CSeq(1, "BYE"))
    message = request.message()
    assert [via.host for via in message.via] == ["a", "b"]
    assert [header.name for header in message.headers][:3] == ["Via", "Via", "Max-Forwards"]


def test_a_response() -> None:
    response = Response(
        180, **PARTS | {"to": "<sip:bob@biloxi.com>;tag=2"}, cseq=CSeq(7, "INVITE"), headers=[Header("Server", "x")]
    )
    message = response.message()
    assert (message.status, message.reason, message["Server"], message.content_length) == (180, "Ringing", "x", 0)
    assert validate(message) is None
    assert repr(response) == '<Response "SIP/2.0 180 Ringing">'
    assert bytes(Response(200, "Fine", **PARTS, cseq="7 INVITE")).startswith(b"SIP/2.0 200 Fine\r\n")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"call_id": "a b"}, "value"),
        ({"call_id": "a\r\nVia: x"}, "line-break"),
        ({"from_": "nobody"}, "value"),
        ({"via": "SIP/2.0/UDP"}, "value"),
        ({"cseq": "x"}, "value"),
        ({"cseq": CSeq(7, "BYE")}, "value"),
        ({"headers": {"Content-Length": 4}}, "value"),
        ({"headers": {"CSeq": "1 OPTIONS"}}, "value"),
        ({"headers": {"a b": "x"}}, "header-name"),
        ({"headers": [("X", "a\nb")]}, "line-break"),
        ({"headers": [("X", b"\x00")]}, "line-break"),
    ],
)
def test_requests_that_would_be_refused(changes: dict[str, Any], kind: str) -> None:
    with pytest.raises(BuildError) as caught:
        Request("OPTIONS", "sip:b@c", **{"cseq": 7, **PARTS, **changes})
    assert caught.value.kind == kind


@pytest.mark.parametrize(("status", "reason"), [(99, None), (700, None), (200, "a\r\nb")])
def test_responses_that_would_not_be_one(status: int, reason: str | None) -> None:
    with pytest.raises(BuildError):
        Response(status, reason, **PARTS, cseq="1 BYE")
    with pytest.raises(BuildError):
        parse(INVITE).response(status, reason)


def test_the_method_is_a_token() -> None:
    with pytest.raises(BuildError) as caught:
        Request("IN VITE", "sip:b@c", **PARTS, cseq=1)
    assert caught.value.kind == "method"


def test_answering() -> None:
    answer = parse(INVITE).response(
        200, to_tag="99", source=("192.0.2.77", 40000), headers={"Contact": "<sip:b@c>"}, body=b"x"
    )
    assert answer == crlf(
        """\
SIP/2.0 200 OK
Via: SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bKnashds8;received=192.0.2.77;rport=40000
From: "Alice \\"A.\\" Liddell" <sip:alice@atlanta.com>;tag=1928301774
To: Bob <sip:bob@biloxi.com>;tag=99
Call-ID: a84b4c76e66710
CSeq: 314159 INVITE
Contact: <sip:b@c>
Content-Length: 1

x"""
    )


def test_answering_without_knowing_more() -> None:
    message = parse(parse(INVITE).response(100, to_tag="99"))
    assert (message.reason, message.to.tag) == ("Trying", None)
    assert message.via == parse(INVITE).via
    tagged = parse(INVITE.replace(b"bob@biloxi.com>\r\n", b"bob@biloxi.com>;tag=5\r\n"))
    assert parse(tagged.response(200, to_tag="99")).to.tag == "5"
    assert parse(INVITE).response(486, "Not now").startswith(b"SIP/2.0 486 Not now\r\n")


def test_a_refused_request_can_be_answered() -> None:
    message = parse(INVITE.replace(b"CSeq: 314159 INVITE", b"CSeq: x"))
    rejection = validate(message)
    assert rejection is not None
    answer = message.response(rejection.status, rejection.reason)
    assert answer.startswith(b"SIP/2.0 400 Malformed CSeq\r\n")
    assert b"CSeq: x\r\n" in answer


@pytest.mark.parametrize("options", [{"to_tag": "a b"}, {"to_tag": ""}, {"source": ("example.com", 5060)}])
def test_bad_parts_of_an_answer(options: Any) -> None:
    with pytest.raises(BuildError):
        parse(INVITE).response(200, **options)


def test_an_ipv6_source() -> None:
    for text in ("2001:db8::5", "[2001:db8::5]"):
        answer = parse(parse(INVITE).response(200, source=(text, 7)))
        assert (answer.top_via.received, answer.top_via.rport) == ("2001:db8::5", 7)
