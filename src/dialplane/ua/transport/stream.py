"""Connections: TCP and TLS. RFC 3261 §18.3, RFC 5626 §3.5.1 (keep-alive)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from dialplane.ua.transport.flow import Flow, FlowError, contact_host, joined
from dialplane_native import Framer, Message, ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_SECONDS = 10.0
"""Until the first whole message on a connection that somebody else opened."""
_READ_OCTETS = 65536
"""Taken at one time. asyncio makes room for 256 KiB each time, which the C library gets from the kernel anew."""
_MOST_WAITING = 1 << 20
"""Octets that may wait for a peer that does not read."""
_PONG_SECONDS = 10.0
"""RFC 5626 §4.4.1: how long an answer to a keep-alive may take."""


class StreamFlow(asyncio.Protocol, Flow):
    """One connection, whoever opened it."""

    reliable = True

    def __init__(
        self,
        receive: Callable[[Message, Flow], None],
        lost: Callable[[Flow], None],
        *,
        port: int | None,
        is_secure: bool,
        opened: Callable[[StreamFlow], None] | None = None,
        is_accepted: bool = False,
    ) -> None:
        self._receive, self._lost, self._opened = receive, lost, opened
        self._port = port
        self._framer = Framer()
        self._stream: asyncio.Transport | None = None
        self._pong: asyncio.TimerHandle | None = None
        self._first: asyncio.TimerHandle | None = None
        self._is_accepted = is_accepted
        self.is_secure = is_secure
        self.transport = "TLS" if is_secure else "TCP"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._stream = cast("asyncio.Transport", transport)
        if hasattr(transport, "max_size"):
            transport.max_size = _READ_OCTETS
        self.remote = transport.get_extra_info("peername")[:2]
        host, port = transport.get_extra_info("sockname")[:2]
        port = self._port or port
        self.via = f"SIP/2.0/{self.transport} {joined(host, port)};rport"
        self.contact_host = contact_host(host, port, self.transport)
        if self._opened is not None:
            self._opened(self)
        if self._is_accepted:
            self._first = asyncio.get_running_loop().call_later(_FIRST_SECONDS, self.close)

    def data_received(self, data: bytes) -> None:
        """Some octets. What cannot be cut into messages ends the connection (RFC 3261 §18.3)."""
        if self._pong is not None:
            self._pong.cancel()
            self._pong = None
        try:
            messages = self._framer.feed(data)
        except ParseError:
            self.close()
            return
        pings = self._framer.take_keep_alives()
        if pings and self._stream is not None:
            self._stream.write(b"\r\n" * pings)
        if messages and self._first is not None:
            self._first.cancel()
            self._first = None
        for message in messages:
            self._receive(message, self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The connection is gone."""
        for timer in (self._pong, self._first):
            if timer is not None:
                timer.cancel()
        self._stream = None
        self._lost(self)

    @property
    def is_open(self) -> bool:
        """Whether messages can go by it."""
        return self._stream is not None and not self._stream.is_closing()

    def send(self, data: bytes) -> None:
        """One message."""
        if self._stream is None or self._stream.is_closing():
            raise FlowError(f"the connection to {joined(*self.remote)} is closed")
        if self._stream.get_write_buffer_size() > _MOST_WAITING:
            self._stream.abort()
            raise FlowError(f"{joined(*self.remote)} does not read what it is sent")
        self._stream.write(data)

    def keep_alive(self) -> None:
        """CRLF CRLF; without an answer within ten seconds the connection is given up."""
        self.send(b"\r\n\r\n")
        if self._pong is None:
            self._pong = asyncio.get_running_loop().call_later(_PONG_SECONDS, self.close)

    def close(self) -> None:
        """Sends what waits and closes."""
        if self._stream is not None:
            self._stream.close()
