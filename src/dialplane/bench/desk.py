"""What one process of the generator knows: who takes part, what is under way, what came of it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from dialplane.bench.call import Invite, description
from dialplane.bench.callee import Callees
from dialplane.bench.exchange import Event, Exchange, Options, Register, Text
from dialplane.bench.line import Line, dropped
from dialplane.bench.plan import Plan, Step, Workload
from dialplane.bench.schedule import arrivals
from dialplane.bench.subscriber import Subscriber
from dialplane.bench.tally import News, Tally
from dialplane.ua.transport import SocketTransports

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from dialplane.bench.schedule import Alarm
    from dialplane.ua.transport import Transports

_BURST = 64
"""Arrivals that begin before responses are looked at again."""
_TOGETHER = 64
"""Registrations under way before the measurement."""
_SWEEP_SECONDS = 0.05
_WORD = 1 << 64


class Desk:
    """Begins what is due and counts what becomes of it."""

    def __init__(self, plan: Plan, index: int, alarm: Alarm, make: Callable[[], Transports]) -> None:
        self.plan = plan
        self.tally = Tally()
        self.waiting: dict[Exchange, int] = {}
        """Requests without a final response, and when nobody waits for them any more; in that order."""
        self.expected: dict[str, Exchange] = {}
        """What our callees are to see, by Call-ID."""
        self.standing: set[Invite] = set()
        """Calls that are up."""
        self.is_leaving = False
        """Whether calls that are answered now are hung up at once."""
        self.patience = int(plan.patience * 1e9)
        self.is_answering = not plan.to and plan.workload in {Workload.CALL, Workload.MESSAGE}
        self.callees = Callees(self)
        self.now = alarm.now
        self.subscribers: list[Subscriber] = []
        self._main = plan.main
        self._index, self._alarm, self._make = index, alarm, make
        self._lines: list[Line] = []
        self._words = secrets.randbits(64)
        self._turn = 0
        self._due: Iterator[int] = iter(())
        self._next: int | None = None
        self._changed = asyncio.Event()
        self._is_begun = asyncio.Event()
        self._fresh: Counter[int] = Counter()
        self._lag = 0
        self._began = 0
        self._dropped = 0
        self._offer = b""
        self._text = b""
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Sockets and connections, and the users on them."""
        for _ in range(self.plan.sockets):
            line = Line(self._make(), self)
            self._lines.append(line)
            await line.open()
        for place, user in enumerate(self.plan.users[self._index :: self.plan.processes]):
            line = self._lines[place % len(self._lines)]
            self.subscribers.append(Subscriber(user, line, self.plan.algorithm))
        host = self.plan.host or "192.0.2.1"
        self._offer = description(host, 40000)
        self._text = b"x" * self.plan.size
        self.callees.describe(host)

    async def close(self) -> None:
        """Closes everything."""
        for task in self._tasks:
            task.cancel()
        for line in self._lines:
            await line.close()

    async def register_everybody(self) -> Tally:
        """All users are registered, some at a time."""
        return await self._register(self.subscribers, self.plan.expires)

    async def leave(self) -> None:
        """Ends calls that stand, and takes back what was registered: nobody is sent to sockets that are closed."""
        self.is_leaving = True
        for invite in list(self.standing):
            invite.hang_up()
        await self._register([subscriber for subscriber in self.subscribers if subscriber.is_registered], 0)

    async def _register(self, subscribers: list[Subscriber], expires: int) -> Tally:
        tally = self.tally = Tally()
        async with asyncio.TaskGroup() as group:
            sweeping = group.create_task(self._sweep())
            for subscriber in subscribers:
                while len(self.waiting) >= _TOGETHER:
                    await self._change()
                if tally.lost:
                    break  # nobody is there: the others need not wait as long
                tally.started += 1
                Register(self, subscriber, self.now(), expires).begin()
            await self._drained()
            sweeping.cancel()
        return tally

    async def run(self, step: Step) -> Tally:
        """One rate for some time, and until everything is over."""
        self.tally = Tally()
        self._fresh.clear()
        self._began = step.begin
        processor, self._dropped = time.process_time(), self._drops()
        self._due = arrivals(
            self.plan.arrivals,
            rate=step.rate,
            begin=step.begin,
            end=step.begin + int(step.seconds * 1e9),
            seed=self.plan.seed * 1_000_003 + self._index * 1_009 + step.number,
            offset=self._index / self.plan.processes,
        )
        self._next = next(self._due, None)
        self._is_begun.clear()
        self._fire()
        try:
            async with asyncio.TaskGroup() as group:
                sweeping = group.create_task(self._sweep())
                await self._is_begun.wait()
                self.tally.seconds = (self.now() - step.begin) / 1e9
                await self._drained()
                sweeping.cancel()
        finally:
            self._next = None
        self.tally.processor = time.process_time() - processor
        self.tally.dropped = self._drops() - self._dropped
        return self.tally

    def news(self) -> News:
        """What has happened, for who watches."""
        tally = self.tally
        told = News(
            second=(self.now() - self._began) / 1e9,
            started=tally.started,
            good=tally.good,
            failed=dict(tally.failed),
            lost=tally.lost,
            wrong=tally.wrong,
            open=tally.open,
            resent=tally.resent,
            times=dict(self._fresh),
            lag=self._lag,
        )
        self._fresh.clear()
        self._lag = 0
        return told

    # What exchanges use.

    def word(self) -> str:
        """A Call-ID or tag that no other has."""
        self._words = (self._words + 0x9E3779B97F4A7C15) % _WORD
        return f"{self._words:016x}{self._index:02x}"

    def note(self, name: str, due: int) -> None:
        """Something is answered that was due then."""
        times = self.tally.times[name]
        number = times.add((self.now() - due) // 1000)
        if name == self._main:
            self._fresh[number] += 1

    def closed(self) -> None:
        """Something has its outcome."""
        self._changed.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something beside."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Arrivals.

    def _fire(self) -> None:
        for _ in range(_BURST):
            due = self._next
            if due is None:  # that was the last, or it was told to end
                self._is_begun.set()
                return
            if due > self.now():
                break
            self._start(due)
            self._next = next(self._due, None)
        # Of one that is late already, the alarm rings as soon as what has come is looked at.
        self._alarm.set(self._next if self._next is not None else self.now(), self._fire)

    def _start(self, due: int) -> None:
        self.tally.started += 1
        exchange = self._exchange(due)
        exchange.begin()
        lag = (self.now() - due) // 1000
        self.tally.lag.add(lag)
        self._lag = max(self._lag, lag)

    def _exchange(self, due: int) -> Exchange:
        turn, self._turn = self._turn, self._turn + 1
        subscriber = self.subscribers[turn % len(self.subscribers)]
        workload, to = self.plan.workload, self.plan.to
        if workload is Workload.REGISTER:
            return Register(self, subscriber, due, self.plan.expires)
        if to:
            uri = to[(turn * self.plan.processes + self._index) % len(to)]
        elif workload is Workload.OPTIONS:
            uri = f"sip:{subscriber.domain}"
        else:
            uri = self.subscribers[(turn + 1) % len(self.subscribers)].aor
        if workload is Workload.OPTIONS:
            return Options(self, subscriber, due, uri)
        if workload is Workload.MESSAGE:
            return Text(self, subscriber, due, uri, self._text)
        return Invite(self, subscriber, due, uri, self._offer)

    # The end of patience.

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = self.now()
            while self.waiting:
                exchange, until = next(iter(self.waiting.items()))
                if until > now:
                    break
                exchange.step(Event.SILENCE)

    async def _drained(self) -> None:
        while self.waiting or self.standing:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _drops(self) -> int:
        return sum(dropped(line.transports) for line in self._lines if isinstance(line.transports, SocketTransports))
