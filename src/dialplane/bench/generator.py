"""One process of the generator: takes orders by a pipe, tells what happens, gives its counts.

To it: ``Step``, or ``None`` to end. From it: a :class:`Tally` when it is ready (of the registrations) and after each
step, :class:`News` meanwhile, and a text when it cannot go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import ssl
from typing import TYPE_CHECKING

import uvloop

from dialplane.bench.desk import Desk
from dialplane.bench.schedule import best_alarm
from dialplane.bench.tally import Tally
from dialplane.errors import DialplaneError
from dialplane.ua.transport import SocketTransports

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from dialplane.bench.plan import Plan, Step

NEWS_SECONDS = 0.25
_BUFFER = 8 << 20


def generate(orders: Connection, plan: Plan, index: int) -> None:
    """The whole life of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the conductor hears of Ctrl-C and says so
    with contextlib.suppress(BrokenPipeError, EOFError):
        try:
            uvloop.run(_work(orders, plan, index))
        except DialplaneError as error:
            orders.send(str(error))


async def _work(orders: Connection, plan: Plan, index: int) -> None:
    context = ssl.create_default_context(cafile=str(plan.authorities)) if plan.authorities else None

    def transports() -> SocketTransports:
        return SocketTransports(host=plan.host, port=plan.port, tls=context, receive_buffer=_BUFFER)

    alarm = best_alarm()
    desk = Desk(plan, index, alarm, transports)
    try:
        await desk.open()
        orders.send(await desk.register_everybody() if plan.is_registering else Tally())
        # A full collection over many users would stand in everybody's way.
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        order = asyncio.create_task(_order(orders))
        while (step := await order) is not None:
            order = asyncio.create_task(_order(orders))
            running = asyncio.create_task(desk.run(step))
            telling = asyncio.create_task(_tell(orders, desk))
            await asyncio.wait({running, order}, return_when=asyncio.FIRST_COMPLETED)
            telling.cancel()
            if not running.done():  # told to end in the middle of it
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                break
            orders.send(desk.news())
            orders.send(running.result())
        await desk.leave()
    finally:
        alarm.close()
        await desk.close()


async def _order(orders: Connection) -> Step | None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(orders.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(orders.fileno())
    order: Step | None = orders.recv()
    return order


async def _tell(orders: Connection, desk: Desk) -> None:
    while True:
        await asyncio.sleep(NEWS_SECONDS)
        orders.send(desk.news())
