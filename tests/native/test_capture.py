"""Captures and buffers of frames: every message once, with where it came from, also from several threads."""

from __future__ import annotations

import gc
import shutil
import subprocess
import threading
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane_native import (
    Batch,
    Batches,
    BuildError,
    CaptureError,
    Essentials,
    Limits,
    Message,
    Packet,
    Statistics,
    count,
    parse,
    parse_many,
)

from .captures import LINK_ETHERNET, ethernet, ip, pcap, tcp, udp
from .samples import ALL, INVITE, REGISTER, RINGING, SHARED

if TYPE_CHECKING:
    from pathlib import Path

RTP = b"\x80\x00" + bytes(170)
CAPTURE = pcap(
    [
        ip(udp(INVITE, 5062)),
        ip(udp(RTP)),
        ip(udp(b"no SIP at all")),
        ip(udp(RINGING, 5060, 5062), source="2001:db8::1", destination="2001:db8::2"),
        ip(tcp(REGISTER[:100], 1), 6),
        ip(tcp(REGISTER[100:] + INVITE, 101), 6),
    ]
)
MESSAGES = [INVITE, RINGING, REGISTER, INVITE]


def packets(batches: Batches) -> list[Packet]:
    return [packet for batch in batches for packet in batch]


def test_a_capture() -> None:
    found = packets(parse_many(CAPTURE))
    assert [packet.raw for packet in found] == MESSAGES
    assert [packet.message for packet in found] == [parse(data) for data in MESSAGES]
    first, ringing, register, _ = found
    assert (first.source, first.destination, first.transport) == (("192.0.2.1", 5062), ("192.0.2.2", 5060), "UDP")
    assert (ringing.source, ringing.destination) == (("2001:db8::1", 5060), ("2001:db8::2", 5062))
    assert (register.transport, register.number, register.time_ns) == ("TCP", 5, 1_700_000_000_005_000_000)
    assert register.time == 1_700_000_000.005
    assert first.message is first.message
    assert repr(first) == f"<Packet 0, UDP 192.0.2.1:5062 to 192.0.2.2:5060: {first.message!r}>"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_sizes_of_batches(size: int) -> None:
    batches = list(parse_many(CAPTURE, size=size))
    assert all(0 < len(batch) <= size for batch in batches)
    assert [packet.raw for batch in batches for packet in batch] == MESSAGES


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(CAPTURE)
    for source in (path, str(path), CAPTURE, bytearray(CAPTURE), memoryview(b"--" + CAPTURE)[2:]):
        assert [packet.raw for packet in packets(parse_many(source))] == MESSAGES
        assert count(source).messages == 4
    with pytest.raises(FileNotFoundError):
        parse_many(tmp_path / "none")
    empty = tmp_path / "empty"
    empty.touch()
    for wrong in (empty, b"", b"neither"):
        for reader in (parse_many, count):
            with pytest.raises(CaptureError, match=r"^Neither a pcap nor a pcapng capture$") as caught:
                reader(wrong)
            assert caught.value.kind == "not-a-capture"


def test_a_sequence() -> None:
    (batch,) = parse_many(CAPTURE)
    assert (len(batch), batch[0].raw, batch[-1].raw) == (4, INVITE, INVITE)
    for place in (4, -5):
        with pytest.raises(IndexError):
            batch[place]
    assert repr(batch) == "<Batch of 4>"


def test_what_is_told_of_the_capture() -> None:
    batches = parse_many(CAPTURE)
    list(batches)
    assert batches.refused == 1
    assert batches.capture == count(CAPTURE).capture
    expected = {"frames": 6, "datagrams": 4, "other_datagrams": 1, "segments": 2, "is_truncated": 0, "fragments": 0}
    assert expected.items() <= batches.capture.items()
    assert count(CAPTURE[:-1]).capture["is_truncated"] == 1


def test_columns() -> None:
    (batch,) = parse_many(CAPTURE)
    methods, statuses, branches, times = batch.columns("method", "status", "branch", "time")
    assert methods == ["INVITE", None, "REGISTER", "INVITE"]
    assert statuses == [None, 180, None, None]
    assert branches == [packet.message.top_via.branch for packet in batch]
    assert times == [packet.time for packet in batch]
    names = Essentials.__match_args__
    rows = list(zip(*batch.columns(*names), strict=True))
    assert rows == [tuple(packet.message.essentials()) for packet in batch]
    travel = ("number", "time", "source", "destination", "transport")
    assert list(zip(*batch.columns(*travel), strict=True)) == [
        tuple(getattr(packet, name) for name in travel) for packet in batch
    ]
    assert batch.columns() == ()
    assert batch.header("k") == ["replaces, timer", None, None, "replaces, timer"]
    assert batch.header("from")[1] == "Alice <sip:alice@atlanta.com>;tag=1928301774", "the fold is one blank"
    with pytest.raises(ValueError, match=r'^no column "nonsense"; there are method, '):
        batch.columns("nonsense")  # type: ignore[arg-type]
    with pytest.raises(BuildError):
        batch.header("No Name")


def test_columns_of_what_cannot_be_read() -> None:
    bare = b"OPTIONS sip:a@b SIP/2.0\r\nCSeq: x\r\n\r\n"
    (batch,) = parse_many(bare, ends=[len(bare)])
    row = [column[0] for column in batch.columns(*Essentials.__match_args__)]
    assert row == ["OPTIONS", None, "sip:a@b", *[None] * 9]


