"""Reading messages: every attribute, over requests and responses."""

from __future__ import annotations

import contextlib
import gc
import mmap
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from dialplane_native import (
    CSeq,
    DialplaneError,
    Essentials,
    FieldError,
    Header,
    Limits,
    Message,
    MissingFieldError,
    NameAddr,
    ParseError,
    Rejection,
    Uri,
    Via,
    essentials,
    parse,
    validate,
)

from .samples import ALL, INVITE, REGISTER, RINGING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INVITE_VALUES: dict[str, object] = {
    "start_line": "INVITE sip:bob@biloxi.com SIP/2.0",
    "is_request": True,
    "method": "INVITE",
    "uri": Uri("sip:bob@biloxi.com"),
    "uri_text": "sip:bob@biloxi.com",
    "status": None,
    "reason": None,
    "body": b"v=0\r\n",
    "fault": None,
    "call_id": "a84b4c76e66710",
    "cseq": CSeq(314159, "INVITE"),
    "top_via": Via("SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bKnashds8;rport"),
    "via": [Via("SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bKnashds8;rport")],
    "from_": NameAddr("<sip:alice@atlanta.com>;tag=1928301774"),
    "to": NameAddr("<sip:bob@biloxi.com>"),
    "contact": NameAddr("<sip:alice@pc33.atlanta.com>;q=0.7;expires=3600"),
    "contacts": [NameAddr("<sip:alice@pc33.atlanta.com>;q=0.7;expires=3600")],
    "is_contact_star": False,
    "route": [],
    "record_route": [],
    "max_forwards": 70,
    "content_length": 5,
    "expires": None,
    "raw": INVITE,
}
RINGING_VALUES: dict[str, object] = {
    "start_line": "SIP/2.0 180 Ringing",
    "is_request": False,
    "method": None,
    "uri": None,
    "uri_text": None,
    "status": 180,
    "reason": "Ringing",
    "body": b"",
    "cseq": CSeq(314159, "INVITE"),
    "top_via": Via("SIP/2.0/UDP server10.biloxi.com;branch=z9hG4bK4b43c2ff8.1;received=192.0.2.3"),
    "from_": NameAddr("Alice <sip:alice@atlanta.com>;tag=1928301774"),
    "record_route": [
        NameAddr("<sip:p2.example.com;lr>"),
        NameAddr("<sip:p1.example.com;lr>"),
        NameAddr('<sip:p0.example.com;lr>;a="x,y"'),
    ],
    "max_forwards": None,
}
REGISTER_VALUES: dict[str, object] = {
    "contacts": [],
    "contact": None,
    "is_contact_star": True,
    "expires": 0,
    "route": [NameAddr("<sip:edge.biloxi.com;lr>")],
}


@pytest.mark.parametrize(
    ("message", "attribute", "expected"),
    [
        pytest.param(message, attribute, expected, id=f"{name}-{attribute}")
        for name, message, values in [
            ("invite", INVITE, INVITE_VALUES),
            ("ringing", RINGING, RINGING_VALUES),
            ("register", REGISTER, REGISTER_VALUES),
        ]
        for attribute, expected in values.items()
    ],
)
def test_attributes(message: bytes, attribute: str, expected: object) -> None:
    assert getattr(parse(message), attribute) == expected


def test_every_attribute_is_looked_at() -> None:
    public = {name for name, value in vars(Message).items() if type(value).__name__ == "getset_descriptor"}
    assert public == set(INVITE_VALUES) | {"headers"}


@pytest.mark.parametrize("name", ["Via", "via", "VIA", "v", "V"])
def test_names_in_any_case_and_compact(name: str) -> None:
    for data in (INVITE, RINGING):
        message = parse(data)
        assert name in message
        assert message[name] == message.get(name) == message.get_all("Via")[0]


def test_fields_by_name() -> None:
    message = parse(RINGING)
    assert message["From"] == "Alice <sip:alice@atlanta.com>;tag=1928301774", "the fold is one blank"
    assert len(message.get_all("record-route")) == 2
    assert message.get("Subject") is None
    assert message.get("Subject", "none") == "none"
    assert "Subject" not in message
    with pytest.raises(MissingFieldError, match=r"^Subject: missing$") as caught:
        message["s"]
    assert isinstance(caught.value, KeyError)
    assert (caught.value.kind, caught.value.header) == ("missing", "Subject")
    with pytest.raises(KeyError, match=r"^X-Other: missing$"):
        message["X-Other"]


