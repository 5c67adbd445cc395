"""Reading and writing descriptions: RFC 8866, by table and by property."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.sdp import Connection, Format, SdpError, formats_of, parse

# RFC 8866 §5, the example.
EXAMPLE = b"""v=0\r
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r
s=Call to John Smith\r
i=SDP Offer #1\r
u=http://www.jdoe.example.com/home.html\r
e=Jane Doe <jane@jdoe.example.com>\r
p=+1 617 555-6011\r
c=IN IP4 198.51.100.1\r
t=0 0\r
m=audio 49170 RTP/AVP 0\r
m=audio 49180 RTP/AVP 0\r
m=video 51372 RTP/AVP 99\r
c=IN IP6 2001:db8::2\r
a=rtpmap:99 h263-1998/90000\r
"""


def test_the_example_of_the_rfc() -> None:
    description = parse(EXAMPLE)
    assert description.build() == EXAMPLE
    assert description.origin.username == "jdoe"
    assert (description.origin.session_id, description.origin.version) == (3724394400, 3724394405)
    audio, second, video = description.media
    assert (audio.kind, audio.port, second.port) == ("audio", 49170, 49180)
    assert formats_of(audio) == (Format("PCMU", 8000, payload_type=0),)
    assert formats_of(video) == (Format("h263-1998", 90000, payload_type=99),)
    assert description.connection(audio) == Connection("IN", "IP4", "198.51.100.1")
    assert description.connection(video) == Connection("IN", "IP6", "2001:db8::2")


HEAD = b"v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


@pytest.mark.parametrize(
    "tail",
    [
        b"y=unknown\r\nm=audio 4 RTP/AVP 0\r\ny=of the stream\r\n",
        b"a=x-unknown:with:colons and spaces \r\nm=audio 4 RTP/AVP 0\r\n",
        b"m=audio 4 RTP/AVP 0\r\na=after\r\nc=IN IP4 192.0.2.7\r\ni=out of order\r\n",
        b"m=audio 49170/2 RTP/AVP 31\r\n",
        b"b=X-YZ:128\r\nk=prompt\r\nm=audio 4 RTP/AVP 0\r\nb=AS:64\r\n",
        "m=audio 4 RTP/AVP 0\r\ni=Gespräch\r\n".encode(),
        b"m=audio 4 RTP/AVP 0\r\ni=\xff\xfe no UTF-8\r\n",
        b"m=audio 4 RTP/SAVPF 111\r\na=ice-ufrag:F7gI\r\na=candidate:1 1 udp 2130706431 192.0.2.1 8998 typ host\r\n",
        b"m=image 49170 udptl t38\r\na=T38FaxVersion:0\r\n",
        b"m=message 7394 TCP/MSRP *\r\na=path:msrp://alice.example.com:7394/2s93i9;tcp\r\n",
        b"",
    ],
)
def test_what_is_not_understood_stays_where_it_is(tail: bytes) -> None:
    assert parse(HEAD + tail).build() == HEAD + tail


def test_bare_line_feeds_are_taken() -> None:
    assert parse(EXAMPLE.replace(b"\r\n", b"\n")).build() == EXAMPLE


def test_empty_lines_around_the_description_are_dropped() -> None:
    assert parse(b"\r\n\n" + EXAMPLE + b"\r\n\r\n").build() == EXAMPLE


def test_a_last_line_without_an_end_is_taken() -> None:
    assert parse(EXAMPLE[:-2]).build() == EXAMPLE


@pytest.mark.parametrize(
    ("octets", "line", "why"),
    [
        (b"", 1, "begins with v=0"),
        (b"v=1\r\n", 1, "begins with v=0"),
        (b"v=0\r\ns=-\r\n", 2, "o= is missing"),
        (b"v=0\r\no=- 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n", 2, "a user name, two numbers"),
        (b"v=0\r\no=- x 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n", 2, "a user name, two numbers"),
        (b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nt=0 0\r\n", 3, "s= is missing"),
        (b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 4 RTP/AVP 0\r\n", 3, "t= is missing"),
        (HEAD + b"m=audio 4 RTP/AVP\r\n", 6, "at least one format"),
        (HEAD + b"m=audio 65536 RTP/AVP 0\r\n", 6, "up to 65535"),
        (HEAD + b"m=audio -1 RTP/AVP 0\r\n", 6, "up to 65535"),
        (HEAD + b"m=audio 4/0 RTP/AVP 0\r\n", 6, "from 1"),
        (HEAD + b"m=aud(io 4 RTP/AVP 0\r\n", 6, "tokens"),
        (HEAD + b"no line\r\n", 6, "a letter, an equals sign"),
        (HEAD + b"\r\nm=audio 4 RTP/AVP 0\r\n", 6, "a letter, an equals sign"),
        (b"\r\n" + HEAD + b"no line\r\n", 7, "a letter, an equals sign"),
        (HEAD + b"a=one\rtwo\r\n", 6, "CR or NUL"),
        (HEAD + b"a=one\0two\r\n", 6, "CR or NUL"),
        (HEAD + b"a=:value\r\n", 6, "has a name"),
        (HEAD + b"m=audio 4 RTP/AVP 0\r\nc=IN 192.0.2.1\r\n", 7, "address type and an address"),
        (HEAD.replace(b"c=IN IP4 192.0.2.1\r\n", b"") + b"m=audio 4 RTP/AVP 0\r\n", 5, "no c="),
        (HEAD + b"m=audio 4 RTP/AVP 0\r\n" * 65, 70, "more than 64"),
        (HEAD + b"a=x\r\n" * 5000, 4097, "more than 4096 lines"),
        (b"v" * 70000, 1, "65536 octets"),
    ],
)
def test_an_error_says_which_line_and_why(octets: bytes, line: int, why: str) -> None:
    with pytest.raises(SdpError, match=why) as caught:
        parse(octets)
    assert caught.value.line == line
    assert f"line {line}: " in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_stream_that_is_refused_needs_no_address() -> None:
    assert parse(HEAD.replace(b"c=IN IP4 192.0.2.1\r\n", b"") + b"m=audio 0 RTP/AVP 0\r\n").media[0].is_rejected


@pytest.mark.parametrize(
    ("lines", "formats"),
    [
        ("m=audio 4 RTP/AVP 0 0 8", [("PCMU", 8000, 1, None, 0), ("PCMA", 8000, 1, None, 8)]),
        ("m=audio 4 RTP/AVP 96 127 128 x", []),
        (
            "m=audio 4 RTP/AVP 111\na=rtpmap:111 opus/48000/2\na=fmtp:111 useinbandfec=1",
            [("opus", 48000, 2, "useinbandfec=1", 111)],
        ),
        ("m=audio 4 RTP/AVP 0\na=rtpmap:0 XYZ/16000", [("XYZ", 16000, 1, None, 0)]),
        ("m=audio 4 RTP/AVP 97\na=rtpmap:97 broken", []),
        ("m=audio 4 RTP/AVP 97\na=rtpmap:97 iLBC/0", []),
        (
            "m=audio 4 RTP/AVP 98\na=fmtp:98 0-15\na=rtpmap:98 telephone-event/8000",
            [("telephone-event", 8000, 1, "0-15", 98)],
        ),
    ],
)
def test_formats(lines: str, formats: list[tuple[object, ...]]) -> None:
    media = parse(HEAD + lines.replace("\n", "\r\n").encode() + b"\r\n").media[0]
    assert [(f.encoding, f.clock_rate, f.channels, f.parameters, f.payload_type) for f in formats_of(media)] == formats


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Format("PCMU", 8000), Format("pcmu", 8000), True),
        (Format("PCMU", 8000), Format("PCMU", 16000), False),
        (Format("opus", 48000, 2), Format("opus", 48000), False),
        (Format("opus", 48000, 2, "useinbandfec=1"), Format("opus", 48000, 2), True),
        (Format("H264", 90000, 1, "packetization-mode=1"), Format("H264", 90000), False),
        (
            Format("H264", 90000, 1, "profile-level-id=42e01f; packetization-mode=1"),
            Format("H264", 90000, 1, "packetization-mode=1;profile-level-id=42E034"),
            True,
        ),
        (
            Format("H264", 90000, 1, "profile-level-id=64001f"),
            Format("H264", 90000, 1, "profile-level-id=42e01f"),
            False,
        ),
    ],
)
def test_whether_two_formats_are_the_same(one: Format, other: Format, same: bool) -> None:
    assert one.matches(other) is same
    assert other.matches(one) is same


value = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["a", "rtpmap", "x-y0", "sendrecv", "fmtp"])
line = st.one_of(
    st.builds("{}={}".format, st.sampled_from("ibekpuwxyzZ"), value),
    st.builds("a={}:{}".format, NAMES, value),
    st.builds("a={}".format, NAMES),
)
media = st.builds(
    "m={} {} {} {}".format,
    st.sampled_from(["audio", "video", "image", "x-y"]),
    st.integers(0, 65535),
    st.sampled_from(["RTP/AVP", "udptl", "TCP/MSRP", "UDP/TLS/RTP/SAVPF"]),
    st.lists(st.text("0123456789az*", min_size=1, max_size=4), min_size=1, max_size=4).map(" ".join),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(line, max_size=6), st.lists(st.tuples(media, st.lists(line, max_size=6)), max_size=4))
def test_whatever_is_a_description_comes_out_as_it_went_in(
    session: list[str], streams: list[tuple[str, list[str]]]
) -> None:
    rows = [*session, *(row for first, rest in streams for row in (first, *rest))]
    octets = HEAD + "".join(row + "\r\n" for row in rows).encode()
    parsed = parse(octets)
    assert parsed.build() == octets
    assert len(parsed.media) == len(streams)
    for stream in parsed.media:
        formats_of(stream)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_octets_are_an_error_or_a_description(data: st.DataObject) -> None:
    octets = bytearray(EXAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(octets) - 1))
        octets[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        parsed = parse(bytes(octets))
    except SdpError:
        return
    assert parse(parsed.build()) == parsed
    assert all(formats_of(stream) is not None for stream in parsed.media)


def test_the_bodies_of_the_shared_messages_are_read_and_written_back() -> None:
    folder = Path(os.environ.get("DIALPLANE_SHARED", Path(__file__).parents[3] / "shared")) / "messages"
    read = 0
    for path in sorted(folder.glob("*.sip")):
        head, _, body = path.read_bytes().partition(b"\r\n\r\n")
        if b"application/sdp" not in head.lower() or b"multipart" in head.lower():
            continue
        try:
            parsed = parse(body)
        except SdpError:
            # Bodies such as "(SDP not shown)", and those that are broken on purpose.
            continue
        assert parsed.build().strip() == body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").strip(), path.name
        read += 1
    assert read > 170