def test_frames() -> None:
    frames = [INVITE, b"nonsense", b"", REGISTER]
    whole, ends = b"".join(frames), list(accumulate(map(len, frames)))
    batches = parse_many(whole, ends=ends)
    (batch,) = batches
    assert [(packet.number, packet.raw) for packet in batch] == [(0, INVITE), (3, REGISTER)]
    assert batches.refused == 2
    assert batches.capture == {}
    packet = batch[0]
    assert (packet.time, packet.time_ns, packet.source, packet.destination, packet.transport) == (None,) * 5
    assert repr(packet) == f"<Packet 0: {packet.message!r}>"
    assert batch.columns("number", "time", "source") == ([0, 3], [None, None], [None, None])
    assert count(whole, ends=ends).requests == {"INVITE": 1, "REGISTER": 1}
    for wrong in ([5, 4], [len(whole) + 1]):
        with pytest.raises(ValueError, match=r"^ends must rise"):
            parse_many(whole, ends=wrong)


def test_count() -> None:
    weird = RINGING.replace(b"180 Ringing", b"699 Odd").replace(b"314159 INVITE", b"1 FOO")
    unreadable = RINGING.replace(b"314159 INVITE", b"x")
    faulty = INVITE.replace(b"Length: 5", b"Length: 99")
    foo = INVITE.replace(b"INVITE", b"FOO")
    statistics = count(pcap([ip(udp(data)) for data in (*ALL, weird, unreadable, faulty, foo, RTP, b"nonsense")]))
    assert isinstance(statistics, Statistics)
    assert statistics.messages == 7
    assert statistics.requests == {"INVITE": 2, "REGISTER": 1, "FOO": 1}
    assert statistics.responses == {180: 2, 699: 1}
    assert statistics.answers == {("INVITE", 180): 1, ("FOO", 699): 1, (None, 180): 1}
    assert (statistics.faulty, statistics.refused) == (1, 1)
    assert repr(statistics).startswith("<Statistics, 7 messages, requests={")


@pytest.mark.parametrize("reader", [parse_many, count])
def test_wrong_arguments(reader: Any) -> None:
    with pytest.raises(ValueError, match=r"size must be|threads must be"):
        reader(CAPTURE, **{"size": 0} if reader is parse_many else {"threads": 0})
    with pytest.raises(TypeError):
        reader(7)


def test_limits() -> None:
    assert packets(parse_many(CAPTURE, limits=Limits(message=10))) == []
    many = INVITE.replace(b"Max-", b"X: 1\r\n" * 300 + b"Max-")
    (packet,) = packets(parse_many(many, ends=[len(many)], limits=Limits(fields=400)))
    assert len(packet.message.headers) == 311


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_count_the_same(threads: int) -> None:
    capture = pcap([ip(udp(ALL[number % 3])) for number in range(3000)])
    statistics = count(capture, threads=threads)
    assert statistics.requests == {"INVITE": 1000, "REGISTER": 1000}
    assert statistics.responses == {180: 1000}


def test_threads_share_the_batches() -> None:
    capture = pcap([ip(udp(ALL[number % 3])) for number in range(3000)])
    batches = parse_many(capture, size=50)
    seen: list[Batch] = []

    def work() -> None:
        seen.extend(batches)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(number for batch in seen for number in batch.columns("number")[0])
    assert numbers == list(range(3000))
    assert Counter(packet.message.method for batch in seen for packet in batch) == {
        "INVITE": 1000, None: 1000, "REGISTER": 1000,
    }  # fmt: skip


def test_a_message_keeps_its_capture() -> None:
    capture = bytearray(CAPTURE)
    message: Message = next(iter(parse_many(capture)))[0].message
    gc.collect()
    with pytest.raises(BufferError):
        capture.clear()
    assert message.call_id == "a84b4c76e66710"
    del message
    gc.collect()
    capture.clear()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_spoilt_captures_are_read_to_their_end(data: st.DataObject) -> None:
    capture = bytearray(CAPTURE)
    for _ in range(data.draw(st.integers(1, 8))):
        capture[data.draw(st.integers(24, len(capture) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(24, len(capture)))
    found = packets(parse_many(bytes(capture[:end])))
    assert len(found) == count(bytes(capture[:end])).messages
    for packet in found:
        assert packet.message.raw in packet.raw


@pytest.mark.skipif(not (SHARED / "messages").is_dir(), reason="the shared messages are not there")
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_the_same_as_tshark(tmp_path: Path) -> None:
    """What another dissector says of the same capture, for the messages that both take for SIP."""
    messages = [path.read_bytes() for path in sorted((SHARED / "messages").glob("*.sip"))]
    messages = [data for data in messages if len(data) < 60_000]
    path = tmp_path / "all.pcap"
    path.write_bytes(pcap([ethernet(ip(udp(data))) for data in messages], LINK_ETHERNET))
    fields = ["frame.number", "sip.Method", "sip.Status-Code", "sip.Call-ID"]
    arguments = [argument for field in fields for argument in ("-e", field)]
    command = ["tshark", "-r", str(path), "-Y", "sip", "-T", "fields", "-E", "occurrence=f", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    theirs = {int(row.split("\t")[0]) - 1: row.split("\t")[1:] for row in done.stdout.splitlines()}
    ours = {}
    for batch in parse_many(path):
        for number, *row in zip(*batch.columns("number", "method", "status", "call_id"), strict=True):
            ours[number] = ["" if value is None else str(value) for value in row]
    both = ours.keys() & theirs.keys()
    assert len(both) >= 0.95 * len(messages)
    different = {number: (ours[number], theirs[number]) for number in both if ours[number] != theirs[number]}
    assert len(different) <= 0.02 * len(both), different
