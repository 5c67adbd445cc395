"""One socket or connection of the generator: transactions on their way, and what comes in.

Counts what the transactions absorb, since a repeated message is news for a measurement.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from dialplane.ua.endpoint import Endpoint
from dialplane.ua.errors import UnreachableError
from dialplane.ua.resolve import hop_of
from dialplane_native import validate
from dialplane_native.transactions import Send

if TYPE_CHECKING:
    from dialplane.bench.desk import Desk
    from dialplane.ua.transport import Flow, SocketTransports, Transports
    from dialplane_native import Message
    from dialplane_native.transactions import Incoming

_AGAIN_SECONDS = 1.0
_MEMINFO, _DROPS = 55, 8
"""SO_MEMINFO of Linux, and which of its nine numbers counts dropped datagrams."""


class Line(Endpoint):
    """Requests go by :attr:`flow`; whoever sends to us finds our callees."""

    flow: Flow

    def __init__(self, transports: Transports, desk: Desk) -> None:
        super().__init__(transports, self)
        self._desk = desk
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Binds the sockets and connects."""
        await self.start()
        hop = self._desk.plan.hop
        self.flow = self.transports.flow_now(hop) or await self.transports.connect(hop)

    async def close(self) -> None:
        """Closes everything."""
        if self._opening is not None:
            self._opening.cancel()
        await super().close()

    async def flow_to(self, uri: str) -> Flow:
        """The way to the next hop of a dialog, which may be another than the server."""
        hop = hop_of(uri)
        if hop is None or hop.transport not in self.transports.supported:
            return self.flow
        try:
            return self.transports.flow_now(hop) or await self.transports.connect(hop)
        except UnreachableError:
            return self.flow

    def flow_now(self, uri: str) -> Flow | None:
        """As :meth:`flow_to` where it takes no waiting."""
        hop = hop_of(uri)
        return self.flow if hop is None else self.transports.flow_now(hop)

    def on_request(self, incoming: Incoming) -> None:
        """For our callees."""
        self._desk.callees.on_request(self, incoming)

    def on_stray(self, message: Message, flow: Flow) -> None:  # noqa: ARG002 - the endpoint's signature
        """A response to nothing."""
        self._desk.tally.strays += 1

    def on_lost(self, flow: Flow) -> None:
        """The connection is gone: another one."""
        if flow is self.flow and (self._opening is None or self._opening.done()):
            self._opening = asyncio.get_running_loop().create_task(self._open_again())

    async def _open_again(self) -> None:
        while True:
            try:
                self.flow = await self.transports.connect(self._desk.plan.hop)
            except UnreachableError:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    def _on_message(self, message: Message, flow: Flow) -> None:
        now = self._loop.time()
        actions = self.transactions.receive(now, message, flow=flow, reliable=flow.reliable, source=flow.remote)
        if not actions or (len(actions) == 1 and type(actions[0]) is Send):
            self._absorbed(message)
        self._act(actions)

    def _absorbed(self, message: Message) -> None:
        if validate(message) is not None:
            self._desk.tally.strays += 1
            self._desk.tally.tell(f"no valid message: {message.start_line}")
        elif message.method != "ACK":
            self._desk.tally.repeated += 1

    def _on_time(self) -> None:
        self._timer, self._armed = None, float("inf")
        actions = self.transactions.expire(self._loop.time())
        self._desk.tally.resent += sum(type(action) is Send for action in actions)
        self._act(actions)


def dropped(transports: SocketTransports) -> int:
    """Datagrams for which our sockets had no room since they were opened; 0 where the kernel does not tell."""
    count = 0
    for descriptor in transports.datagram_descriptors():
        with socket.socket(fileno=descriptor) as one:
            try:
                numbers = one.getsockopt(socket.SOL_SOCKET, _MEMINFO, 36)
            except OSError:
                continue
            if len(numbers) >= 4 * (_DROPS + 1):
                count += struct.unpack_from("I", numbers, 4 * _DROPS)[0]
    return count
