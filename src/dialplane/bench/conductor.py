"""Leads the processes of the generator: one rate for all of them, or the search for the highest that loses nothing."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Self

from dialplane.bench.generator import generate
from dialplane.bench.histogram import percentile
from dialplane.bench.plan import Plan, Step
from dialplane.bench.tally import News, Tally
from dialplane.errors import ExitStatus, UnavailableError
from dialplane.ua.errors import UserAgentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import SpawnProcess
    from types import TracebackType

_LEAD_SECONDS = 0.2
"""From the order to the first arrival, so that all processes begin at one time."""
_LEAVE_SECONDS = 30.0
"""In which a process takes its registrations back."""
_NARROW = 1.06
"""The search ends when the highest good and the lowest bad rate are as close as this."""


class RefusedError(UserAgentError):
    """The server did not register the users, so that there was nothing to measure."""

    status = ExitStatus.REFUSED
    side = "peer"


@dataclass(slots=True)
class Second:
    """A moment of the measurement, over all processes."""

    second: float
    rate: float
    good: float
    open: int
    bad: int
    p50: int
    p99: int
    lag: int


@dataclass(slots=True)
class Result:
    """One rate and what came of it."""

    rate: float
    """As asked for."""
    seconds: float
    tally: Tally
    course: list[Second]
    is_behind: bool
    """Whether the generator itself could not keep up, so that the figures say nothing about the server."""
    why_behind: str = ""

    def is_clean(self, allowed: float) -> bool:
        """Nothing bad beyond the share that is allowed, and the generator kept up."""
        return self.tally.started > 0 and self.tally.bad_share <= allowed and not self.is_behind


@dataclass(slots=True)
class Course:
    """News of all processes, put together."""

    seconds: list[Second] = field(default_factory=list)
    latest: dict[int, News] = field(default_factory=dict)
    _times: Counter[int] = field(default_factory=Counter)
    _at: float = 0.0
    _before: tuple[int, int] = (0, 0)
    _lag: int = 0

    def take(self, index: int, news: News, every: float) -> bool:
        """News of one process; whether a moment is complete."""
        self.latest[index] = news
        self._times.update(news.times)
        self._lag = max(self._lag, news.lag)
        if news.second < self._at + every:
            return False
        started = sum(one.started for one in self.latest.values())
        good = sum(one.good for one in self.latest.values())
        passed = max(news.second - self._at, 1e-3)
        self.seconds.append(
            Second(
                second=news.second,
                rate=(started - self._before[0]) / passed,
                good=(good - self._before[1]) / passed,
                open=sum(one.open for one in self.latest.values()),
                bad=sum(sum(one.failed.values()) + one.lost + one.wrong for one in self.latest.values()),
                p50=percentile(self._times, 0.5, 1 << 62),
                p99=percentile(self._times, 0.99, 1 << 62),
                lag=self._lag,
            )
        )
        self._at, self._before, self._lag = news.second, (started, good), 0
        self._times.clear()
        return True


class Conductor:
    """Processes of the generator, from their start to their end."""

    def __init__(self, plan: Plan, watch: Callable[[float, Course], None] = lambda _rate, _course: None) -> None:
        self._plan, self._watch = plan, watch
        self._hands: list[tuple[SpawnProcess, Connection]] = []
        self._steps = 0
        self.setup = Tally()
        """Of the registrations before the measurement."""

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        try:
            for index in range(self._plan.processes):
                ours, theirs = context.Pipe()
                process = context.Process(target=generate, args=(theirs, self._plan, index), daemon=True)
                process.start()
                theirs.close()
                self._hands.append((process, ours))
            for told in self._told(Course(), 0.0):
                self.setup.merge(told)
        except BaseException:
            self._end()
            raise
        if self.setup.bad:
            self._end()
            raise RefusedError(f"the users could not be registered: {causes(self.setup)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self, rate: float, seconds: float) -> Result:
        """One rate."""
        self._steps += 1
        begin = time.monotonic_ns() + int(_LEAD_SECONDS * 1e9)
        for _, orders in self._hands:
            orders.send(Step(rate / len(self._hands), seconds, begin, self._steps))
        tally, course = Tally(), Course()
        for told in self._told(course, rate):
            tally.merge(told)
        why = self._behind(tally)
        return Result(rate, seconds, tally, course.seconds, bool(why), why)

    def search(self, rate: float, seconds: float, allowed: float) -> Iterator[Result]:
        """Rates from ``rate`` on: doubled until one is not clean, then between the best and the worst."""
        good = bad = 0.0
        while not (good and bad and bad / good <= _NARROW):
            result = self.run(rate, seconds)
            yield result
            if result.is_clean(allowed):
                good = rate
            else:
                bad = rate
            if not bad:
                rate *= 2
            elif good:
                rate = (good * bad) ** 0.5
            elif rate > 1:
                rate /= 4
            else:
                return

    def _behind(self, tally: Tally) -> str:
        share = tally.late_share(self._plan.max_lag)
        if share > 0.01:
            return f"{share:.1%} of the requests left more than {self._plan.max_lag * 1000:g} ms after they were due"
        if tally.dropped:
            return f"{tally.dropped} datagrams found no room in the sockets of the generator"
        return ""

    def _told(self, course: Course, rate: float) -> Iterator[Tally]:
        """What each process has counted in the end; the course is told meanwhile."""
        left = {orders: index for index, (_, orders) in enumerate(self._hands)}
        while left:
            for ready in wait(list(left)):
                assert isinstance(ready, Connection)  # noqa: S101 - what was waited for
                try:
                    told = ready.recv()
                except (EOFError, ConnectionResetError):
                    raise UnavailableError("a process of the generator has ended unexpectedly") from None
                if isinstance(told, News):
                    if course.take(left[ready], told, 1.0):
                        self._watch(rate, course)
                elif isinstance(told, Tally):
                    del left[ready]
                    yield told
                else:
                    raise UnavailableError(str(told))

    def _end(self) -> None:
        for _, orders in self._hands:
            with contextlib.suppress(OSError):
                orders.send(None)
        for process, orders in self._hands:
            process.join(_LEAVE_SECONDS)
            if process.is_alive():
                process.terminate()
                process.join()
            orders.close()
        self._hands.clear()


def causes(tally: Tally) -> str:
    """Why things went wrong, most frequent first."""
    found = [f"{count} x {name}" for name, count in tally.failed.most_common()]
    if tally.lost:
        found.append(f"{tally.lost} x no final response")
    if tally.wrong:
        found.append(f"{tally.wrong} x wrong response ({tally.faults[0] if tally.faults else 'no word of it'})")
    return ", ".join(found) or "nothing went wrong"
