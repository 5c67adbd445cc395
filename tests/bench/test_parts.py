"""Histograms, arrivals, users, tables: what the generator is made of."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.bench import callee, exchange
from dialplane.bench.conductor import Conductor, Course, Result, Second
from dialplane.bench.histogram import Histogram, bin_of, top_of
from dialplane.bench.plan import Arrivals, Plan, Workload
from dialplane.bench.plot import picture
from dialplane.bench.report import sparkline
from dialplane.bench.schedule import KernelAlarm, arrivals
from dialplane.bench.tally import News, Tally
from dialplane.bench.users import User, by_pattern, read_users
from dialplane.errors import DataError, MissingFileError
from dialplane.ua.resolve import Hop

PLAN = Plan(workload=Workload.OPTIONS, hop=Hop("UDP", "192.0.2.1", 5060, "x"), users=[], to=[])


@given(st.lists(st.integers(0, 10**9), min_size=1), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_near(values: list[int], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
    assert exact <= histogram.percentile(share) <= exact * 1.008 + 1
    assert histogram.percentile(1.0) == max(values)


@given(st.integers(0, 10**12))
def test_bins_follow_each_other(value: int) -> None:
    number = bin_of(value)
    assert bin_of(top_of(number)) == number
    assert bin_of(top_of(number) + 1) == number + 1
    assert value <= top_of(number)


@given(st.lists(st.integers(0, 10**7)), st.lists(st.integers(0, 10**7)))
def test_processes_add_up(first: list[int], second: list[int]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for histogram, values in ((one, first), (other, second), (both, first + second)):
        for value in values:
            histogram.add(value)
    one.merge(other)
    assert (one.counts, one.total, one.greatest) == (both.counts, both.total, both.greatest)
    assert both.above(1000) == sum(bin_of(value) > bin_of(1000) for value in first + second)


@pytest.mark.parametrize("kind", list(Arrivals))
def test_arrivals_have_their_rate(kind: Arrivals) -> None:
    times = list(arrivals(kind, rate=5000, begin=10**12, end=10**12 + 4 * 10**9, seed=1, offset=0.5))
    assert times == sorted(times)
    assert 10**12 <= times[0] < times[-1] < 10**12 + 4 * 10**9
    assert abs(len(times) - 20_000) <= (1 if kind is Arrivals.CONSTANT else 600)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    spread = math.sqrt(sum((gap - 200_000) ** 2 for gap in gaps) / len(gaps)) / 200_000
    assert spread == pytest.approx(0 if kind is Arrivals.CONSTANT else 1, abs=0.05)
    assert list(arrivals(kind, rate=0, begin=0, end=10, seed=1, offset=0)) == []


def test_the_alarm_of_the_kernel_is_never_early() -> None:
    async def work() -> list[int]:
        alarm, rung, done = KernelAlarm(), [], asyncio.Event()

        def ring(due: int) -> None:
            rung.append(alarm.now() - due)
            if len(rung) == 20:
                done.set()
            else:
                later(300_000)

        def later(nanoseconds: int) -> None:
            due = alarm.now() + nanoseconds
            alarm.set(due, lambda: ring(due))

        later(-1)
        await done.wait()
        alarm.close()
        return rung

    began = time.monotonic_ns()
    late = asyncio.run(work())
    assert min(late) >= 0
    assert time.monotonic_ns() - began >= 19 * 300_000


@pytest.mark.parametrize(
    ("pattern", "password", "users"),
    [
        ("alice", "pw", [("alice", "d", "pw")]),
        ("sip:u{0..1}@e", "{user}-{}", [("u0", "e", "u0-0"), ("u1", "e", "u1-1")]),
        ("+49{008..010}", None, [("+49008", "d", None), ("+49009", "d", None), ("+49010", "d", None)]),
    ],
)
def test_users_by_a_pattern(pattern: str, password: str | None, users: list[tuple[str, str, str | None]]) -> None:
    assert by_pattern(pattern, "d", password) == [User(*user) for user in users]


def test_users_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("username,password,domain\nalice,a b,\nbob,c,example.net\n")
    assert read_users(str(file), domain="d") == [User("alice", "d", "a b"), User("bob", "example.net", "c")]
    file.write_text("name,password\n")
    with pytest.raises(DataError, match="no column username"):
        read_users(str(file), domain="d")
    file.write_text("username,password\n")
    with pytest.raises(DataError, match="no users"):
        read_users(str(file), domain="d")
    with pytest.raises(MissingFileError):
        read_users(str(tmp_path / "other.csv"), domain="d")


@pytest.mark.parametrize("pattern", ["u{1-5}", "u{5..1}", "u{0..99999999999}"])
def test_patterns_that_cannot_be(pattern: str) -> None:
    with pytest.raises(DataError, match="range"):
        by_pattern(pattern, "d")


@pytest.mark.parametrize("module", [exchange, callee])
def test_the_tables_are_full_and_end(module: object) -> None:
    table, states, events = module.TABLE, module.State, module.Event  # type: ignore[attr-defined]
    assert set(table) == set(itertools.product(states, events))
    for event in events:
        after = table[states.OVER, event]
        assert (after[0] if isinstance(after, tuple) else after) is states.OVER


def test_every_exchange_has_one_outcome() -> None:
    """Good, failed, wrong and lost are only reached from waiting, which none of them leads back to."""
    counted = {exchange.Act.GOOD, exchange.Act.FAILED, exchange.Act.WRONG, exchange.Act.LOST}
    for (before, _), (after, act) in exchange.TABLE.items():
        assert (act in counted) == (before is exchange.State.WAITING and after is not exchange.State.WAITING)


def tally(started: int, bad: int = 0, late: int = 0) -> Tally:
    made = Tally(started=started, good=started - bad, lost=bad)
    for number in range(started):
        made.lag.add(50_000 if number < late else 10)
    return made


class Played(Conductor):
    """A server that loses something above a rate, and a generator that is late above another."""

    def __init__(self, capacity: float, own: float) -> None:
        super().__init__(PLAN)
        self.capacity, self.own = capacity, own

    def run(self, rate: float, seconds: float) -> Result:
        made = tally(1000, bad=int(rate > self.capacity), late=100 if rate > self.own else 0)
        why = self._behind(made)
        return Result(rate, seconds, made, [], bool(why), why)


@pytest.mark.parametrize(("capacity", "own"), [(3000, 1e9), (70, 1e9), (1e9, 5000), (100, 1e9), (0, 1e9)])
def test_the_search_finds_the_highest_rate(capacity: float, own: float) -> None:
    results = list(Played(capacity, own).search(100, 1, 0.0))
    good = max((one.rate for one in results if one.is_clean(0.0)), default=0)
    limit = min(capacity, own)
    assert good <= limit
    assert len(results) < 25
    assert good >= limit / 1.07
    assert any(one.is_behind for one in results) == (own < capacity)


def test_what_is_allowed_is_clean() -> None:
    result = Result(1, 1, tally(1000, bad=10), [], is_behind=False)
    assert (result.is_clean(0.01), result.is_clean(0.009)) == (True, False)
    assert not Result(1, 1, Tally(), [], is_behind=False).is_clean(1.0)


def test_a_generator_that_is_late_or_loses_says_so() -> None:
    conductor = Conductor(PLAN)
    assert conductor._behind(tally(1000, late=5)) == ""
    assert "left more than 20 ms" in conductor._behind(tally(1000, late=20))
    full = tally(1000)
    full.dropped = 3
    assert "no room" in conductor._behind(full)


def test_the_course_of_two_processes() -> None:
    course = Course()
    news = {"failed": {"486 Busy": 1}, "lost": 1, "wrong": 0, "open": 3, "resent": 0, "times": {100: 5}, "lag": 7}
    assert not course.take(0, News(second=0.9, started=10, good=5, **news), 1.0)
    assert course.take(1, News(second=1.0, started=20, good=10, **news), 1.0)
    assert course.seconds == [Second(1.0, 30.0, 15.0, 6, 4, 100, 100, 7)]


def test_the_picture_is_one(tmp_path: Path) -> None:
    moments = [Second(float(at), 100 + at, 90, 1, 0, 500, 90_000, 3) for at in range(1, 5)]
    root = ET.fromstring(picture("options at <here>", [Result(100, 4, tally(4), moments, is_behind=False)] * 2))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len((line.get("points") or "").split()) for line in lines] == [8, 8, 8, 8]
    assert picture("nothing", []).endswith("</svg>\n")


def test_the_sparkline_begins_at_zero() -> None:
    assert sparkline([0, 5, 10]) == "▁▅█"
    assert (sparkline([]), len(sparkline([1.0] * 100))) == ("", 60)


def test_all_counts_are_merged() -> None:
    one, other = Tally(), Tally()
    for name in ("started", "good", "lost", "wrong", "late", "resent", "repeated", "strays", "dropped", "challenged"):
        setattr(one, name, 1)
        setattr(other, name, 2)
    other.failed = Counter({"486": 3})
    other.times["x"].add(5)
    other.tell("fault")
    one.merge(other)
    assert (one.started, one.dropped, one.failed["486"], one.times["x"].total, one.faults) == (3, 3, 3, 1, ["fault"])