def test_elements_of_lists() -> None:
    assert parse(INVITE).elements("Supported") == ["replaces", "timer", "100rel"]
    assert parse(RINGING).elements("Record-Route") == [
        "<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>", '<sip:p0.example.com;lr>;a="x,y"',
    ]  # fmt: skip
    assert parse(INVITE).elements("Subject") == []
    assert parse(INVITE).elements("Call-ID") == ["a84b4c76e66710"]


def test_addresses_of_other_headers() -> None:
    message = parse(REGISTER)
    assert message.address("Reply-To") == NameAddr("<sip:bob@home.example.com>")
    assert message.address("X-Owner").display == "Robert"
    assert [address.uri.host for address in message.addresses("Path")] == ["p1.example.com", "p2.example.com"]
    assert message.addresses("X-None") == []
    for name in ("Refer-To", "X-None"):
        with pytest.raises(MissingFieldError) as caught:
            message.address(name)
        assert caught.value.header == name
    with pytest.raises(FieldError):
        message.address("Call-ID")


def test_headers_keep_order_names_and_octets() -> None:
    headers = parse(RINGING).headers
    assert [header.name for header in headers] == [
        "v", "Record-Route", "Record-Route", "To", "From", "Call-ID", "CSeq", "Contact", "Content-Length",
    ]  # fmt: skip
    assert headers[0].usual_name == "Via"
    assert headers[4].raw == b"From: Alice\r\n <sip:alice@atlanta.com>;tag=1928301774"
    assert headers[4].raw_value == b"Alice\r\n <sip:alice@atlanta.com>;tag=1928301774"
    assert headers[4].value == "Alice <sip:alice@atlanta.com>;tag=1928301774"
    head = b"\r\n".join([b"SIP/2.0 180 Ringing", *(header.raw for header in headers)])
    assert head + b"\r\n\r\n" == RINGING


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: memoryview(b"--" + data + b"--")[2:-2]])
def test_buffers(wrap: Any) -> None:
    message = parse(wrap(INVITE))
    gc.collect()
    assert message.method == "INVITE"
    assert message.raw == INVITE
    assert [via.raw for via in message.via] == [b"SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bKnashds8;rport"]
    assert pickle.loads(pickle.dumps(message)) == message


def test_buffers_are_held_and_not_copied() -> None:
    data = bytearray(INVITE)
    message = parse(data)
    place = data.index(b"alice@atlanta")
    data[place : place + 5] = b"clara"
    assert message.from_.uri.user == "clara", "the octets are those of the buffer"
    tag = message.from_
    del message
    for _ in range(2):
        with pytest.raises(BufferError):
            data.append(0)
        gc.collect()
    assert tag.tag == "1928301774", "a value holds the buffer, too"
    del tag
    gc.collect()
    data.append(0)


@pytest.mark.parametrize("place", range(0, len(INVITE), 7))
def test_who_writes_into_a_held_buffer_sees_nonsense_at_worst(place: int) -> None:
    data = bytearray(INVITE)
    message = parse(data)
    via, uri = message.top_via, message.uri
    data[place:] = b'"' * (len(data) - place)
    for attribute in INVITE_VALUES:
        with contextlib.suppress(DialplaneError):
            repr(getattr(message, attribute))
    assert len(message.headers) == 11
    assert len(repr(message.headers)) > 0
    for read in (
        lambda: (via.host, via.params, via == message.top_via, hash(via), repr(via)),
        lambda: (hash(uri), repr(uri), uri == message.uri),
        lambda: message.edit().set("Subject", "x").message(),
        message.essentials,
    ):
        with contextlib.suppress(DialplaneError):
            read()


def test_a_mapped_file(tmp_path: Path) -> None:
    path = tmp_path / "invite.sip"
    path.write_bytes(INVITE)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    message = parse(mapped)
    with pytest.raises(BufferError):
        mapped.close()
    assert message == parse(INVITE)
    del message
    gc.collect()
    mapped.close()


def test_buffers_with_gaps_are_copied() -> None:
    data = bytes(octet for pair in zip(INVITE, INVITE, strict=True) for octet in pair)
    assert parse(memoryview(data)[::2]) == parse(INVITE)


