"""What a user agent costs: processor time per call on either end, and of a thousand registrations.

    python -m benchmarks.agent [--calls 3000] [--accounts 1000] [--uvloop] [--save]

Caller and callee are processes of their own, `dialplane.ua` on both ends, no media, UDP over loopback: INVITE, 100,
200, ACK, BYE, 200. The processor time is user and system, of the whole process, after 300 calls to warm up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from benchmarks.machine import facts
from dialplane.testing import DESCRIPTION
from dialplane.ua import IncomingCall, UserAgent
from dialplane.ua.transport import SocketTransports
from dialplane_native import ParseError, parse

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

RESULTS = Path(__file__).parent / "results"
CALLEE, REGISTRAR = 15090, 15091
WARM = 300


def used() -> tuple[float, float]:
    times = os.times()
    return times.user, times.system


def per(before: tuple[float, float], count: int) -> dict[str, float]:
    user, system = used()
    return {
        "user µs": round((user - before[0]) / count * 1e6, 1),
        "system µs": round((system - before[1]) / count * 1e6, 1),
    }


async def take(orders: Connection, calls: int) -> None:
    """The callee."""
    agent = UserAgent("sip:bob@127.0.0.1", host="127.0.0.1", port=CALLEE)
    seen, before, done = 0, used(), asyncio.Event()

    @agent.on_call
    async def answer(call: IncomingCall) -> None:
        nonlocal seen, before
        await call.answer(DESCRIPTION)
        await call.wait_ended()
        seen += 1
        if seen == WARM:
            before = used()
        if seen == WARM + calls:
            done.set()

    async with agent:
        orders.send("ready")
        await done.wait()
        orders.send(per(before, calls))


async def make(calls: int, together: int) -> dict[str, float]:
    """The caller."""
    async with UserAgent("sip:alice@127.0.0.1", host="127.0.0.1") as agent:
        places = asyncio.Semaphore(together)

        async def one() -> None:
            async with places:
                call = await agent.call(f"sip:bob@127.0.0.1:{CALLEE}", media=DESCRIPTION)
                await call.hang_up()

        await asyncio.gather(*(one() for _ in range(WARM)))
        before, began = used(), time.perf_counter()
        await asyncio.gather(*(one() for _ in range(calls)))
        return per(before, calls) | {"calls/s": round(calls / (time.perf_counter() - began), 1)}


class Registrar(asyncio.DatagramProtocol):
    """Says yes to every REGISTER, for a minute."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            request = parse(data)
        except ParseError:
            return
        contact = f"{request['Contact']};expires=60"
        self.transport.sendto(request.response(200, to_tag="r", headers=[("Contact", contact)]), addr)


async def say_yes(orders: Connection, _: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Registrar, local_addr=("127.0.0.1", REGISTRAR))
    orders.send("ready")
    await asyncio.Event().wait()


async def keep(accounts: int, seconds: float) -> dict[str, float]:
    """A thousand registrations of a minute each, refreshed and kept alive."""
    proxy = f"127.0.0.1:{REGISTRAR}"
    agents = [
        UserAgent(
            f"sip:user{number}@example.com",
            register=True,
            proxy=proxy,
            transports=SocketTransports(host="127.0.0.1"),
        )
        for number in range(accounts)
    ]
    for begin in range(0, accounts, 50):
        await asyncio.gather(*(agent.__aenter__() for agent in agents[begin : begin + 50]))
    before, began = used(), time.perf_counter()
    await asyncio.sleep(seconds)
    passed, (user, system) = time.perf_counter() - began, used()
    share = (user - before[0] + system - before[1]) / passed
    await asyncio.gather(*(agent.close() for agent in agents))
    return {"accounts": accounts, "seconds": round(passed, 1), "core %": round(share * 100, 2)}


def beside(work: object, argument: int, *, loop: bool) -> tuple[multiprocessing.Process, Connection]:
    ours, theirs = multiprocessing.Pipe()
    arguments = {"work": work, "orders": theirs, "argument": argument, "loop": loop}
    process = multiprocessing.Process(target=_process, kwargs=arguments, daemon=True)
    process.start()
    assert ours.recv() == "ready"
    return process, ours


def _process(work: object, orders: Connection, argument: int, *, loop: bool) -> None:
    (uvloop.run if loop else asyncio.run)(work(orders, argument))  # type: ignore[operator]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--together", type=int, default=8, help="calls at one time")
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the registrations are watched")
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--save", action="store_true", help="keep the result in benchmarks/results")
    options = parser.parse_args()
    run = uvloop.run if options.uvloop else asyncio.run
    process, orders = beside(take, options.calls, loop=options.uvloop)
    result: dict[str, object] = {"caller": run(make(options.calls, options.together)), "callee": orders.recv()}
    process.join(10)
    if options.accounts:
        process, _ = beside(say_yes, 0, loop=options.uvloop)
        result["registrations"] = run(keep(options.accounts, options.seconds))
        process.kill()
    result = {
        "what": "INVITE, 100, 200, ACK, BYE, 200 between two user agents; registrations kept for some time",
        "machine": facts(),
        "loop": "uvloop" if options.uvloop else "asyncio",
        "calls": options.calls,
        "together": options.together,
        **result,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if options.save:
        when = datetime.now(tz=UTC)
        (RESULTS / f"agent-{when:%Y-%m-%d-%H%M}.json").write_text(text + "\n")


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
