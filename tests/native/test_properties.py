"""Properties: any octets are read or refused, writing undoes reading, an edit touches what it names and no more."""

from __future__ import annotations

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane_native import (
    DialplaneError,
    Editor,
    Framer,
    Limits,
    NameAddr,
    Request,
    Uri,
    Via,
    list_errors,
    parse,
    validate,
)

from .samples import ALL, INVITE
from .test_corpora import read_everything, written_again

KINDS = {(name, kind) for name, kind, _ in list_errors()}
NAMES = st.sampled_from(["Subject", "X-Other", "Route", "s", "Via", "Supported", "k", "Content-Type", "VIA", "Call-ID"])
LWS = " \t"
"""Unicode has more space than SIP (RFC 3261 §25.1)."""
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=30)
TOKENS = st.text(st.sampled_from("abcXYZ019-.!%*_+`'~"), min_size=1, max_size=12)
HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.from_regex(r"([a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\.){0,3}[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True),
)
PORTS = st.none() | st.integers(0, 65535)


def check_kind(error: DialplaneError) -> None:
    assert (type(error).__name__, error.kind) in KINDS


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A good message with a few octets changed, put in, taken out or doubled."""
    data = bytearray(draw(st.sampled_from(ALL)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data) - 1))
        length = draw(st.integers(0, 12))
        new = draw(
            st.one_of(
                st.binary(max_size=6),
                st.just(bytes(data[at : at + length]) * 2),
                st.sampled_from([b"\r\n", b'"', b",", b"<", b"%", b"\\"]),
            )
        )
        data[at : at + length] = new
        if not data:
            break
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=400), spoilt(), st.binary(max_size=60).map(lambda tail: INVITE + tail)))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    for stream in (False, True):
        try:
            message = parse(data, stream=stream)
        except DialplaneError as error:
            check_kind(error)
            continue
        read_everything(message)
        assert message.raw in data
        validate(message)


@settings(max_examples=200, deadline=None)
@given(spoilt())
def test_writing_undoes_reading(data: bytes) -> None:
    try:
        message = parse(data)
    except DialplaneError:
        return
    if message.fault is None:
        assert written_again(message) == message.raw
        assert parse(message.raw) == message
    assert bytes(message.edit()) == message.raw


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(ALL), max_size=5), st.lists(st.integers(0, 3000), max_size=12))
def test_any_split_gives_the_same_messages(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(messages)
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    framer = Framer()
    found = [message for a, b in itertools.pairwise(places) for message in framer.feed(stream[a:b])]
    assert found == [parse(data) for data in messages]
    assert framer.buffered == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_stream_is_cut_or_refused(pieces: list[bytes]) -> None:
    framer = Framer(limits=Limits(message=200))
    try:
        for piece in pieces:
            for message in framer.feed(piece):
                read_everything(message)
    except DialplaneError as error:
        check_kind(error)
    assert framer.buffered <= 240


class Model:
    """What an editor is to do, on a list of lines."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.start, *self.lines = re.split(rb"\r\n(?![ \t])", head)

    def places(self, name: str) -> list[int]:
        wanted = usual(name)
        return [place for place, line in enumerate(self.lines) if usual(line.partition(b":")[0].decode()) == wanted]

    def set(self, name: str, value: bytes) -> None:
        places = self.places(name)
        if not places:
            return self.add(name, value)
        line = self.lines[places[0]]
        written = line[: len(line.partition(b":")[0]) + 1]
        rest = line[len(written) :]
        blank = rest[: len(rest) - len(rest.lstrip())] or b" "
        self.lines[places[0]] = written + blank + value
        for place in reversed(places[1:]):
            del self.lines[place]
        return None

    def add(self, name: str, value: bytes) -> None:
        places = self.places(name)
        self.lines.insert(places[-1] + 1 if places else len(self.lines), name.encode() + b": " + value)

    def prepend(self, name: str, value: bytes) -> None:
        places = self.places(name)
        self.lines.insert(places[0] if places else 0, name.encode() + b": " + value)

    def remove(self, name: str) -> None:
        for place in reversed(self.places(name)):
            del self.lines[place]

    def __bytes__(self) -> bytes:
        return b"".join(line + b"\r\n" for line in [self.start, *self.lines]) + b"\r\n" + self.body


def usual(name: str) -> str:
    compact = {"s": "subject", "v": "via", "k": "supported", "f": "from", "t": "to", "i": "call-id", "m": "contact"}
    return compact.get(name.lower(), name.lower())


OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["set", "add", "prepend"]), NAMES, VALUES.map(str.strip).filter(bool)),
    st.tuples(st.just("remove"), NAMES),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ALL), st.lists(OPERATIONS, max_size=8))
def test_edits_touch_what_they_name(data: bytes, operations: list[tuple[str, ...]]) -> None:
    editor: Editor = parse(data).edit()
    model = Model(data)
    assert bytes(model) == data
    for operation, *arguments in operations:
        getattr(editor, operation)(*arguments)
        name, *value = arguments
        getattr(model, operation)(name, *(text.encode() for text in value))
    assert bytes(editor) == bytes(model)


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=20),
    HOSTS,
    PORTS,
    st.booleans(),
)
def test_a_built_uri_says_what_it_was_built_from(user: str, host: str, port: int | None, secure: bool) -> None:
    uri = Uri.sip(host, user=user, port=port, secure=secure)
    assert (uri.unescaped_user, uri.host, uri.port, uri.scheme) == (user, host, port, "sips" if secure else "sip")
    assert Uri(str(uri)) == uri
    assert hash(Uri(str(uri))) == hash(uri)


@settings(max_examples=300, deadline=None)
@given(
    st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20),
    st.dictionaries(TOKENS.map(str.lower), st.none() | VALUES, max_size=4),
)
def test_a_built_address_says_what_it_was_built_from(display: str | None, params: dict[str, str | None]) -> None:
    address = NameAddr.build("sip:a@b.example", display=display, params=params)
    assert (address.display, address.params) == (display, params)
    assert NameAddr(address.raw) == address


@settings(max_examples=200, deadline=None)
@given(TOKENS, HOSTS, PORTS, st.none() | TOKENS, st.booleans())
def test_a_built_via_says_what_it_was_built_from(
    transport: str,
    host: str,
    port: int | None,
    branch: str | None,
    rport: bool,
) -> None:
    via = Via.build(transport, host, port, branch=branch, rport=rport)
    assert (via.transport, via.host, via.port, via.branch, via.has_rport) == (transport, host, port, branch, rport)
    assert Via(via.raw) == via


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES, st.binary(max_size=40), st.integers(0, 2**32 - 1))
def test_whatever_goes_into_a_request_it_is_legal_or_refused(
    call_id: str, subject: str, body: bytes, cseq: int
) -> None:
    try:
        request = Request(
            "MESSAGE",
            "sip:bob@biloxi.com",
            via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
            from_="<sip:a@b>;tag=1",
            to="<sip:c@d>",
            call_id=call_id,
            cseq=cseq,
            headers={"Subject": subject},
            body=body,
        )
    except DialplaneError as error:
        check_kind(error)
        return
    message = request.message()
    assert validate(message) is None
    assert (message.call_id, message["Subject"], message.body) == (call_id.strip(LWS), subject.strip(LWS), body)