def test_essentials() -> None:
    assert parse(INVITE).essentials() == Essentials(
        method="INVITE",
        status=None,
        uri="sip:bob@biloxi.com",
        branch="z9hG4bKnashds8",
        from_uri="sip:alice@atlanta.com",
        from_tag="1928301774",
        to_uri="sip:bob@biloxi.com",
        to_tag=None,
        call_id="a84b4c76e66710",
        cseq=314159,
        cseq_method="INVITE",
        max_forwards=70,
    )
    ringing = parse(RINGING).essentials()
    assert isinstance(ringing, Essentials)
    assert (ringing.method, ringing.status, ringing.uri, ringing.to_tag) == (None, 180, None, "a6c85cf")


@pytest.mark.parametrize("data", ALL)
def test_essentials_of_octets_are_those_of_the_message(data: bytes) -> None:
    values = essentials(data)
    assert values == parse(data).essentials()
    assert essentials(bytearray(b"?" + data)[1:]) == essentials(memoryview(data)) == values


@pytest.mark.parametrize("read", [essentials, lambda data, **limits: parse(data, **limits).essentials()])
def test_essentials_that_cannot_be_read(read: Callable[..., Essentials]) -> None:
    with pytest.raises(MissingFieldError) as missing:
        read(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n")
    assert missing.value.header == "Via"
    with pytest.raises(FieldError) as malformed:
        read(INVITE.replace(b"314159 INVITE", b"x INVITE"))
    assert (malformed.value.header, malformed.value.offset) == ("CSeq", INVITE.index(b"CSeq"))
    with pytest.raises(ParseError):
        read(INVITE, limits=Limits(message=10))
    with pytest.raises(TypeError):
        read("INVITE sip:a@b SIP/2.0\r\n\r\n")


def test_essentials_are_a_value() -> None:
    invite, ringing = essentials(INVITE), essentials(RINGING)
    assert Essentials(*invite) == invite == pickle.loads(pickle.dumps(invite))
    assert len({invite, essentials(INVITE), ringing}) == 2
    assert invite != ringing
    assert invite != tuple(invite)
    assert eval(repr(invite)) == invite
    with pytest.raises(AttributeError):
        invite.method = "BYE"  # type: ignore[misc]
    match ringing:
        case Essentials(method=None, status=int(status), cseq_method=method):
            assert (status, method) == (180, "INVITE")
        case _:
            pytest.fail("it is a response")


def test_bytes_are_kept_and_not_copied() -> None:
    data = bytes(bytearray(INVITE))
    before = sys.getrefcount(data)
    message = parse(data)
    assert message.raw is data
    top = message.top_via
    assert sys.getrefcount(data) == before + 2
    del message
    assert top.host == "pc33.atlanta.com", "a value keeps what it needs"
    del top
    gc.collect()
    assert sys.getrefcount(data) == before


@pytest.mark.parametrize("data", ["INVITE sip:a@b SIP/2.0\r\n\r\n", 7, None, object()])
def test_other_types_are_refused(data: Any) -> None:
    with pytest.raises(TypeError):
        parse(data)


def test_octets_behind_the_body_are_not_part_of_the_message() -> None:
    message = parse(INVITE + b"BYE sip:x SIP/2.0\r\n\r\n")
    assert message.raw == INVITE
    assert message == parse(INVITE)
    assert len(message) == len(INVITE)


def test_text_that_is_not_utf8() -> None:
    message = parse(INVITE.replace(b"a84b4c76e66710", b"\xc3\xa9").replace(b"timer", b"\xff"))
    assert message["Supported"].encode(errors="surrogateescape") == b"replaces, \xff"
    assert message["Call-ID"] == "é"


def test_a_bad_field_spoils_no_other() -> None:
    message = parse(INVITE.replace(b"314159 INVITE", b"x INVITE").replace(b"pc33.atlanta.com:5066", b"-:x"))
    with pytest.raises(FieldError) as caught:
        _ = message.cseq
    error = caught.value
    assert (error.kind, error.status, error.header) == ("malformed", 400, "CSeq")
    assert error.offset == message.raw.index(b"CSeq:")
    with pytest.raises(FieldError, match=r"^Via: malformed$"):
        _ = message.via
    assert message.from_.tag == "1928301774"
    assert message.get("CSeq") == "x INVITE"


@pytest.mark.parametrize("attribute", ["call_id", "cseq", "top_via", "from_", "to"])
def test_what_must_be_there_and_is_not(attribute: str) -> None:
    message = parse(b"OPTIONS sip:a@b SIP/2.0\r\nMax-Forwards: 1\r\n\r\n")
    with pytest.raises(MissingFieldError) as caught:
        getattr(message, attribute)
    assert caught.value.offset is None
    assert message.via == []


def test_faults_are_not_raised_but_told() -> None:
    message = parse(INVITE.replace(b"Content-Length: 5", b"Content-Length: 5000"))
    assert isinstance(message.fault, ParseError)
    assert message.fault.kind == "content-length-exceeds"
    rejection = validate(message)
    assert rejection is not None
    assert (rejection.status, rejection.header) == (400, "Content-Length")
    assert str(rejection) == f"400 {rejection.reason}"


def test_validate() -> None:
    assert validate(parse(INVITE)) is None
    match validate(parse(INVITE.replace(b"To: ", b"X-To: "))):
        case Rejection(400, "To", reason):
            assert reason == "Missing To"
        case other:
            pytest.fail(f"{other!r}")
    assert validate(parse(INVITE), limits=Limits(via=0)) == validate(parse(INVITE), limits=Limits(via=0))
    vias = b"".join(b"Via: SIP/2.0/UDP h%d\r\n" % number for number in range(65))
    many = validate(parse(INVITE.replace(b"Via: ", vias + b"Via: ")))
    assert many is not None
    assert many.status == 513
    assert many == validate(parse(INVITE.replace(b"Via: ", vias + b"Via: ")))
    assert hash(many) == hash(many)


def test_limits() -> None:
    limits = Limits(message=100)
    assert (limits.message, limits.fields, limits.stream_without_length) == (100, 256, False)
    assert limits == Limits(message=100)
    assert limits != Limits()
    assert hash(limits) == hash(Limits(message=100))
    assert repr(Limits()) == (
        "Limits(message=65536, fields=256, field=16384, via=64, route=32, contacts=64, stream_without_length=False)"
    )
    with pytest.raises(ParseError) as caught:
        parse(INVITE, limits=limits)
    assert caught.value.status == 513
    many = INVITE.replace(b"Max-", b"X: 1\r\n" * 300 + b"Max-")
    with pytest.raises(ParseError):
        parse(many)
    assert len(parse(many, limits=Limits(fields=400)).headers) == 311


@pytest.mark.parametrize("data", ALL)
def test_equality_hash_pickle_repr(data: bytes) -> None:
    message = parse(data)
    again = parse(bytearray(data))
    assert message == again
    assert hash(message) == hash(again)
    assert message != parse(data.replace(b"biloxi", b"boloxi"))
    assert message != data
    assert pickle.loads(pickle.dumps(message)) == message
    assert bytes(message) == data
    assert bool(message)
    assert repr(message).startswith(f"<Message '{message.start_line}', ")


def test_pickling_keeps_what_larger_limits_let_through() -> None:
    many = INVITE.replace(b"Max-", b"X: 1\r\n" * 300 + b"Max-")
    message = parse(many, limits=Limits(fields=400))
    assert pickle.loads(pickle.dumps(message)).headers == message.headers


@pytest.mark.parametrize("attribute", ["method", "uri", "raw", "anything"])
def test_messages_are_frozen(attribute: str) -> None:
    with pytest.raises(AttributeError):
        setattr(parse(INVITE), attribute, None)


def test_a_stream_needs_its_length() -> None:
    assert parse(b"\r\n\r\n" + INVITE + b"more", stream=True).raw == INVITE
    for part in (INVITE[:100], INVITE[:-1], b"", b"\r\n"):
        with pytest.raises(ParseError) as caught:
            parse(part, stream=True)
        assert caught.value.kind == "incomplete"
        assert caught.value.offset == len(part)
    with pytest.raises(ParseError) as caught:
        parse(INVITE.replace(b"Content-Length: 5\r\n", b""), stream=True)
    assert caught.value.kind == "content-length-missing"
    lenient = Limits(stream_without_length=True)
    assert parse(INVITE.replace(b"Content-Length: 5\r\n", b""), stream=True, limits=lenient).body == b""


def test_interned_names() -> None:
    one, other = parse(INVITE), parse(INVITE.replace(b"bob", b"rob"))
    assert one.method is other.method
    assert one.cseq.method is one.method
    assert one.headers[1].name is other.headers[1].name
    assert Header("Call-ID", "x").name is one.headers[4].name


def test_threads_share_a_message() -> None:
    message = parse(INVITE)
    seen: list[object] = []

    def look() -> None:
        seen.extend((message.top_via.branch, message.from_.tag, message.uri, len(message.headers)) for _ in range(500))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 2000
    assert len(set(seen)) == 1
