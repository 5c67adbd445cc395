"""Uses of the API as a user writes them, for mypy and for running: see ``test_types.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

from dialplane_native import (
    Batch,
    CSeq,
    DialplaneError,
    Editor,
    Framer,
    Header,
    Message,
    MissingFieldError,
    NameAddr,
    Rejection,
    Request,
    Uri,
    Via,
    count,
    essentials,
    parse,
    parse_many,
    validate,
)
from dialplane_native.server import Store, check, counters


def reading(data: bytes) -> str:
    message = parse(data)
    assert_type(message, Message)
    assert_type(message.uri, Uri | None)
    assert_type(message.top_via, Via)
    assert_type(message.via, list[Via])
    assert_type(message.from_, NameAddr)
    assert_type(message.contact, NameAddr | None)
    assert_type(message.cseq, CSeq)
    assert_type(message.max_forwards, int | None)
    assert_type(message.headers, list[Header])
    assert_type(message["Call-ID"], str)
    assert_type(message.get("Subject"), str | None)
    assert_type(message.get("Subject", ""), str)
    assert_type(message.get("Subject", 0), str | int)
    assert_type(validate(message), Rejection | None)
    assert_type(parse(memoryview(data)), Message)
    assert_type(message.essentials().call_id, str)
    assert_type(essentials(data).max_forwards, int | None)
    return message.call_id


def routing(message: Message) -> str | None:
    match message.uri:
        case Uri("sip" | "sips", user=str(user), host="example.com"):
            return user
        case Uri(scheme="tel", user=number):
            return number
        case _:
            return None


def forwarding(message: Message, branch: str) -> bytes:
    editor = message.edit()
    assert_type(editor, Editor)
    hops = editor.decrement_max_forwards()
    assert_type(hops, int)
    editor.push_via(Via.build("UDP", "192.0.2.1", 5060, branch=branch)).set("Subject", "x").add("X-Hops", hops)
    assert_type(editor.pop("Route"), str | None)
    assert_type(editor.pop_via(), Via)
    return bytes(editor)


def building(call_id: str) -> Request:
    return Request(
        "OPTIONS",
        Uri.sip("example.com", user="alice", params={"transport": "udp", "lr": None}),
        via=["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", Via("SIP/2.0/TCP 192.0.2.2")],
        from_=NameAddr.build("sip:bob@example.com", display="Bob", params={"tag": "1"}),
        to="<sip:alice@example.com>",
        call_id=call_id,
        cseq=1,
        headers={"Supported": "path", "X-Number": 5, "X-Uri": Uri("sip:a@b")},
    )


def more_headers(message: Message) -> bytes:
    kept = [header for header in message.headers if header.usual_name == "Contact"]
    return message.response(200, headers=[("Supported", "path"), ("X-Number", 5), *kept])


def framing(pieces: Iterator[bytes]) -> Iterator[Message]:
    framer = Framer()
    for piece in pieces:
        yield from framer.feed(piece)


def failing(data: bytes) -> int | None:
    try:
        return len(parse(data)["Subject"])
    except MissingFieldError as error:
        assert_type(error.header, str)
    except DialplaneError as error:
        assert_type(error.kind, str)
        return error.status
    return None


def capturing(capture: bytes) -> dict[str, int]:
    for batch in parse_many(capture, size=100):
        assert_type(batch, Batch)
        for packet in batch:
            assert_type(packet.message, Message)
            assert_type(packet.source, tuple[str, int] | None)
        assert_type(batch.header("User-Agent"), list[str | None])
        (methods,) = batch.columns("method")
        assert len(methods) == len(batch)
    return count(capture, threads=2).requests


def serving(folder: str) -> int:
    store = Store(folder, "reader", ["udp:127.0.0.1:5060"])
    for username, domain in store.credentials(None, 10)[1]:
        store.lookup(username, domain)
    token, _, _ = store.changes(True, 10)
    store.acknowledge(token)
    assert_type(check(b"{}"), list[tuple[str, str]])
    return sum(page["values"]["bytes_sent"] for page in counters(folder))
