"""Offer and answer, RFC 3264: the whole table, every direction, hold, refusals, numbers, keys, versions."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.sdp import (
    SUITES,
    Attribute,
    Crypto,
    Direction,
    Format,
    GlareError,
    MomentError,
    Negotiation,
    NegotiationError,
    OverlapError,
    State,
    Stream,
    parse,
    parse_crypto,
)
from dialplane.sdp.negotiation import TABLE, Event

PCMU = Format("PCMU", 8000)
PCMA = Format("PCMA", 8000)
OPUS = Format("opus", 48000, 2, payload_type=111)
EVENTS = Format("telephone-event", 8000, parameters="0-15", payload_type=101)
H264 = Format("H264", 90000, parameters="packetization-mode=1")
AUDIO = Stream(label="audio", kind="audio", port=5004, formats=(PCMU, PCMA, EVENTS))
VIDEO = Stream(label="video", kind="video", port=5006, formats=(H264,))
HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"


def alter(stream: Stream, **fields: object) -> Stream:
    return msgspec.structs.replace(stream, **fields)


def pair() -> tuple[Negotiation, Negotiation]:
    return Negotiation(address="192.0.2.1", session_id=1), Negotiation(address="192.0.2.2", session_id=2)


def exchange(a: Negotiation, b: Negotiation, offered: list[Stream], answered: list[Stream]) -> tuple[bytes, bytes]:
    offer = a.offer(offered)
    b.receive_offer(offer)
    answer = b.answer(answered)
    a.receive_answer(answer)
    return offer, answer


def in_state(state: State) -> Negotiation:
    one, other = pair()
    if state is State.LOCAL_OFFER:
        one.offer([AUDIO])
    elif state is State.REMOTE_OFFER:
        one.receive_offer(other.offer([AUDIO]))
    return one


def cause(negotiation: Negotiation, event: Event) -> None:
    other = Negotiation(address="192.0.2.2", session_id=2)
    if event is Event.OFFER:
        negotiation.offer([AUDIO])
    elif event is Event.ANSWER:
        negotiation.answer([AUDIO])
    elif event is Event.RECEIVE_OFFER:
        negotiation.receive_offer(other.offer([AUDIO]))
    elif event is Event.RECEIVE_ANSWER:
        other.receive_offer(Negotiation(address="192.0.2.1", session_id=1).offer([AUDIO]))
        negotiation.receive_answer(other.answer([AUDIO]))
    else:
        negotiation.withdraw()


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(State)
    assert all(set(row) == set(Event) for row in TABLE.values())


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_event_in_every_state(state: State, event: Event) -> None:
    negotiation = in_state(state)
    after = TABLE[state][event]
    if isinstance(after, State):
        cause(negotiation, event)
        assert negotiation.state is after
    else:
        with pytest.raises(NegotiationError) as caught:
            cause(negotiation, event)
        assert type(caught.value) is after
        assert negotiation.state is state


@pytest.mark.parametrize(
    ("error", "response"), [(GlareError, 491), (OverlapError, 500), (MomentError, 500), (NegotiationError, 488)]
)
def test_the_sip_status_of_each_refusal(error: type[NegotiationError], response: int) -> None:
    assert error.response == response


# RFC 3264 §6.1: what is offered, what the answerer wants, what it answers.
@pytest.mark.parametrize(
    ("offered", "wanted", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendrecv", "inactive", "inactive"),
        ("sendonly", "sendrecv", "recvonly"),
        ("sendonly", "sendonly", "inactive"),
        ("sendonly", "recvonly", "recvonly"),
        ("sendonly", "inactive", "inactive"),
        ("recvonly", "sendrecv", "sendonly"),
        ("recvonly", "sendonly", "sendonly"),
        ("recvonly", "recvonly", "inactive"),
        ("recvonly", "inactive", "inactive"),
        ("inactive", "sendrecv", "inactive"),
        ("inactive", "sendonly", "inactive"),
        ("inactive", "recvonly", "inactive"),
        ("inactive", "inactive", "inactive"),
    ],
)
def test_directions(offered: str, wanted: str, answered: str) -> None:
    one, other = pair()
    _, answer = exchange(
        one, other, [alter(AUDIO, direction=Direction(offered))], [alter(AUDIO, direction=Direction(wanted))]
    )
    assert parse(answer).media[0].attribute(answered) == ""
    assert other.agreed[0].direction is Direction(answered)
    assert one.agreed[0].direction is Direction(answered).reversed()


@pytest.mark.parametrize(
    ("before", "held"), [("sendrecv", "sendonly"), ("recvonly", "inactive"), ("sendonly", "sendonly")]
)
def test_what_puts_a_stream_on_hold(before: str, held: str) -> None:
    """§8.4."""
    assert Direction(before).held is Direction(held)


def test_hold_and_resume_from_both_sides() -> None:
    """RFC 6337 §5.3."""
    one, other = pair()
    hold = alter(AUDIO, direction=Direction.SENDONLY)
    exchange(one, other, [AUDIO], [AUDIO])
    exchange(one, other, [hold], [AUDIO])
    assert (one.agreed[0].direction, other.agreed[0].direction) == (Direction.SENDONLY, Direction.RECVONLY)
    exchange(other, one, [hold], [hold])
    assert (one.agreed[0].direction, other.agreed[0].direction) == (Direction.INACTIVE, Direction.INACTIVE)
    exchange(one, other, [AUDIO], [hold])
    assert (one.agreed[0].direction, other.agreed[0].direction) == (Direction.RECVONLY, Direction.SENDONLY)
    exchange(other, one, [AUDIO], [AUDIO])
    assert (one.agreed[0].direction, other.agreed[0].direction) == (Direction.SENDRECV, Direction.SENDRECV)


@pytest.mark.parametrize(("attribute", "answered"), [(b"", "recvonly"), (b"a=recvonly\r\n", "inactive")])
def test_the_old_hold_is_understood(attribute: bytes, answered: str) -> None:
    """§8.4: with the address 0.0.0.0 nothing may be sent, not even RTCP."""
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(
        HEAD.replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 0.0.0.0") + b"m=audio 4000 RTP/AVP 0\r\n" + attribute
    )
    assert parse(one.answer([AUDIO])).media[0].attribute(answered) == ""
    assert one.agreed[0].remote is None
    assert one.agreed[0].remote_rtcp is None


def test_a_direction_of_the_session_holds_for_its_streams() -> None:
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(
        HEAD + b"a=inactive\r\nm=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        b"a=fmtp:96 packetization-mode=1\r\na=sendonly\r\n"
    )
    one.answer([AUDIO, VIDEO])
    assert [agreed.direction for agreed in one.agreed] == [Direction.INACTIVE, Direction.RECVONLY]


def test_formats_follow_the_order_of_the_offer() -> None:
    one, other = pair()
    _, answer = exchange(one, other, [alter(AUDIO, formats=(PCMA, EVENTS, PCMU))], [AUDIO])
    assert parse(answer).media[0].formats == ("8", "101", "0")
    assert [f.encoding for f in one.agreed[0].send] == ["PCMA", "telephone-event", "PCMU"]


def test_the_answer_keeps_the_numbers_of_the_offer() -> None:
    one, other = pair()
    theirs = (msgspec.structs.replace(OPUS, payload_type=96), msgspec.structs.replace(EVENTS, payload_type=97))
    exchange(one, other, [alter(AUDIO, formats=theirs)], [alter(AUDIO, formats=(OPUS, EVENTS))])
    assert [f.payload_type for f in other.agreed[0].receive] == [96, 97]
    # And later offers of the answerer give the same numbers to the same formats (§8.3.2).
    again = other.offer([alter(AUDIO, formats=(EVENTS, OPUS))])
    assert parse(again).media[0].formats == ("97", "96")


def test_a_number_is_never_given_to_another_format() -> None:
    """§8.3.2, also where the other side does so: then each sends with the numbers of the other."""
    one, other = pair()
    exchange(
        one,
        other,
        [alter(AUDIO, formats=(msgspec.structs.replace(OPUS, payload_type=96),))],
        [alter(AUDIO, formats=(OPUS,))],
    )
    ilbc = Format("iLBC", 8000)
    offer = HEAD + b"m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 iLBC/8000\r\n"
    other.receive_offer(offer)
    answer = parse(other.answer([alter(AUDIO, formats=(ilbc,))])).media[0]
    assert answer.formats != ("96",)
    assert [f.payload_type for f in other.agreed[0].send] == [96]
    assert [str(f.payload_type) for f in other.agreed[0].receive] == list(answer.formats)


def test_a_dynamic_number_is_found_beside_static_ones() -> None:
    many = tuple(Format(f"X{n}", 8000) for n in range(50))
    offer = Negotiation(address="192.0.2.1", session_id=1).offer([alter(AUDIO, formats=many)])
    numbers = [int(n) for n in parse(offer).media[0].formats]
    assert len(set(numbers)) == 50
    assert all(96 <= n < 128 or 35 <= n < 64 for n in numbers)
    with pytest.raises(NegotiationError, match="no payload type"):
        Negotiation(address="192.0.2.1", session_id=1).offer(
            [alter(AUDIO, formats=tuple(Format(f"X{n}", 8000) for n in range(70)))]
        )


def test_events_alone_are_no_stream_unless_nothing_else_was_offered() -> None:
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(HEAD + b"m=audio 4000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\n")
    with pytest.raises(NegotiationError, match="no stream"):
        one.answer([AUDIO])
    one.receive_offer(HEAD + b"m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n")
    one.answer([AUDIO])
    assert one.agreed[0].is_accepted


@pytest.mark.parametrize(
    "line",
    [
        b"m=audio 4000 RTP/AVP 18",
        b"m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + b"A" * 40,
        b"m=audio 4000 UDP/TLS/RTP/SAVPF 0",
        b"m=image 4000 udptl t38",
        b"m=audio 4000 RTP/AVP 999 x",
        b"m=text 4000 RTP/AVP 0",
    ],
)
def test_what_we_cannot_do_is_refused_alone_and_beside_what_we_can(line: bytes) -> None:
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(HEAD + line + b"\r\n")
    with pytest.raises(NegotiationError, match="no stream"):
        one.answer([AUDIO, VIDEO])
    assert one.state is State.STABLE
    one.receive_offer(HEAD + line + b"\r\nm=audio 4002 RTP/AVP 0\r\n")
    refused, taken = parse(one.answer([AUDIO, VIDEO])).media
    assert refused.is_rejected
    offered = parse(HEAD + line + b"\r\n").media[0]
    assert (refused.kind, refused.protocol, refused.formats) == (offered.kind, offered.protocol, offered.formats)
    assert taken.port == 5004
    assert [agreed.is_accepted for agreed in one.agreed] == [False, True]


def test_feedback_profiles_are_taken_with_the_plain_ones() -> None:
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(HEAD + b"m=audio 4000 RTP/AVPF 0\r\n")
    assert parse(one.answer([AUDIO])).media[0].protocol == "RTP/AVPF"


def test_what_is_passed_on_is_taken_with_the_parameters_of_the_offer() -> None:
    one, other = pair()
    flexible = alter(VIDEO, formats=(msgspec.structs.replace(H264, any_parameters=True),))
    theirs = "profile-level-id=64001f;packetization-mode=0"
    _, answer = exchange(
        one, other, [alter(VIDEO, formats=(msgspec.structs.replace(H264, parameters=theirs),))], [flexible]
    )
    assert parse(answer).media[0].attribute("fmtp") == f"96 {theirs}"
    exchange(*pair(), [flexible], [flexible])
    with pytest.raises(NegotiationError):
        exchange(*pair(), [VIDEO], [alter(VIDEO, formats=(msgspec.structs.replace(H264, parameters=theirs),))])


def test_several_streams_of_a_kind_each_find_their_line() -> None:
    one, other = pair()
    second = alter(AUDIO, label="second", port=6000)
    slides = alter(VIDEO, label="slides", port=6002)
    exchange(one, other, [AUDIO, VIDEO, second, slides], [VIDEO, slides, AUDIO, second])
    assert [agreed.label for agreed in other.agreed] == ["audio", "video", "second", "slides"]
    # Without the first, its line stays, with port 0, and the others stay where they are (§8.2).
    offer, _ = exchange(other, one, [slides, second, VIDEO], [AUDIO, VIDEO, second, slides])
    assert [(m.kind, m.port) for m in parse(offer).media] == [
        ("audio", 0),
        ("video", 5006),
        ("audio", 6000),
        ("video", 6002),
    ]
    assert [agreed.label for agreed in one.agreed] == [None, "video", "second", "slides"]
    # And comes back to the same line.
    offer, _ = exchange(other, one, [AUDIO, VIDEO, second, slides], [AUDIO, VIDEO, second, slides])
    assert [m.port for m in parse(offer).media] == [5004, 5006, 6000, 6002]


def test_a_stream_is_added_behind_the_others() -> None:
    one, other = pair()
    exchange(one, other, [AUDIO], [AUDIO])
    offer, answer = exchange(other, one, [VIDEO, AUDIO], [AUDIO])
    assert [m.kind for m in parse(offer).media] == ["audio", "video"]
    assert [m.port for m in parse(answer).media] == [5004, 0]
    # A refused line keeps its place in the offers of whoever refused it.
    assert [(m.kind, m.port) for m in parse(one.offer([AUDIO])).media] == [("audio", 5004), ("video", 0)]


def test_media_lines_never_get_fewer() -> None:
    one, other = pair()
    exchange(one, other, [AUDIO, VIDEO], [AUDIO, VIDEO])
    with pytest.raises(NegotiationError, match="1 media lines, the session 2"):
        other.receive_offer(HEAD + b"m=audio 4000 RTP/AVP 0\r\n")
    one.offer([AUDIO, VIDEO])
    with pytest.raises(NegotiationError, match="1 media lines, the offer 2"):
        one.receive_answer(HEAD + b"m=audio 4000 RTP/AVP 0\r\n")
    with pytest.raises(NegotiationError, match="offered as audio, answered as video"):
        one.receive_answer(HEAD + b"m=video 4000 RTP/AVP 0\r\nm=audio 4000 RTP/AVP 0\r\n")
    with pytest.raises(NegotiationError, match="none of the formats"):
        one.receive_answer(HEAD + b"m=audio 4000 RTP/AVP 18\r\nm=video 0 RTP/AVP 0\r\n")


def test_the_version_counts_changes_and_nothing_else() -> None:
    """§8: the version increments by one if anything is different, and only then."""
    one, other = pair()
    versions = []
    for streams in ([AUDIO], [AUDIO], [alter(AUDIO, direction=Direction.SENDONLY)], [AUDIO, VIDEO], [AUDIO, VIDEO]):
        offer, _ = exchange(one, other, streams, [AUDIO, VIDEO])
        versions.append(parse(offer).origin.version)
    assert versions == [1, 1, 2, 3, 3]
    origins = {parse(o).origin._replace(version=0) for o in exchange(one, other, [AUDIO], [AUDIO])}
    assert {origin.session_id for origin in origins} == {1, 2}


def test_a_refused_offer_leaves_everything_as_it_was() -> None:
    one, other = pair()
    exchange(one, other, [AUDIO], [AUDIO])
    before = one.agreed, other.agreed
    other.receive_offer(one.offer([alter(AUDIO, port=7000), VIDEO]))
    one.withdraw()
    other.withdraw()
    assert (one.agreed, other.agreed) == before
    offer, _ = exchange(one, other, [AUDIO], [AUDIO])
    assert len(parse(offer).media) == 1
    assert parse(offer).origin.version == 3


def test_times_are_those_of_the_offer() -> None:
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(
        HEAD.replace(b"t=0 0", b"t=3034423619 3042462419\r\nr=7d 1h 0 25h") + b"m=audio 4000 RTP/AVP 0\r\n"
    )
    answer = parse(one.answer([AUDIO]))
    assert (answer.session.values("t"), answer.session.values("r")) == (["3034423619 3042462419"], ["7d 1h 0 25h"])


def test_an_offer_without_media_is_answered_without() -> None:
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(HEAD)
    assert parse(one.answer([AUDIO])).media == ()


@pytest.mark.parametrize(
    ("ptime", "expected"), [(b"20", 20), (b"30.0", 30), (b"0", None), (b"x", None), (b"99999999", None), (b"", None)]
)
def test_ptime(ptime: bytes, expected: int | None) -> None:
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(HEAD + b"m=audio 4000 RTP/AVP 0\r\na=ptime:" + ptime + b"\r\na=maxptime:40\r\n")
    assert parse(one.answer([alter(AUDIO, ptime=40)])).media[0].attribute("ptime") == "40"
    assert (one.agreed[0].ptime, one.agreed[0].maxptime) == (expected, 40)


@pytest.mark.parametrize(
    ("attributes", "mux", "rtcp"),
    [
        (b"", False, ("192.0.2.9", 4001)),
        (b"a=rtcp:53020\r\n", False, ("192.0.2.9", 53020)),
        (b"a=rtcp:53020 IN IP4 192.0.2.77\r\n", False, ("192.0.2.77", 53020)),
        (b"a=rtcp:0\r\n", False, ("192.0.2.9", 4001)),
        (b"a=rtcp:nonsense\r\n", False, ("192.0.2.9", 4001)),
        (b"a=rtcp-mux\r\n", True, ("192.0.2.9", 4000)),
    ],
)
def test_where_rtcp_goes(attributes: bytes, mux: bool, rtcp: tuple[str, int]) -> None:
    """RFC 3605, RFC 5761."""
    one = Negotiation(address="192.0.2.1", session_id=1)
    one.receive_offer(HEAD + b"m=audio 4000 RTP/AVP 0\r\n" + attributes)
    answer = parse(one.answer([alter(AUDIO, rtcp_mux=True, rtcp_port=9)])).media[0]
    assert (answer.attribute("rtcp-mux") is not None) is mux
    assert answer.attribute("rtcp") == "9"
    assert (one.agreed[0].rtcp_mux, one.agreed[0].remote_rtcp) == (mux, rtcp)


def test_candidates_are_kept_for_whoever_wants_them() -> None:
    one = Negotiation(address="192.0.2.1", session_id=1)
    candidate = "1 1 udp 2130706431 192.0.2.9 8998 typ host"
    one.receive_offer(HEAD + f"m=audio 4000 RTP/AVP 0\r\na=ice-ufrag:8hhY\r\na=candidate:{candidate}\r\n".encode())
    ours = (Attribute("ice-ufrag", "9uB6"), Attribute("candidate", "2 1 udp 1 192.0.2.1 5004 typ host"))
    answer = parse(one.answer([alter(AUDIO, attributes=ours)])).media[0]
    assert [a for a in answer.attributes() if a in ours] == list(ours)
    theirs = one.agreed[0].theirs
    assert theirs is not None
    assert theirs.attribute_values("candidate") == [candidate]


def secure(*suites: str) -> Stream:
    keys = tuple(Crypto.generate(number, suite) for number, suite in enumerate(suites, 1))
    return alter(AUDIO, protocols=("RTP/SAVP", "RTP/AVP"), crypto=keys)


def test_keys_are_exchanged() -> None:
    one, other = pair()
    alice, bob = secure("AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"), secure("AES_CM_128_HMAC_SHA1_80")
    _, answer = exchange(one, other, [alice], [bob])
    assert parse(answer).media[0].protocol == "RTP/SAVP"
    sends, receives = one.agreed[0].send_crypto, one.agreed[0].receive_crypto
    assert sends == alice.crypto[1]
    assert receives is not None
    assert (receives.tag, receives.key) == (2, bob.crypto[0].key)
    assert (other.agreed[0].send_crypto, other.agreed[0].receive_crypto) == (receives, sends)
    assert repr(alice.crypto[0]) == "Crypto(tag=1, suite='AEAD_AES_256_GCM', key=…)"


def test_a_plain_offer_gets_a_plain_answer_where_that_is_allowed() -> None:
    one, other = pair()
    exchange(one, other, [AUDIO], [secure("AES_CM_128_HMAC_SHA1_80")])
    assert other.agreed[0].send_crypto is None
    strict = alter(secure("AES_CM_128_HMAC_SHA1_80"), protocols=("RTP/SAVP",))
    with pytest.raises(NegotiationError):
        exchange(*pair(), [AUDIO], [strict])


def test_an_answer_without_a_key_is_no_answer() -> None:
    one, _ = pair()
    one.offer([secure("AES_CM_128_HMAC_SHA1_80")])
    with pytest.raises(NegotiationError, match="no key"):
        one.receive_answer(HEAD + b"m=audio 4000 RTP/SAVP 0\r\n")


def test_no_common_suite_is_a_refusal() -> None:
    """RFC 4568 §5.1.2."""
    with pytest.raises(NegotiationError):
        exchange(*pair(), [secure("AEAD_AES_128_GCM")], [secure("AES_CM_128_HMAC_SHA1_80")])


KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}", True),
        (f"1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20", True),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576", True),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^4", False),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^49", False),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4", False),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4", False),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} -ignored", True),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP", False),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1", False),
        (f"1 F8_128_HMAC_SHA1_80 inline:{KEY}", False),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}", False),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z", False),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:!!!!", False),
        ("1 AES_CM_128_HMAC_SHA1_80", False),
        ("x AES_CM_128_HMAC_SHA1_80 inline:" + KEY, False),
        ("", False),
    ],
)
def test_which_keys_are_taken(value: str, taken: bool) -> None:
    """The key is that of RFC 4568 §7.1.5."""
    assert (parse_crypto(value) is not None) is taken


@pytest.mark.parametrize("suite", SUITES)
def test_a_key_is_read_as_it_was_written(suite: str) -> None:
    key = Crypto.generate(7, suite)
    assert parse_crypto(key.value) == key
    assert Crypto.generate(7, suite) != key


formats = st.lists(
    st.sampled_from([PCMU, PCMA, OPUS, EVENTS, Format("G722", 8000), Format("iLBC", 8000)]),
    min_size=1,
    max_size=6,
    unique=True,
)
streams = st.lists(
    st.builds(
        lambda label, formats, direction, mux: Stream(
            label=label,
            kind="video" if label.startswith("v") else "audio",
            port=4000,
            formats=tuple(formats),
            direction=direction,
            rtcp_mux=mux,
        ),
        st.sampled_from(["a1", "a2", "v1", "v2"]),
        formats,
        st.sampled_from(Direction),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda stream: stream.label,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), streams, streams), min_size=1, max_size=5))
def test_both_ends_always_agree(rounds: list[tuple[bool, list[Stream], list[Stream]]]) -> None:
    one, other = pair()
    lines: list[str] = []
    given_numbers: dict[tuple[bool, int, int], Format] = {}
    for first, offered, answered in rounds:
        a, b = (one, other) if first else (other, one)
        offer = a.offer(offered)
        kinds = [media.kind for media in parse(offer).media]
        assert kinds[: len(lines)] == lines
        lines = kinds
        b.receive_offer(offer)
        try:
            answer = b.answer(answered)
        except NegotiationError:
            a.withdraw()
            lines = lines[: len(a.agreed)]
            continue
        a.receive_answer(answer)
        assert len(a.agreed) == len(b.agreed) == len(lines)
        for number, (ours, theirs) in enumerate(zip(a.agreed, b.agreed, strict=True)):
            assert ours.is_accepted == theirs.is_accepted
            if not ours.is_accepted:
                continue
            assert ours.direction is theirs.direction.reversed()
            assert ours.rtcp_mux == theirs.rtcp_mux
            for here, there, side in ((ours, theirs, first), (theirs, ours, not first)):
                # Whatever one may send, the other receives, under the same number.
                receives = {f.payload_type: f for f in there.receive}
                assert here.send
                assert all(receives[f.payload_type].matches(f) for f in here.send)
                for format_ in here.receive:
                    known = given_numbers.setdefault((side, number, format_.payload_type or 0), format_)
                    assert known.matches(format_)
