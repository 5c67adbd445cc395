"""Datagrams. RFC 3261 §18, RFC 3581."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any, cast

from dialplane.ua.transport.flow import Address, Flow, FlowError, contact_host, joined
from dialplane.ua.transport.stun import Binding
from dialplane_native import Message, ParseError, parse

if TYPE_CHECKING:
    from collections.abc import Callable

_SO_RCVBUFFORCE = 33
"""Linux: beyond what the system allows everybody."""
_MOST_OCTETS = 65536
"""Of a datagram."""
_KEPT = 1024
"""Peers whose flows are remembered."""


class UdpFlow(Flow):
    """A peer of one UDP socket."""

    transport = "UDP"
    reliable = False
    binding: Binding

    def __init__(self, owner: UdpSocket, remote: Address, local: Address) -> None:
        self._owner = owner
        self.remote = remote
        self.via = f"SIP/2.0/UDP {joined(*local)};rport"
        self.contact_host = contact_host(*local, "UDP")
        self.binding = Binding(self.send)

    def send(self, data: bytes) -> None:
        """One datagram."""
        transport = self._owner.transport
        if transport is None or transport.is_closing():
            raise FlowError("the socket of this user agent is closed")
        transport.sendto(data, self.remote)

    def keep_alive(self) -> None:
        """CRLF CRLF keeps the binding in a NAT open; nobody answers it."""
        self.send(b"\r\n\r\n")

    def close(self) -> None:
        """Nothing to end: the socket is everybody's."""


class UdpSocket(asyncio.DatagramProtocol):
    """A bound socket and the flows of its peers."""

    def __init__(self, receive: Callable[[Message, Flow], None], *, buffer: int = 0) -> None:
        self._receive = receive
        self._buffer = buffer
        self._flows: dict[Address, UdpFlow] = {}
        self.transport: asyncio.DatagramTransport | None = None
        self.local: Address = ("", 0)
        self.refused = 0
        """Datagrams that were no SIP."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is bound."""
        self.transport = cast("asyncio.DatagramTransport", transport)
        if hasattr(transport, "max_size"):
            # asyncio makes room for 256 KiB each time, which the C library gets from the kernel and gives back.
            transport.max_size = _MOST_OCTETS
        self.local = transport.get_extra_info("sockname")[:2]
        if self._buffer:
            with socket.socket(fileno=self.copied_descriptor()) as one:
                with contextlib.suppress(OSError):  # a privilege
                    one.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, self._buffer)
                    return
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)

    def copied_descriptor(self) -> int:
        """A copy of the socket's descriptor."""
        if self.transport is None:
            raise FlowError("the socket of this user agent is not open")
        return os.dup(self.transport.get_extra_info("socket").fileno())

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """One message, or an answer to STUN; what is neither is counted and dropped, keep-alives are not counted."""
        try:
            message = parse(data)
        except ParseError:
            flow = self._flows.get((addr[0], addr[1]))
            is_answer = flow is not None and flow.binding.receive(data)
            self.refused += not is_answer and bool(data.strip(b"\r\n\0"))
            return
        self._receive(message, self.flow((addr[0], addr[1])))

    def flow(self, remote: Address) -> UdpFlow:
        """The flow to a peer."""
        found = self._flows.get(remote)
        if found is None:
            if len(self._flows) >= _KEPT:
                self._flows.pop(next(iter(self._flows)))
            host = self.local[0]
            if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
                host = address_towards(remote)
            found = self._flows[remote] = UdpFlow(self, remote, (host, self.local[1]))
        return found


def address_towards(remote: Address) -> str:
    """The address of this machine from which a peer is reached; nothing is sent."""
    family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(remote)
        except OSError as error:
            raise FlowError(f"no route to {remote[0]}: {error.strerror}") from None
        return str(probe.getsockname()[0])
