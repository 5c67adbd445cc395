"""RFC 4317 from both ends: as the answerer we write the answers printed there, as the offerer we take them."""

from __future__ import annotations

import pytest

from dialplane.sdp import Direction, Media, Negotiation, Stream, formats_of, parse

from .rfc4317 import HOSTS, SECTIONS, whole

CASES = [(section, number) for section, rounds in SECTIONS.items() for number in range(len(rounds))]


def streams(description: bytes) -> list[Stream]:
    """What its author can do: the streams of a description, by the number of their line."""
    parsed = parse(description)
    found = []
    for number, media in enumerate(parsed.media):
        if media.is_rejected:
            continue
        connection = media.connection
        found.append(
            Stream(
                label=f"line {number}",
                kind=media.kind,
                port=media.port,
                address=connection.address if connection else None,
                formats=formats_of(media),
                direction=direction(media),
            )
        )
    return found


def direction(media: Media) -> Direction:
    return next((d for d in Direction if media.attribute(d.value) is not None), Direction.SENDRECV)


def essence(octets: bytes) -> list[object]:
    """What the examples are about; a refused line says nothing but that."""
    return [
        media.kind
        if media.is_rejected
        else (
            media.kind,
            media.port,
            media.connection,
            [(f.encoding, f.clock_rate) for f in formats_of(media)],
            direction(media),
        )
        for media in parse(octets).media
    ]


@pytest.mark.parametrize(("section", "number"), CASES)
def test_descriptions_come_out_as_they_went_in(section: str, number: int) -> None:
    round_ = SECTIONS[section][number]
    for user, media in ((round_.offerer, round_.offer), ("bob", round_.answer)):
        octets = whole(user, media)
        assert parse(octets).build() == octets


@pytest.mark.parametrize("section", SECTIONS)
def test_both_ends_of_the_section(section: str) -> None:
    ends = {user: Negotiation(address=HOSTS[user], session_id=1, username=user) for user in HOSTS}
    for number, (offerer, offer, answer) in enumerate(SECTIONS[section]):
        answerer = "bob" if offerer == "alice" else "alice"
        printed = whole(answerer, answer, number)
        ours = ends[offerer].offer(streams(whole(offerer, offer)))
        if not offer.startswith("c="):
            assert essence(ours) == essence(whole(offerer, offer))
        ends[answerer].receive_offer(whole(offerer, offer, number))
        if section == "2.2" and number == 1:
            # "only the media lines whose ports are not zero": the refused line stays refused.
            assert parse(ours).media[1].is_rejected
        answered = ends[answerer].answer(streams(printed))
        if (section, number) == ("3.2", 1):
            assert essence(answered)[0] != essence(printed)[0]
            assert ends[answerer].agreed[0].direction is Direction.RECVONLY
        elif offer.startswith("c="):
            assert ends[answerer].agreed[0].remote is None
            assert not ends[answerer].agreed[0].direction.sends
        else:
            assert essence(answered) == essence(printed)
        agreed = ends[offerer].receive_answer(printed)
        assert [a.is_accepted for a in agreed] == [a.is_accepted for a in ends[answerer].agreed]
        if (section, number) == ("3.2", 1):
            assert agreed[0].direction is Direction.SENDONLY


def test_a_renumbered_codec_is_sent_with_the_numbers_of_the_other_side() -> None:
    """§2.3: iLBC is 97 in the offer and 99 in the answer."""
    alice = Negotiation(address="192.0.2.1", session_id=1)
    round_ = SECTIONS["2.3"][0]
    alice.offer(streams(whole("alice", round_.offer)))
    audio = alice.receive_answer(whole("bob", round_.answer))[0]
    assert [f.payload_type for f in audio.send] == [99]
    assert {f.payload_type: f.encoding for f in audio.receive} == {0: "PCMU", 8: "PCMA", 97: "iLBC"}


def test_a_stream_of_its_own_address_is_sent_there() -> None:
    """§2.8: video goes to another host than audio."""
    alice = Negotiation(address="192.0.2.1", session_id=1)
    round_ = SECTIONS["2.8"][0]
    alice.offer(streams(whole("alice", round_.offer)))
    audio, video = alice.receive_answer(whole("bob", round_.answer))
    assert audio.remote == ("host.biloxi.example.com", 49174)
    assert video.remote == ("otherhost.biloxi.example.com", 49172)
