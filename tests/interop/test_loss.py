"""5 % and 20 % of all datagrams are lost, on all four ways of a call through the server: 99.9 % of calls complete.

Complete is a call that was answered by the callee and ended by the caller's BYE. Both are our user agent: as caller,
SIPp takes a 200 to its INVITE that comes again for the one to its BYE; as callee, it sends a 200 again too few times.

Requests and their responses are sent again from hop to hop; a 2xx to INVITE and its ACK are not. They pass all four
ways at one go or the callee sends the 2xx again, eleven times in 64·T1 (RFC 3261 §13.3.1.4). At 20 % loss each try
fails with 0.59, so in 0.3 % of calls that last longer than 64·T1 no ACK has come, and the callee must hang up: no
proxy could help. At 5 % that is one call in 10⁸. A shorter call is over before, for its BYE passes from hop to hop;
two of 10,000 fail at 20 %.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable

import pytest

from dialplane.testing import DESCRIPTION
from dialplane.ua import IncomingCall, UserAgent, UserAgentError

from .loss import losing
from .namespace import HOSTS, SUBJECT
from .subject import EVERYBODY, NAME, Server, Setup

RATE = 100
LIFE = 32.0
"""Seconds: 64·T1."""
TRIES = 11
"""Of a 2xx within it: at 0, 0.5, 1.5, 3.5, 7.5, then every 4 s."""
SHORT, LONG = 0.5, LIFE + 2.0
"""Seconds of talk."""


def at_most(calls: int, chance: float) -> int:
    """As many of so many calls fail, each with this chance; more do once in 10,000 runs."""
    mean = calls * chance
    total, term, failed = 0.0, math.exp(-mean), 0
    while (total := total + term) < 0.9999:
        failed += 1
        term *= mean / failed
    return failed


@pytest.mark.skipif(NAME == "kamailio", reason="the suite sets Kamailio up as a stateless proxy")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("percent", "short", "long"), [(5, 2000, 0), (20, 2000, 1000)], ids=["5 %", "20 %"])
def test_calls_complete(serve: Callable[[Setup], Server], percent: int, short: int, long: int) -> None:
    serve(Setup(register_auth=False, record_route=True, trusted=EVERYBODY))
    complete: Counter[str] = Counter()

    async def call(agent: UserAgent, talk: float) -> None:
        with contextlib.suppress(UserAgentError, TimeoutError):
            async with asyncio.timeout(2 * LIFE):  # one that rings is waited for as long as anybody likes
                made = await agent.call("sip:bob@example.org", media=DESCRIPTION)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(made.wait_ended(), talk)
            await made.hang_up()

    async def begin(agent: UserAgent, talk: float, count: int) -> None:
        async with asyncio.TaskGroup() as calls:
            for _ in range(count):
                calls.create_task(call(agent, talk))
                await asyncio.sleep(1 / RATE)

    async def work() -> None:
        agents = {
            name: UserAgent(
                f"sip:{name}@example.org",
                host=HOSTS[name],
                port=5060,
                proxy=SUBJECT,
                register=name == "bob",
                most_calls=short + long,
            )
            for name in ("alice", "bob", "carol")
        }

        @agents["bob"].on_call
        async def lift(call: IncomingCall) -> None:
            await call.ring()
            await call.answer(DESCRIPTION)
            if (await call.wait_ended()).by == "peer":
                complete[call.caller.uri.user or ""] += 1

        async with agents["alice"], agents["bob"], agents["carol"]:
            with losing(percent):
                await asyncio.gather(begin(agents["alice"], SHORT, short), begin(agents["carol"], LONG, long))

    asyncio.run(work())
    print(f"{percent} %: {complete['alice']} of {short} short calls complete, {complete['carol']} of {long} long ones")
    assert complete["alice"] >= short * 0.999
    unacknowledged = (1 - (1 - percent / 100) ** 4) ** TRIES
    assert complete["carol"] >= long * 0.999 - at_most(long, unacknowledged)
