"""A network without sockets: addresses, delay, loss, connections that break, and names.

network = Network()
alice = UserAgent("sip:alice@192.0.2.1", transports=network.transports("192.0.2.1"), resolver=network)
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import msgspec

from dialplane.ua.errors import UnreachableError
from dialplane.ua.transport.flow import Address, Flow, FlowError, contact_host, joined
from dialplane.ua.transport.stun import Binding
from dialplane_native import Message, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.ua.resolve import Hop, Naptr, Srv


_SIP = 0x40
"""Below it is the first octet of STUN. RFC 5389 §6."""


class Sent(msgspec.Struct, frozen=True):
    """One message that was sent."""

    time: float
    transport: str
    source: Address
    destination: Address
    data: bytes
    is_lost: bool

    @property
    def message(self) -> Message:
        """The message, parsed."""
        return parse(self.data)

    def __str__(self) -> str:
        line = self.data.partition(b"\r\n")[0].decode() if self.data[0] >= _SIP else "STUN"
        mark = "✗" if self.is_lost else "→"
        return f"{self.time:8.3f} {joined(*self.source)} {mark} {joined(*self.destination)}  {line}"


class Network:
    """Who is where, and what happens to messages on their way. It also answers for the DNS."""

    def __init__(self, *, delay: float = 0.01, loss: float = 0.0, seed: int = 1) -> None:
        self.delay = delay
        self.loss = loss
        """Part of the datagrams that is lost."""
        self.drop: Callable[[Sent], bool] | None = None
        """Loses the datagrams that it says ``True`` to."""
        self.stun: Callable[[bytes, NetworkFlow], bytes] | None = None
        """Answers the STUN requests that anybody is sent, which come by this flow; without it, nobody does."""
        self.sent: list[Sent] = []
        """All messages, in order."""
        self.hosts: dict[str, list[str]] = {}
        """Addresses of names."""
        self.services: dict[str, list[Srv]] = {}
        """SRV records of names."""
        self.pointers: dict[str, list[Naptr]] = {}
        """NAPTR records of names."""
        self.nodes: dict[Address, NetworkTransports] = {}
        self._chance = random.Random(seed)
        self._began: float | None = None
        self._last = 0.0

    def transports(self, host: str, port: int = 5060, *, supported: str = "UDP TCP") -> NetworkTransports:
        """The transports of a user agent at an address."""
        return NetworkTransports(self, (host, port), frozenset(supported.split()))

    async def naptr(self, name: str) -> list[Naptr]:
        """As a resolver."""
        return self.pointers.get(name, [])

    async def srv(self, name: str) -> list[Srv]:
        """As a resolver."""
        return self.services.get(name, [])

    async def addresses(self, name: str) -> list[str]:
        """As a resolver."""
        return self.hosts.get(name, [])

    def carry(self, flow: NetworkFlow, data: bytes) -> None:
        """Sends octets from one end of a flow to the other."""
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        sent = Sent(loop.time() - self._began, flow.transport, flow.local, flow.remote, data, is_lost=False)
        is_lost = not flow.reliable and (
            (self.loss and self._chance.random() < self.loss) or (self.drop is not None and self.drop(sent))
        )
        self.sent.append(msgspec.structs.replace(sent, is_lost=bool(is_lost)))
        if not is_lost:
            # What was sent first arrives first, also at the same time.
            self._last = max(loop.time() + self.delay, self._last + 1e-6)
            loop.call_at(self._last, self._deliver, flow, data)

    def _deliver(self, flow: NetworkFlow, data: bytes) -> None:
        node = self.nodes.get(flow.remote) if flow.peer is None else flow.peer.node
        if node is None or not data.strip():
            return
        back = flow.peer or node.flow("UDP", flow.local)
        if back.is_broken:
            return
        if data[0] >= _SIP:
            node.receive(parse(data), back)
        elif back.binding is not None and not back.binding.receive(data) and self.stun is not None:
            back.send(self.stun(data, back))

    def ladder(self) -> str:
        """All messages, one line each."""
        return "\n".join(str(sent) for sent in self.sent)

    def lines(self) -> list[str]:
        """What was sent, short: ``INVITE``, ``100``, ``200`` and so on."""
        return [short(sent.data) for sent in self.sent]


def short(data: bytes) -> str:
    """The method, or the status."""
    if data[0] < _SIP:
        return "STUN"
    words = data.partition(b"\r\n")[0].split(b" ")
    return (words[1] if words[0] == b"SIP/2.0" else words[0]).decode()


class NetworkFlow(Flow):
    """A flow of the network."""

    def __init__(self, node: NetworkTransports, transport: str, local: Address, remote: Address) -> None:
        self.node = node
        self.transport = transport
        self.reliable = transport != "UDP"
        self.is_secure = transport == "TLS"
        self.local, self.remote = local, remote
        self.via = f"SIP/2.0/{transport} {joined(*node.address)};rport"
        self.contact_host = contact_host(*node.address, transport)
        self.peer: NetworkFlow | None = None
        self.is_broken = False
        self.keep_alives = 0
        self.binding = None if self.reliable else Binding(self.send)

    @property
    def is_open(self) -> bool:
        """Whether messages can go by it."""
        return not self.is_broken

    def send(self, data: bytes) -> None:
        """One message."""
        if self.is_broken:
            raise FlowError(f"the connection to {joined(*self.remote)} is closed")
        self.node.network.carry(self, data)

    def keep_alive(self) -> None:
        """Counted."""
        if self.is_broken:
            raise FlowError(f"the connection to {joined(*self.remote)} is closed")
        self.keep_alives += 1

    def close(self) -> None:
        """Breaks the connection for both."""
        for end in (self, self.peer):
            if end is not None and not end.is_broken and self.reliable:
                end.is_broken = True
                end.node.ended(end)


class NetworkTransports:
    """One address of the network."""

    def __init__(self, network: Network, address: Address, supported: frozenset[str]) -> None:
        self.network, self.address = network, address
        self.supported = supported
        self._flows: dict[tuple[str, Address], NetworkFlow] = {}
        self._ports = 40_000

    async def start(self, receive: Callable[[Message, Flow], None], lost: Callable[[Flow], None]) -> None:
        """From now on, others can send to it."""
        if self.address in self.network.nodes:
            raise UnreachableError(f"{joined(*self.address)} is in use")
        self.receive, self.ended = receive, lost
        self.network.nodes[self.address] = self

    def flow(self, transport: str, remote: Address) -> NetworkFlow:
        """The datagram flow to a peer."""
        found = self._flows.get((transport, remote))
        if found is None:
            found = self._flows[transport, remote] = NetworkFlow(self, transport, self.address, remote)
        return found

    def flow_now(self, hop: Hop) -> Flow | None:
        """The flow to a hop, if it takes no waiting."""
        remote = (hop.host, hop.port)
        if hop.transport == "UDP":
            return self.flow("UDP", remote)
        found = self._flows.get((hop.transport, remote))
        return found if found is not None and found.is_open else None

    async def connect(self, hop: Hop) -> Flow:
        """The flow to a hop."""
        found = self.flow_now(hop)
        if found is not None:
            return found
        await asyncio.sleep(2 * self.network.delay)
        remote = (hop.host, hop.port)
        node = self.network.nodes.get(remote)
        if node is None or hop.transport not in node.supported:
            raise UnreachableError(f"{hop.name} ({joined(*remote)}) takes no connection: refused")
        self._ports += 1
        local = (self.address[0], self._ports)
        here = NetworkFlow(self, hop.transport, local, remote)
        there = NetworkFlow(node, hop.transport, remote, local)
        here.peer, there.peer = there, here
        self._flows[hop.transport, remote] = here
        node._flows[hop.transport, local] = there  # noqa: SLF001 - the other end of the same connection
        return here

    async def close(self) -> None:
        """Gone."""
        if self.network.nodes.get(self.address) is self:
            del self.network.nodes[self.address]
        for flow in list(self._flows.values()):
            flow.close()
