"""RTCP and the statistics behind it: RFC 3550 §6, Appendices A.1, A.3, A.8; octets as the RFC draws them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.media import rtcp
from dialplane.media.reception import MIN_SEQUENTIAL, Reception, ReportBlock

BLOCK = ReportBlock(
    ssrc=0x11223344, fraction_lost=64, lost=-2, highest=0x10005, jitter=80, last_report=0xB7058000, delay=0x00058000
)


def test_a_sender_report_is_laid_out_as_drawn() -> None:
    """§6.4.1."""
    octets = rtcp.build([rtcp.SenderReport(0xDEADBEEF, 0x0102030405060708, 0x0A0B0C0D, 3, 480, (BLOCK,))])
    assert octets.hex(" ", 4) == (
        "81c8000c deadbeef 01020304 05060708 0a0b0c0d 00000003 000001e0 "
        "11223344 40fffffe 00010005 00000050 b7058000 00058000"
    )


def test_a_description_and_a_bye_are_laid_out_as_drawn() -> None:
    """§6.5 and §6.6: items end in a null octet and the chunk at a multiple of four."""
    chunk = (0x01020304, ((rtcp.CNAME, b"ab"), (2, b"c")))
    assert rtcp.build([rtcp.SourceDescription((chunk,))]).hex(" ", 4) == "81ca0003 01020304 01026162 02016300"
    assert (
        rtcp.build([rtcp.SourceDescription(((5, ((1, b"abcd"),)),))]).hex(" ", 4)
        == "81ca0003 00000005 01046162 63640000"
    )
    assert rtcp.build([rtcp.Bye((7,), b"late")]).hex(" ", 4) == "81cb0003 00000007 046c6174 65000000"


words = st.integers(0, 2**32 - 1)
blocks = st.lists(
    st.builds(ReportBlock, words, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), words, words, words, words),
    max_size=3,
).map(tuple)
item = st.tuples(st.integers(1, 8), st.binary(max_size=20))
packets = st.one_of(
    st.builds(rtcp.SenderReport, words, st.integers(0, 2**64 - 1), words, words, words, blocks),
    st.builds(rtcp.ReceiverReport, words, blocks),
    st.builds(
        rtcp.SourceDescription, st.lists(st.tuples(words, st.lists(item, max_size=3).map(tuple)), max_size=3).map(tuple)
    ),
    st.builds(rtcp.Bye, st.lists(words, max_size=3).map(tuple), st.binary(max_size=9)),
    st.builds(rtcp.Other, st.sampled_from([204, 205, 206, 207]), st.integers(0, 5).map(lambda n: bytes(4 * n))),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(packets, max_size=4))
def test_what_is_written_is_read_back(rest: list[rtcp.Packet]) -> None:
    compound = [rtcp.ReceiverReport(1, (BLOCK,)), *rest]
    assert rtcp.parse(rtcp.build(compound)) == compound


@settings(max_examples=300, deadline=None)
@given(st.lists(packets, max_size=3), st.data())
def test_damaged_packets_are_none_or_packets(rest: list[rtcp.Packet], data: st.DataObject) -> None:
    octets = bytearray(rtcp.build([rtcp.ReceiverReport(1), *rest]))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(octets)))
    found = rtcp.parse(bytes(octets[:cut]))
    assert found is None or found


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "80c90001",  # its body is missing
        "40c9000100000001",  # version 1
        "80ca000100000001",  # does not begin with a report (A.2)
        "81c9000100000001",  # a block is promised
        "80c800010000000100",
        "a0c900020000000100000000",  # padding of no length
    ],
)
def test_what_is_no_compound_packet(octets: str) -> None:
    assert rtcp.parse(bytes.fromhex(octets)) is None


def test_round_trip_of_the_example() -> None:
    """§6.4.1, Figure 2: 6.125 seconds."""
    block = ReportBlock(1, 0, 0, 0, 0, last_report=0xB7052000, delay=0x00054000)
    assert rtcp.round_trip(block, 0xB7108000) == 6.125
    assert rtcp.round_trip(ReportBlock(1, 0, 0, 0, 0, 0, 0), 5) is None


def test_reports_are_spread() -> None:
    """A.7: half to one and a half of five seconds, divided by e - 3/2; the first after half of that."""
    spread = [rtcp.interval(random.Random(seed).random(), first=False) for seed in range(200)]
    assert min(spread) >= 2.5 / 1.21828
    assert max(spread) <= 7.5 / 1.21828
    assert rtcp.interval(0.5, first=True) == pytest.approx(rtcp.interval(0.5, first=False) / 2)


def source(first: int = 100) -> Reception:
    reception = Reception(1, first, 8000)
    for number in range(MIN_SEQUENTIAL):
        reception.sequence((first + number) % 65536)
    return reception


def test_a_source_has_to_send_two_in_order() -> None:
    reception = Reception(1, 10, 8000)
    assert not reception.sequence(10)
    assert not reception.sequence(12)
    assert not reception.is_valid
    assert reception.sequence(13)
    assert reception.is_valid
    assert (reception.received, reception.expected) == (1, 1)


def test_numbers_wrap() -> None:
    reception = source(65530)
    for number in range(65532, 65532 + 20):
        assert reception.sequence(number % 65536)
    assert reception.highest == 65536 + 15
    assert reception.lost == 0


def test_loss_is_counted_since_the_beginning_and_since_the_last_report() -> None:
    reception = source()
    for number in range(102, 202):
        if number % 4:
            reception.sequence(number)
    first = reception.report(0.0)
    assert first.lost == 25
    assert first.fraction_lost == pytest.approx(64, abs=1)
    for number in range(202, 302):
        reception.sequence(number)
    second = reception.report(0.0)
    assert (second.lost, second.fraction_lost) == (25, 0)


def test_duplicates_count_against_loss() -> None:
    reception = source()
    for _ in range(5):
        reception.sequence(101)
    assert reception.lost == -5
    assert reception.report(0.0).fraction_lost == 0


def test_a_leap_needs_two_in_order() -> None:
    reception = source()
    assert not reception.sequence(40000)
    assert not reception.sequence(50000)
    assert reception.sequence(50001)
    assert reception.highest == 50001


def test_jitter_is_the_mean_deviation() -> None:
    """A.8: with every other packet 10 ms late, the difference is 80 ticks each time."""
    reception = source()
    for number in range(400):
        reception.timing(number * 160, number * 0.02 + (0.01 if number % 2 else 0.0))
    assert reception.jitter == pytest.approx(80, rel=0.01)
    steady = source()
    for number in range(400):
        steady.timing((2**32 - 8000 + number * 160) % 2**32, number * 0.02)
    assert steady.jitter == pytest.approx(0, abs=0.01)


def test_packets_of_one_timestamp_say_nothing_about_jitter() -> None:
    reception = source()
    for number in range(100):
        reception.timing(number // 10 * 1600, number * 0.02)
    assert reception.jitter == pytest.approx(0, abs=0.01)


def test_reports_refer_to_the_last_sender_report() -> None:
    reception = source()
    assert reception.report(9.0).last_report == 0
    reception.sender_report(0xB7058000, 10.0)
    block = reception.report(15.25)
    assert (block.last_report, block.delay) == (0xB7058000, 0x00054000)
