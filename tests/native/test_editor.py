"""Edits: what is named changes, all other octets stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dialplane_native import BuildError, CSeq, DialplaneError, Editor, NameAddr, Uri, UriError, Via, parse

from .samples import ALL, INVITE, REGISTER, RINGING

Change = Callable[[Editor], object]

# Message, change, and the replacements in the octets that it is to make.
CASES: list[tuple[str, bytes, Change, list[tuple[bytes, bytes]]]] = [
    ("set", INVITE, lambda e: e.set("Max-Forwards", 12), [(b"Max-Forwards: 70", b"Max-Forwards: 12")]),
    ("set-case", INVITE, lambda e: e.set("CALL-ID", "x"), [(b"a84b4c76e66710", b"x")]),
    ("set-compact", RINGING, lambda e: e.set("Via", "SIP/2.0/UDP a"), [
        (RINGING[RINGING.index(b"v: ") : RINGING.index(b"\r\nRecord")], b"v: SIP/2.0/UDP a"),
    ]),
    ("set-removes-the-others", INVITE, lambda e: e.set("Supported", "path"), [
        (b"Supported: replaces, timer\r\nk: 100rel\r\n", b"Supported: path\r\n"),
    ]),
    ("set-adds", INVITE, lambda e: e.set("Subject", "hé"), [
        (b"Content-Length: 5\r\n", b"Content-Length: 5\r\nSubject: h\xc3\xa9\r\n"),
    ]),
    ("set-folded", RINGING, lambda e: e.set("From", NameAddr("<sip:x@y>;tag=1")), [
        (b"Alice\r\n <sip:alice@atlanta.com>;tag=1928301774", b"<sip:x@y>;tag=1"),
    ]),
    ("add", INVITE, lambda e: e.add("Supported", b"path"), [(b"k: 100rel\r\n", b"k: 100rel\r\nSupported: path\r\n")]),
    ("prepend", RINGING, lambda e: e.prepend("Record-Route", "<sip:p;lr>"), [
        (b"Record-Route: <sip:p2", b"Record-Route: <sip:p;lr>\r\nRecord-Route: <sip:p2"),
    ]),
    ("prepend-first", INVITE, lambda e: e.prepend("Route", "<sip:p;lr>"), [
        (b"SIP/2.0\r\nVia", b"SIP/2.0\r\nRoute: <sip:p;lr>\r\nVia"),
    ]),
    ("remove", INVITE, lambda e: e.remove("k"), [(b"Supported: replaces, timer\r\nk: 100rel\r\n", b"")]),
    ("remove-none", INVITE, lambda e: e.remove("Subject"), []),
    ("pop-one", REGISTER, lambda e: e.pop("Route"), [(b"Route: <sip:edge.biloxi.com;lr>\r\n", b"")]),
    ("pop-of-several", REGISTER, lambda e: e.pop("Path"), [(b"<sip:p1.example.com;lr>, ", b"")]),
    ("pop-none", INVITE, lambda e: e.pop("Route"), []),
    ("uri", INVITE, lambda e: e.replace_uri(Uri("sip:bob@192.0.2.4:5070")), [
        (b"INVITE sip:bob@biloxi.com SIP", b"INVITE sip:bob@192.0.2.4:5070 SIP"),
    ]),
    ("status", RINGING, lambda e: e.replace_status(486), [(b"180 Ringing", b"486 Busy Here")]),
    ("status-reason", RINGING, lambda e: e.replace_status(200, "Fine"), [(b"180 Ringing", b"200 Fine")]),
    ("push-via", INVITE, lambda e: e.push_via(Via.build("UDP", "p.example", branch="z9hG4bKq")), [
        (b"Via: ", b"Via: SIP/2.0/UDP p.example;branch=z9hG4bKq\r\nVia: "),
    ]),
    ("pop-via", RINGING, lambda e: e.pop_via(), [
        (b"SIP/2.0/UDP server10.biloxi.com;branch=z9hG4bK4b43c2ff8.1;received=192.0.2.3,\r\n ", b""),
    ]),
    ("pop-only-via", INVITE, lambda e: e.pop_via(), [
        (b"Via: SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bKnashds8;rport\r\n", b""),
    ]),
    ("hops", INVITE, lambda e: e.decrement_max_forwards(), [(b"70", b"69")]),
    ("hops-absent", INVITE.replace(b"Max-Forwards: 70\r\n", b""), lambda e: e.decrement_max_forwards(), [
        (b"Content-Length: 5\r\n", b"Content-Length: 5\r\nMax-Forwards: 70\r\n"),
    ]),
    ("body", INVITE, lambda e: e.set_body(b"0123456789"), [(b"5\r\n\r\nv=0\r\n", b"10\r\n\r\n0123456789")]),
    ("body-and-type", REGISTER, lambda e: e.set_body("hi", "text/plain"), [
        (b"Content-Length: 0\r\n\r\n", b"Content-Length: 2\r\nContent-Type: text/plain\r\n\r\nhi"),
    ]),
    ("several", INVITE, lambda e: e.set("Subject", "a").set("Subject", "b").remove("Supported").add("Supported", "x"), [
        (b"Supported: replaces, timer\r\nk: 100rel\r\n", b""),
        (b"Content-Length: 5\r\n", b"Content-Length: 5\r\nSubject: b\r\nSupported: x\r\n"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "change", "replacements"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_changes(data: bytes, change: Change, replacements: list[tuple[bytes, bytes]]) -> None:
    message = parse(data)
    editor = message.edit()
    change(editor)
    expected = data
    for old, new in replacements:
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert bytes(editor) == expected
    assert len(editor) == len(expected)
    assert editor.message() == parse(expected)
    assert message.raw == data, "the message itself never changes"


@pytest.mark.parametrize("data", ALL)
def test_no_change(data: bytes) -> None:
    editor = parse(data).edit()
    assert bytes(editor) == data
    assert bool(editor)
    assert repr(editor).startswith("<Editor '")


def test_what_is_popped() -> None:
    editor = parse(RINGING).edit()
    assert editor.pop("Record-Route") == "<sip:p2.example.com;lr>"
    assert editor.pop("record-route") == "<sip:p1.example.com;lr>"
    assert editor.pop("Record-Route") == '<sip:p0.example.com;lr>;a="x,y"'
    assert editor.pop("Record-Route") is None
    assert [editor.pop_via().host, editor.pop_via().host] == ["server10.biloxi.com", "[2001:db8::9]"]
    assert editor.pop("To") == "Bob <sip:bob@biloxi.com>;tag=a6c85cf"
    assert "To" not in editor.message()


# RFC 3261 §16.6 and §16.7: a proxy's changes, there and back.
def test_a_hop_and_back() -> None:
    editor = parse(INVITE).edit()
    assert editor.decrement_max_forwards() == 69
    editor.replace_uri("sip:bob@192.0.2.4").prepend("Record-Route", "<sip:p.example;lr>").push_via(
        "SIP/2.0/UDP p.example;branch=z9hG4bK1"
    )
    forwarded = editor.message()
    response = parse(forwarded.response(200, to_tag="9", headers=[("Record-Route", forwarded["Record-Route"])])).edit()
    assert response.pop_via() == Via("SIP/2.0/UDP p.example;branch=z9hG4bK1")
    assert response.message().via == parse(INVITE).via


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.set("Sub ject", "x"),
        lambda e: e.set("Subject", "x\r\nVia: y"),
        lambda e: e.set("Call-ID", "x\ny"),
        lambda e: e.add("X", b"\0"),
        lambda e: e.prepend("", "x"),
        lambda e: e.push_via("nonsense"),
        lambda e: e.replace_uri("no uri"),
        lambda e: e.replace_status(200),
        lambda e: e.set_body(b"x", "text/plain\r\nX: y"),
    ],
)
def test_a_change_that_raises_has_not_happened(change: Change) -> None:
    editor = parse(INVITE).edit()
    editor.set("Subject", "before")
    before = bytes(editor)
    with pytest.raises(DialplaneError):
        change(editor)
    assert bytes(editor) == before


def test_the_wrong_start_line() -> None:
    with pytest.raises(BuildError, match="not a request"):
        parse(RINGING).edit().replace_uri("sip:a@b")
    with pytest.raises(UriError):
        parse(INVITE).edit().replace_uri("alice")


def test_no_hops_left() -> None:
    with pytest.raises(BuildError) as caught:
        parse(INVITE.replace(b": 70", b": 0")).edit().decrement_max_forwards()
    assert caught.value.status == 483


def test_values_of_every_kind() -> None:
    editor = parse(INVITE).edit()
    editor.set("CSeq", CSeq(2, "INVITE")).set("Refer-To", Uri("sip:a@b")).set("Max-Forwards", 3).set("X", b"\xff")
    message = editor.message()
    assert (message.cseq.number, message["Refer-To"], message.max_forwards) == (2, "sip:a@b", 3)
    assert message["X"] == "\udcff"
    editor.set("X", message["X"])
    assert editor.message().headers[-1].raw_value == b"\xff", "surrogate escapes become the octets they were"
    with pytest.raises(TypeError, match="not float"):
        editor.set("X", 1.0)  # type: ignore[arg-type]


def test_more_fields_than_any_limit() -> None:
    editor = parse(INVITE).edit()
    for number in range(300):
        editor.add("X", number)
    assert len(editor.message().headers) == 311
