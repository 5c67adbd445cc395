"""The jitter buffer in virtual time: order, loss, jitter, drift, pauses, other packet times."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.media.jitter import MAX_HELD, Held, JitterBuffer, Missing

RATE = 8000


class Played(NamedTuple):
    """What came out."""

    numbers: list[int]
    lost: int
    silence: int
    buffer: JitterBuffer


def run(
    delay: Callable[[int], float | None],
    *,
    packets: int = 500,
    frame: float = 0.02,
    drift: float = 1.0,
    first: int = 65000,
    gap: Callable[[int], int] = lambda _: 0,
    seconds: float | None = None,
) -> Played:
    """A sender and a player with clocks of their own; ``delay`` is that of each packet on the way, None for lost."""
    buffer = JitterBuffer(RATE)
    on_the_way: list[tuple[float, int, int]] = []
    ticks, silent = 2**32 - 5000, 0
    for number in range(packets):
        silent += gap(number)
        way = delay(number)
        if way is not None:
            sent = (number * frame + silent * frame) * drift
            stamp = ticks + round((number + silent) * frame * RATE)
            heapq.heappush(on_the_way, (sent + way, number, stamp))
    played: list[int] = []
    lost = silence = 0
    now, held = 0.0, 0.0
    while now < (seconds if seconds is not None else (packets + silent) * frame * drift + 1):
        while on_the_way and on_the_way[0][0] <= now:
            arrival, number, stamp = heapq.heappop(on_the_way)
            buffer.put((first + number) % 65536, stamp % 2**32, arrival, 0, number.to_bytes(4, "big"))
        while held < 0.02 - 1e-9:
            found = buffer.take(now + held)
            if isinstance(found, Held):
                played.append(int.from_bytes(found.payload, "big"))
                held += frame
            else:
                lost += found is Missing.LOST
                silence += found is Missing.SILENCE
                held += frame if found is Missing.LOST else 0.02
        held -= 0.02
        now += 0.02
    return Played(played, lost, silence, buffer)


def test_without_jitter_everything_is_played_in_order_after_two_frames() -> None:
    result = run(lambda _: 0.05)
    assert result.numbers == list(range(500))
    assert result.buffer.counts.concealed <= 6  # behind the last packet
    assert result.buffer.delay <= 0.061


def test_packets_that_overtake_each_other_are_put_in_order() -> None:
    result = run(lambda number: 0.09 if number % 5 == 0 else 0.05)
    assert result.numbers[50:] == list(range(result.numbers[50], 500))
    assert result.buffer.counts.late <= 5


def test_jitter_makes_the_delay_longer_and_then_nothing_is_late() -> None:
    chance = random.Random(1)
    result = run(lambda _: 0.02 + chance.uniform(0, 0.1), packets=2000)
    assert 0.09 <= result.buffer.delay <= 0.16
    after = [number for number in result.numbers if number >= 500]
    assert after == sorted(after)
    assert len(after) >= 0.97 * 1500


def test_when_jitter_ends_the_delay_gets_shorter_again() -> None:
    chance = random.Random(2)
    result = run(lambda number: 0.02 + (chance.uniform(0, 0.15) if number < 500 else 0.0), packets=1500)
    assert result.buffer.delay <= 0.07
    assert result.buffer.counts.dropped >= 3


def test_what_is_lost_is_concealed_frame_by_frame() -> None:
    gone = {100, 101, 200, 300, 301, 302}
    result = run(lambda number: None if number in gone else 0.03)
    assert result.numbers == [number for number in range(500) if number not in gone]
    assert result.lost - 5 == len(gone)


def test_a_fifth_lost_and_a_fifth_late() -> None:
    chance = random.Random(3)

    def delay(_: int) -> float | None:
        return None if chance.random() < 0.2 else 0.02 + (0.06 if chance.random() < 0.2 else 0.0)

    result = run(delay, packets=3000)
    assert result.numbers == sorted(set(result.numbers))
    assert len(result.numbers) > 0.77 * 3000
    assert result.buffer.delay <= 0.13


@pytest.mark.parametrize("drift", [0.9995, 1.0005])
def test_clocks_that_differ_cost_a_frame_now_and_then(drift: float) -> None:
    """500 parts in a million: 20 ms in 40 s."""
    result = run(lambda _: 0.03, packets=9000, drift=drift)
    missing = 9000 - len(result.numbers)
    assert missing + result.buffer.counts.concealed <= 20
    assert 0.0 <= result.buffer.delay <= 0.1


def test_a_pause_of_the_sender_is_silence_and_no_loss() -> None:
    result = run(lambda _: 0.03, packets=300, gap=lambda number: 40 if number in {100, 200} else 0)
    assert result.numbers == list(range(300))
    assert result.buffer.counts.concealed <= 3 * 5 + 1
    assert result.silence >= 60


def test_a_stretch_of_nothing_is_concealed_for_a_moment_only() -> None:
    result = run(lambda number: None if 100 <= number < 200 else 0.03, packets=300)
    assert result.numbers == [*range(100), *range(200, 300)]
    assert result.buffer.counts.concealed <= 12


@pytest.mark.parametrize("frame", [0.01, 0.03, 0.04, 0.06])
def test_other_packet_times(frame: float) -> None:
    result = run(lambda _: 0.03, packets=400, frame=frame)
    assert result.numbers == list(range(400))
    assert result.buffer.frame == pytest.approx(frame)
    assert result.buffer.counts.concealed <= 9


def test_packets_twice_are_played_once() -> None:
    buffer = JitterBuffer(RATE)
    for number in range(10):
        for _ in range(2):
            buffer.put(number, number * 160, number * 0.02, 0, b"x")
    assert buffer.counts.duplicate == 10
    assert buffer.depth == 10


def test_the_buffer_does_not_grow_without_end() -> None:
    buffer = JitterBuffer(RATE)
    for number in range(2000):
        buffer.put(number, number, 0.0, 0, b"x")
        buffer.skip(number)
    assert buffer.depth == MAX_HELD
    assert buffer.counts.overflow == 2000 - MAX_HELD


def test_a_leap_of_the_timestamps_begins_anew() -> None:
    buffer = JitterBuffer(RATE)
    for number in range(50):
        buffer.put(number, number * 160, number * 0.02, 0, b"old")
        buffer.take(number * 0.02)
    for number in range(50, 60):
        buffer.put(number + 9000, 10**9 + number * 160, number * 0.02, 0, b"new")
    assert buffer.counts.resets == 1
    found = [buffer.take(1.0 + number * 0.02) for number in range(10, 20)]
    assert [one.payload for one in found if isinstance(one, Held)] == [b"new"] * len(
        [one for one in found if isinstance(one, Held)]
    )
    assert any(isinstance(one, Held) for one in found)


def test_numbers_that_are_no_sound_are_no_loss() -> None:
    buffer = JitterBuffer(RATE)
    lost = 0
    for number in range(60):
        if 20 <= number < 30:
            buffer.skip(number)
        else:
            buffer.put(number, number * 160, number * 0.02, 0, b"x")
        lost += buffer.take(number * 0.02 + 0.001) is Missing.LOST
    assert lost == 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_comes_is_played_in_order_and_at_most_once(data: st.DataObject) -> None:
    buffer = JitterBuffer(RATE)
    now, last = 0.0, -(10**9)
    played: set[int] = set()
    for _ in range(data.draw(st.integers(0, 80))):
        now += data.draw(st.sampled_from([0.0, 0.005, 0.02, 0.3]))
        if data.draw(st.booleans()):
            number = data.draw(st.integers(0, 60))
            buffer.put(number, number * 160, now, 0, number.to_bytes(2, "big"))
        else:
            found = buffer.take(now)
            if isinstance(found, Held):
                if buffer.counts.resets == 0:
                    assert found.sequence > last
                    assert found.sequence not in played
                last = found.sequence
                played.add(found.sequence)
    assert buffer.depth <= 61
