"""The typed values: parts, equality, hash, pattern matching, building."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from dialplane_native import BuildError, CSeq, FieldError, Header, NameAddr, Uri, UriError, Via

URI_PARTS = [
    ("sip:alice@atlanta.com", ("sip", "alice", "atlanta.com", None), {}, [], "alice@atlanta.com"),
    ("SIPS:alice:secret@Atlanta.com:5061", ("sips", "alice", "Atlanta.com", 5061), {}, [], "alice@atlanta.com"),
    ("sip:[2001:db8::1]:5070", ("sip", None, "[2001:db8::1]", 5070), {}, [], "[2001:db8::1]"),
    (
        "sip:%61lice;day=tuesday@192.0.2.1;transport=TCP;LR?subject=a%20b&priority=urgent",
        ("sip", "%61lice;day=tuesday", "192.0.2.1", None),
        {"transport": "TCP", "lr": None},
        [("subject", "a%20b"), ("priority", "urgent")],
        "alice;day=tuesday@192.0.2.1",
    ),
    (
        "tel:+1-201-555-0123;phone-context=example.com",
        ("tel", "+1-201-555-0123", None, None),
        {"phone-context": "example.com"},
        [],
        "+12015550123",
    ),
    ("urn:service:sos", ("urn", None, None, None), {}, [], None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts", "params", "headers", "aor"), URI_PARTS)
def test_parts_of_a_uri(text: str, parts: object, params: object, headers: object, aor: object) -> None:
    uri = Uri(text)
    assert (uri.scheme, uri.user, uri.host, uri.port) == parts
    assert uri.params == params
    assert uri.headers == headers
    assert uri.aor == aor
    assert str(uri) == text
    assert uri.raw == bytes(uri) == text.encode()
    assert repr(uri) == f"Uri({text!r})"
    assert Uri(text.encode()) == uri
    assert pickle.loads(pickle.dumps(uri)) == uri
    assert (uri.opaque is None) == (parts != ("urn", None, None, None))


def test_escapes_are_decoded_once() -> None:
    uri = Uri("sip:%2541@example.com")
    assert (uri.user, uri.unescaped_user) == ("%2541", "%41")
    assert Uri("sip:example.com").unescaped_user is None
    assert Uri("sip:a:b%40@example.com").password == "b%40"


# RFC 3261 §19.1.4, all of its examples.
EQUAL = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("tel:+1-201-555-0123", "tel:+12015550123"),
    ("sip:[2001:DB8::0:1]", "sip:[2001:db8::1]"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com:6000;transport=tcp", "sip:bob@biloxi.com"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("tel:+12015550123", "tel:2015550123;phone-context=+1"),
    ("urn:service:sos", "urn:service:police"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_uris(one: str, other: str) -> None:
    assert Uri(one) == Uri(other)
    assert hash(Uri(one)) == hash(Uri(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris(one: str, other: str) -> None:
    assert Uri(one) != Uri(other)


def test_a_uri_is_not_its_text() -> None:
    assert Uri("sip:a@b") != "sip:a@b"
    with pytest.raises(TypeError):
        Uri(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (("biloxi.com",), {}, "sip:biloxi.com"),
        (("biloxi.com",), {"user": "bob", "port": 5061, "secure": True}, "sips:bob@biloxi.com:5061"),
        (("[2001:db8::1]",), {"user": "a b@c:d%é"}, "sip:a%20b%40c%3Ad%25%C3%A9@[2001:db8::1]"),
        (("a.example",), {"params": {"lr": None, "ttl": 4, "x": "a;b=c d"}}, "sip:a.example;lr;ttl=4;x=a%3Bb%3Dc%20d"),
    ],
)
def test_building_uris(arguments: Any, options: Any, expected: str) -> None:
    uri = Uri.sip(*arguments, **options)
    assert str(uri) == expected
    if "user" in options:
        assert uri.unescaped_user == options["user"]


@pytest.mark.parametrize("host", ["", "a b", "a\r\nb", "2001:db8::1", "-x"])
def test_a_host_must_be_one(host: str) -> None:
    with pytest.raises(BuildError):
        Uri.sip(host)
    with pytest.raises(BuildError):
        Via.build("UDP", host)


NAME_ADDRS = [
    ("sip:a@b;tag=1", None, "sip:a@b", "1", {"tag": "1"}),
    ("<sip:a@b;lr>", None, "sip:a@b;lr", None, {}),
    ("Alice <sip:a@b>;tag=1;x", "Alice", "sip:a@b", "1", {"tag": "1", "x": None}),
    ('"A \\"B\\" \\\\C" <sip:a@b>;X="y z"', 'A "B" \\C', "sip:a@b", None, {"x": "y z"}),
    ('"é" <sip:a@b>', "é", "sip:a@b", None, {}),
]


@pytest.mark.parametrize(("text", "display", "uri", "tag", "params"), NAME_ADDRS)
def test_parts_of_an_address(text: str, display: object, uri: str, tag: object, params: object) -> None:
    address = NameAddr(text)
    assert address.display == display
    assert address.uri == Uri(uri)
    assert address.uri_text == uri
    assert address.tag == tag
    assert address.params == params
    assert str(address) == text
    assert address.raw == bytes(address) == text.encode()
    assert repr(address) == f"NameAddr({text!r})"
    assert pickle.loads(pickle.dumps(address)) == address


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("<sip:a@b>;tag=1", '"Alice" <sip:a@B>;tag=1', True),
        ("sip:a@b;tag=1", "<sip:a@b>;tag=1;x=2", True),
        ("<sip:a@b>;x=1", "<sip:a@b>;X=1", True),
        ("<sip:a@b>;x=1", "<sip:a@b>;x=2", False),
        ("<sip:a@b>;x", "<sip:a@b>;x=2", False),
        ("<sip:a@b>;tag=1", "<sip:a@b>", False),
        ("<sip:a@b>;q=1.0", "<sip:a@b>", False),
        ("<sip:a@b>", "<sip:A@b>", False),
        ("<sip:a@%zz>", "<sip:a@%zz>", True),
        ("<sip:a@%zz>", "<sip:a@b>", False),
    ],
)
def test_equal_addresses(one: str, other: str, *, equal: bool) -> None:
    assert (NameAddr(one) == NameAddr(other)) is equal
    assert (NameAddr(other) == NameAddr(one)) is equal
    if equal:
        assert hash(NameAddr(one)) == hash(NameAddr(other))


def test_contact_parameters() -> None:
    contact = NameAddr("<sip:a@b>;q=0.25;expires=99999999999")
    assert (contact.q, contact.expires) == (0.25, 0xFFFF_FFFF)
    assert (NameAddr("<sip:a@b>;q=2;expires=x").q, NameAddr("<sip:a@b>;q=2;expires=x").expires) == (None, None)
    assert (NameAddr("<sip:a@b>").q, NameAddr("<sip:a@b>").expires) == (None, None)


def test_an_address_with_a_bad_uri_still_says_it() -> None:
    address = NameAddr("<sip:a@%zz>;tag=1")
    assert address.tag == "1"
    assert address.uri_text == "sip:a@%zz"
    with pytest.raises(UriError):
        _ = address.uri


def test_building_addresses() -> None:
    address = NameAddr.build(
        Uri("sip:a@b"), display='A "B" \\', params={"tag": "x1", "note": "two words", "n": 7, "z": None}
    )
    assert str(address) == '"A \\"B\\" \\\\" <sip:a@b>;tag=x1;note="two words";n=7;z'
    assert (address.display, address.params["note"]) == ('A "B" \\', "two words")
    assert str(NameAddr.build("sip:a@b")) == "<sip:a@b>"
    with pytest.raises(UriError):
        NameAddr.build("nonsense")
    with pytest.raises(BuildError) as caught:
        NameAddr.build("sip:a@b", display="x\r\nVia: y")
    assert caught.value.kind == "line-break"
    for params in ({"a b": None}, {"": "x"}):
        with pytest.raises(BuildError):
            NameAddr.build("sip:a@b", params=params)


def test_parts_of_a_via() -> None:
    text = "SIP / 2.0 / TLS [2001:db8::9]:5061 ; branch=z9hG4bKx;received=192.0.2.1;rport=7;maddr=224.0.1.75;ttl=16;x=y"
    via = Via(text)
    assert (via.transport, via.host, via.port, via.sent_by) == ("TLS", "[2001:db8::9]", 5061, "[2001:db8::9]:5061")
    assert (via.branch, via.received, via.rport, via.maddr, via.ttl) == ("z9hG4bKx", "192.0.2.1", 7, "224.0.1.75", 16)
    assert (via.has_rport, via.has_cookie) == (True, True)
    assert via.params["x"] == "y"
    assert (str(via), via.raw, bytes(via)) == (text, text.encode(), text.encode())
    assert pickle.loads(pickle.dumps(via)) == via
    plain = Via("SIP/2.0/UDP a.example;rport;branch=z9hG4bK")
    assert (plain.port, plain.rport, plain.has_rport, plain.has_cookie) == (None, None, True, False)
    assert repr(plain) == "Via('SIP/2.0/UDP a.example;rport;branch=z9hG4bK')"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("SIP/2.0/UDP a.b;branch=z9hG4bK1", "SIP / 2.0 / udp A.B ;branch=z9hg4bk1", True),
        ("SIP/2.0/UDP a.b;x;y=1", "SIP/2.0/UDP a.b;y=1;x", True),
        ("SIP/2.0/UDP a.b;x", "SIP/2.0/UDP a.b", False),
        ("SIP/2.0/UDP a.b", "SIP/2.0/UDP a.b:5060", False),
        ("SIP/2.0/UDP a.b", "SIP/2.0/TCP a.b", False),
    ],
)
def test_equal_vias(one: str, other: str, *, equal: bool) -> None:
    assert (Via(one) == Via(other)) is equal
    if equal:
        assert hash(Via(one)) == hash(Via(other))


def test_building_vias() -> None:
    via = Via.build("WSS", "[::1]", 443, branch="z9hG4bKq", rport=True, params={"keep": None})
    assert str(via) == "SIP/2.0/WSS [::1]:443;branch=z9hG4bKq;rport;keep"
    for transport, branch in (("U P", None), ("UDP", "a b"), ("", None)):
        with pytest.raises(BuildError):
            Via.build(transport, "a.b", branch=branch)


@pytest.mark.parametrize("text", ["", "SIP/2.0/UDP", "SIP/3.0/UDP a", "SIP/2.0/UDP a;branch=1;branch=2", "x"])
def test_bad_vias(text: str) -> None:
    with pytest.raises(FieldError):
        Via(text)


def test_cseq() -> None:
    cseq = CSeq(7, "INVITE")
    assert (cseq.number, cseq.method, str(cseq), cseq.raw) == (7, "INVITE", "7 INVITE", b"7 INVITE")
    assert cseq == CSeq(7, b"INVITE")
    assert hash(cseq) == hash(CSeq(7, "INVITE"))
    assert CSeq(7, "X-OWN") != cseq != CSeq(8, "INVITE")
    assert CSeq(7, "X-OWN").method == "X-OWN"
    assert repr(cseq) == "CSeq(7, 'INVITE')"
    assert pickle.loads(pickle.dumps(cseq)) == cseq
    with pytest.raises(BuildError):
        CSeq(7, "IN VITE")
    for number in (-1, 2**32):
        with pytest.raises(OverflowError):
            CSeq(number, "INVITE")


def test_header() -> None:
    header = Header("s", "lunch")
    assert (header.name, header.usual_name, header.value, header.raw) == ("s", "Subject", "lunch", b"s: lunch")
    assert header == Header("SUBJECT", "lunch")
    assert hash(header) == hash(Header("SUBJECT", "lunch"))
    assert header != Header("Subject", "Lunch")
    assert Header("X-A", 7) == Header("x-a", b"7")
    assert Header("Via", Via("SIP/2.0/UDP a")).value == "SIP/2.0/UDP a"
    assert Header("CSeq", CSeq(1, "BYE")).raw_value == b"1 BYE"
    assert repr(header) == "Header('s', 'lunch')"
    assert str(header) == "s: lunch"
    assert pickle.loads(pickle.dumps(header)) == header
    assert Header("X", "").value == ""
    with pytest.raises(TypeError):
        Header("X", 1.5)  # type: ignore[arg-type]


def test_pattern_matching() -> None:
    match Uri("sip:bob@biloxi.com:5070"):
        case Uri("sip", user, "biloxi.com", port):
            assert (user, port) == ("bob", 5070)
        case _:
            pytest.fail("no match")
    match NameAddr('"Bob" <sip:bob@biloxi.com>;tag=1'):
        case NameAddr(name, Uri(user=user), {"tag": tag}):
            assert (name, user, tag) == ("Bob", "bob", "1")
        case _:
            pytest.fail("no match")
    match Via("SIP/2.0/UDP a.b:1;branch=x"):
        case Via("UDP", host, 1, "x"):
            assert host == "a.b"
        case _:
            pytest.fail("no match")
    match CSeq(3, "ACK"):
        case CSeq(number, "ACK"):
            assert number == 3
        case _:
            pytest.fail("no match")
    match Header("Subject", "x"):
        case Header("Subject", value):
            assert value == "x"
        case _:
            pytest.fail("no match")


@pytest.mark.parametrize(
    "value",
    [Uri("sip:a@b"), NameAddr("<sip:a@b>"), Via("SIP/2.0/UDP a"), CSeq(1, "BYE"), Header("X", "y")],
    ids=lambda value: type(value).__name__,
)
def test_values_are_frozen(value: object) -> None:
    for attribute in ("raw", "anything"):
        with pytest.raises(AttributeError):
            setattr(value, attribute, None)
