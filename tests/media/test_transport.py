"""Sockets, batches and the clock: the parts of media that touch the system."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from dialplane.errors import SystemResourceError
from dialplane.media import rtcp, rtp
from dialplane.media.clock import MAX_BEHIND, TICK, Clock
from dialplane.media.transport import Transport, open_pair
from dialplane.media.wire import Outbox, Port, Ticker, now


def port(family: socket.AddressFamily = socket.AF_INET) -> Port:
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    opened.bind(("127.0.0.1" if family is socket.AF_INET else "::1", 0))
    return Port(opened)


def address(of: Port) -> tuple[str, int]:
    return of.socket.getsockname()[:2]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_datagrams_go_out_together_and_come_with_their_time_and_source(family: socket.AddressFamily) -> None:
    one, other, stranger = port(family), port(family), port(family)
    one.direct(address(other))
    other.direct(address(one))
    stranger.direct(address(other))
    outbox = Outbox()
    for number in range(40):
        outbox.put(one, bytes([number]))
    outbox.put(stranger, b"strange")
    before = now()
    assert outbox.flush() == 41
    after = now()
    found = other.receive()
    assert [octets for octets, _, _ in found] == [*(bytes([number]) for number in range(40)), b"strange"]
    assert all(before - 0.001 <= arrival <= after + 0.001 for _, arrival, _ in found)
    assert [source for _, _, source in found] == [None] * 40 + [address(stranger)]
    assert other.receive() == []
    assert outbox.flush() == 0
    for each in (one, other, stranger):
        each.close()


def test_a_port_directed_to_nobody_sends_nothing() -> None:
    one, outbox = port(), Outbox()
    outbox.put(one, b"x")
    assert outbox.flush() == 0
    with pytest.raises(ValueError, match="no IP address"):
        one.direct(("pbx.example.com", 5004))
    assert one.remote is None
    one.close()


def test_what_the_kernel_refuses_is_counted_and_the_rest_is_sent() -> None:
    one, other, far = port(), port(), port()
    one.direct(address(other))
    far.direct(address(other))
    outbox = Outbox()
    outbox.put(far, b"lost")
    far.close()  # between the turn and the batch
    outbox.put(one, bytes(70000))
    outbox.put(one, b"kept")
    assert outbox.flush() == 1
    assert one.failed == 1
    assert [octets for octets, _, _ in other.receive()] == [b"kept"]
    for each in (one, other):
        each.close()


def test_datagrams_that_are_too_long_are_dropped() -> None:
    one, other = port(), port()
    other.socket.sendto(bytes(1601), address(one))
    other.socket.sendto(bytes(1600), address(one))
    assert [len(octets) for octets, _, _ in one.receive()] == [1600]
    assert one.truncated == 1
    for each in (one, other):
        each.close()


def test_a_refusal_from_the_way_does_not_end_the_port() -> None:
    """An ICMP port unreachable comes up at the next call; the other side may open its port later."""
    one, other = port(), port()
    one.socket.connect(address(other))
    other_address = address(other)
    other.close()
    one.socket.send(b"to nobody")
    one.receive()
    again = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    again.bind(other_address)
    again.sendto(b"now", address(one))
    found = one.receive() or one.receive()
    assert [octets for octets, _, _ in found] == [b"now"]
    again.close()
    one.close()


def test_a_ticker_counts_what_was_missed() -> None:
    ticker = Ticker(0.01)
    assert ticker.ticks() == 0
    time.sleep(0.035)
    assert 3 <= ticker.ticks() <= 5
    ticker.close()
    with pytest.raises(ValueError, match="more than nothing"):
        Ticker(0)


def test_ports_are_an_even_and_the_next() -> None:
    pair = open_pair("127.0.0.1")
    first, second = (one.getsockname()[1] for one in pair)
    assert first % 2 == 0
    assert second == first + 1
    with pytest.raises(SystemResourceError, match="no pair of free UDP ports"):
        open_pair("127.0.0.1", (first, second))
    with pytest.raises(SystemResourceError, match="hold no pair"):
        open_pair("127.0.0.1", (first, first))
    for one in pair:
        one.close()


def transports() -> tuple[Transport, Transport, Outbox]:
    one, other = Transport("127.0.0.1", cname="one"), Transport("127.0.0.1", cname="other")
    for here, there in ((one, other), (other, one)):
        here.direct(("127.0.0.1", there.port), ("127.0.0.1", there.port + 1), mux=False, clock_rate=8000)
    return one, other, Outbox()


def test_reports_go_back_and_forth_and_tell_the_round_trip() -> None:
    one, other, outbox = transports()
    start = now()
    for number in range(10):
        one.send(outbox, 0, number * 160, bytes(160), start + number * 0.02, marker=number == 0)
    outbox.flush()
    assert len(other.receive(start, time.time())) == 9  # the first only announces the source
    # Reports are due within four seconds of the first turn; the clock is ours.
    one.control(start, outbox)
    other.control(start, outbox)
    one.control(start + 6, outbox)
    outbox.flush()
    other.control(start + 6, outbox)
    outbox.flush()
    assert other.reception is not None
    one.read_reports(now())
    assert one.remote_report is not None
    assert (one.remote_report.ssrc, one.remote_report.lost) == (one.ssrc, 0)
    assert one.remote_report.highest % 65536 == (one.first_sequence + 9) % 65536
    assert one.round_trip is not None
    one.bye(now(), outbox)
    outbox.flush()
    other.read_reports(now())
    assert other.remote_left
    for each in (one, other):
        each.close()


def test_what_makes_no_sense_is_dropped_and_counted() -> None:
    one, other, outbox = transports()
    for octets in (b"", b"\x80", b"\0" * 20, bytes([0x8F]) + bytes(20), bytes([0xA0]) + bytes(19)):
        outbox.put(one.rtp, octets)
    outbox.put(one.rtcp, b"\x81\xc8\0\0junk")
    outbox.flush()
    assert other.receive(now(), time.time()) == []
    other.read_reports(now())
    assert other.dropped_broken == 6
    for each in (one, other):
        each.close()


def test_another_source_takes_over_after_two_packets() -> None:
    one, other, outbox = transports()

    def send(ssrc: int, sequence: int) -> int:
        outbox.put(one.rtp, rtp.build(0, False, sequence, sequence * 160, ssrc, bytes(160)))
        outbox.flush()
        return len(other.receive(now(), time.time()))

    assert [send(1, number) for number in range(3)] == [0, 1, 1]
    assert [send(2, 500), send(1, 3), send(2, 501), send(2, 502)] == [0, 1, 1, 1]
    assert other.reception is not None
    assert other.reception.ssrc == 2
    for each in (one, other):
        each.close()


def test_reports_of_strangers_are_not_believed() -> None:
    one, other, outbox = transports()
    one.send(outbox, 0, 0, bytes(160), now(), marker=True)
    bye = rtcp.build([rtcp.ReceiverReport(7), rtcp.Bye((one.ssrc,))])
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.2", 0))
    stranger.sendto(bye, ("127.0.0.1", other.port + 1))
    other.read_reports(now())
    assert not other.remote_left
    stranger.close()
    for each in (one, other):
        each.close()


class Member:
    """Remembers its turns."""

    def __init__(self, wanted: int) -> None:
        self.turns: list[float] = []
        self._wanted = wanted
        self.done = asyncio.Event()

    def turn(self, now: float, outbox: Outbox) -> None:
        self.turns.append(now)
        if len(self.turns) == self._wanted:
            self.done.set()


@pytest.mark.asyncio
async def test_turns_come_at_their_time_however_late_the_process_is() -> None:
    clock, member = Clock(), Member(20)
    clock.add(member, 0.02)
    while len(member.turns) < 5:
        await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251 - somebody blocks the loop
    await asyncio.wait_for(member.done.wait(), 5)
    clock.remove(member)
    steps = [later - before for before, later in zip(member.turns, member.turns[1:], strict=False)]
    assert steps == pytest.approx([0.02] * len(steps))
    assert abs(now() - member.turns[19]) < 0.1
    assert clock.leaps == 0


@pytest.mark.asyncio
async def test_a_process_that_stood_still_leaps() -> None:
    clock, member = Clock(), Member(40)
    clock.add(member, 0.02)
    while not member.turns:
        await asyncio.sleep(0)
    time.sleep((MAX_BEHIND + 40) * TICK)  # noqa: ASYNC251 - as above
    await asyncio.wait_for(member.done.wait(), 5)
    clock.remove(member)
    assert clock.leaps == 1
    assert abs(now() - member.turns[39]) < 0.1


@pytest.mark.asyncio
async def test_members_are_spread_and_one_that_fails_stops_alone() -> None:
    clock = Clock()
    members = [Member(3) for _ in range(40)]

    class Failing(Member):
        def turn(self, now: float, outbox: Outbox) -> None:
            super().turn(now, outbox)
            raise RuntimeError("a fault of the session")

    failing = Failing(1)
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    for member in (failing, *members):
        clock.add(member, 0.02)
    await asyncio.gather(*(asyncio.wait_for(member.done.wait(), 5) for member in members))
    starts = [round(member.turns[0] / TICK) % 4 for member in members]
    assert [starts.count(slot) for slot in range(4)] == pytest.approx([10] * 4, abs=1)
    assert len(failing.turns) == 1
    assert [str(context["exception"]) for context in told] == ["a fault of the session"]
    for member in members:
        clock.remove(member)
    with pytest.raises(ValueError, match="between 5 and 300 ms"):
        clock.add(members[0], 0.5)


def test_each_event_loop_has_a_clock_of_its_own() -> None:
    found: list[Clock] = []

    async def ask() -> None:
        found.append(Clock.of_loop())
        assert Clock.of_loop() is found[-1]

    asyncio.run(ask())
    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    thread.join()
    assert found[0] is not found[1]
