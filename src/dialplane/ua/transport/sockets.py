"""The sockets of a user agent: one UDP and one TCP port, connections by address. RFC 3261 §18."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Protocol

from dialplane.ua.errors import UnreachableError
from dialplane.ua.transport.stream import StreamFlow
from dialplane.ua.transport.udp import UdpSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.server import Server as WebSocketServer

    from dialplane.ua.resolve import Hop
    from dialplane.ua.transport.flow import Flow
    from dialplane.ua.transport.websocket import WebSocketFlow
    from dialplane_native import Message

_CONNECT_SECONDS = 8.0
_TRIES = 16
_MOST_CONNECTIONS = 1024


class Transports(Protocol):
    """What a user agent needs of its network."""

    supported: frozenset[str]

    async def start(self, receive: Callable[[Message, Flow], None], lost: Callable[[Flow], None]) -> None:
        """Opens what others may send to."""
        ...

    def flow_now(self, hop: Hop) -> Flow | None:
        """The flow to a hop, if it takes no waiting."""
        ...

    async def connect(self, hop: Hop) -> Flow:
        """The flow to a hop; a connection that stands is used again. Raises :class:`UnreachableError`."""
        ...

    async def close(self) -> None:
        """Closes everything."""
        ...


class SocketTransports:
    """Real sockets.

    ``host`` and ``port`` are those of the UDP socket and of the TCP listener; port 0 is any that is free for both. TLS
    connections are accepted where ``server_tls`` has a certificate, WebSocket connections where ``ws_port`` (0: any
    that is free) or, with the certificate, ``wss_port`` is given.
    """

    def __init__(
        self,
        *,
        host: str | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        server_tls: ssl.SSLContext | None = None,
        tls_port: int = 0,
        ws_port: int | None = None,
        wss_port: int | None = None,
        receive_buffer: int = 0,
    ) -> None:
        self.supported = frozenset({"UDP", "TCP", "TLS", "WS", "WSS"})
        self._hosts = [host] if host else ["0.0.0.0", "::"]  # noqa: S104 - whoever calls must reach us
        self._port, self._tls_port = port, tls_port
        self._tls, self._server_tls = tls, server_tls
        self._ws_port, self._wss_port = ws_port, wss_port
        self._receive_buffer = receive_buffer
        self._udp: dict[bool, UdpSocket] = {}
        self._servers: list[asyncio.Server] = []
        self._websockets: list[WebSocketServer] = []
        self._streams: dict[tuple[str, str, int], StreamFlow | WebSocketFlow] = {}
        self._all: set[StreamFlow | WebSocketFlow] = set()
        self._opening: dict[tuple[str, str, int], asyncio.Lock] = {}

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where datagrams are received."""
        return [udp.local for udp in self._udp.values()]

    def datagram_descriptors(self) -> list[int]:
        """Copies of the descriptors of the UDP sockets, to be closed by who asks: for what the kernel tells of them."""
        return [udp.copied_descriptor() for udp in self._udp.values()]

    async def start(self, receive: Callable[[Message, Flow], None], lost: Callable[[Flow], None]) -> None:
        """Binds the sockets, all or none."""
        self._receive, self._lost = receive, lost
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        for host in self._hosts:
            try:
                await self._bind(host)
            except OSError as error:
                if host != "::":  # IPv6 is there or not
                    raise UnreachableError(f"cannot listen on {host} port {self._port}: {error.strerror}") from error
        if self._server_tls is not None:
            for host in self._hosts:
                with contextlib.suppress(OSError):
                    await self._listen(host, self._tls_port, self._server_tls)
        await self._listen_websocket(self._ws_port, None)
        if self._server_tls is not None:
            await self._listen_websocket(self._wss_port, self._server_tls)

    async def _listen_websocket(self, port: int | None, context: ssl.SSLContext | None) -> None:
        """On every address, as above."""
        if port is None:
            return
        from dialplane.ua.transport.websocket import listen_websocket  # noqa: PLC0415 - only who needs it

        for host in self._hosts:
            try:
                server = await listen_websocket(
                    (host, port), context, receive=self._receive, lost=self._ended, opened=self._accepted
                )
            except OSError as error:
                if host != "::":
                    raise UnreachableError(f"cannot listen on {host} port {port}: {error.strerror}") from error
            else:
                self._websockets.append(server)
                port = next(iter(server.sockets)).getsockname()[1]
        if context is None:
            self._ws_port = port
        else:
            self._wss_port = port

    @property
    def ws_port(self) -> int | None:
        """Where WebSocket connections are accepted."""
        return self._ws_port

    @property
    def wss_port(self) -> int | None:
        """Where secure WebSocket connections are accepted."""
        return self._wss_port

    async def _bind(self, host: str) -> None:
        """One port for UDP and TCP."""
        loop = asyncio.get_running_loop()
        for left in reversed(range(_TRIES)):
            transport, udp = await loop.create_datagram_endpoint(
                lambda: UdpSocket(self._receive, buffer=self._receive_buffer), local_addr=(host, self._port)
            )
            try:
                await self._listen(host, udp.local[1], None)
            except OSError:
                transport.close()
                if self._port or not left:
                    raise
                continue
            self._udp[":" in host] = udp
            self._port = udp.local[1]
            return

    async def _listen(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        def make() -> StreamFlow:
            return StreamFlow(
                self._receive,
                self._ended,
                port=port,
                is_secure=context is not None,
                opened=self._accepted,
                is_accepted=True,
            )

        self._servers.append(await asyncio.get_running_loop().create_server(make, host, port, ssl=context))

    def _accepted(self, flow: StreamFlow | WebSocketFlow) -> None:
        self._all.add(flow)
        if len(self._all) > _MOST_CONNECTIONS:
            flow.close()
            return
        # RFC 5923: requests to that very address go by this connection.
        self._streams.setdefault((flow.transport, *flow.remote), flow)

    def _ended(self, flow: Flow) -> None:
        key = (flow.transport, *flow.remote)
        if self._streams.get(key) is flow:
            del self._streams[key]
        self._all.discard(flow)
        self._lost(flow)

    def flow_now(self, hop: Hop) -> Flow | None:
        """The flow to a hop, if it takes no waiting."""
        if hop.transport == "UDP":
            udp = self._udp.get(":" in hop.host)
            if udp is None:
                raise UnreachableError(f"{hop.host} cannot be reached: this user agent has no socket of that family")
            return udp.flow((hop.host, hop.port))
        found = self._streams.get((hop.transport, hop.host, hop.port))
        return found if found is not None and found.is_open else None

    async def connect(self, hop: Hop) -> Flow:
        """The flow to a hop."""
        key = (hop.transport, hop.host, hop.port)
        async with self._opening.setdefault(key, asyncio.Lock()):
            found = self.flow_now(hop)
            if found is not None:
                return found
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    flow = await self._open(hop)
            except TimeoutError:
                raise UnreachableError(f"{hop.name} ({hop.host}) takes no connection: no answer") from None
            except ssl.SSLCertVerificationError as error:
                text = f"the certificate of {hop.name} is not trusted: {error.verify_message}"
                raise UnreachableError(text) from error
            except OSError as error:
                text = f"{hop.name} ({hop.host} port {hop.port}) takes no connection: {error.strerror or error}"
                raise UnreachableError(text) from error
            self._streams[key] = flow
            return flow

    async def _open(self, hop: Hop) -> StreamFlow | WebSocketFlow:
        if hop.transport in {"WS", "WSS"}:
            from dialplane.ua.transport.websocket import open_websocket  # noqa: PLC0415 - only who needs it

            return await open_websocket(hop, self._receive, self._ended, self._client_context())
        is_secure = hop.transport == "TLS"
        port = None if is_secure else self._port

        def make() -> StreamFlow:
            return StreamFlow(self._receive, self._ended, port=port, is_secure=is_secure, opened=self._all.add)

        _, flow = await asyncio.get_running_loop().create_connection(
            make,
            hop.host,
            hop.port,
            ssl=self._client_context() if is_secure else None,
            server_hostname=hop.name if is_secure else None,
        )
        return flow

    def _client_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def close(self) -> None:
        """Closes everything."""
        for server in self._servers:
            server.close()
        for flow in [*self._all, *self._streams.values()]:
            flow.close()
        for udp in self._udp.values():
            if udp.transport is not None:
                udp.transport.close()
        for websocket in self._websockets:
            websocket.close()
            await websocket.wait_closed()
        await asyncio.sleep(0)
