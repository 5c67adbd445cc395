"""SIP over WebSocket, as client and as server. RFC 7118. Framing is that of the package ``websockets``."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from dialplane.ua.errors import UnreachableError
from dialplane.ua.transport.flow import Address, Flow, FlowError, contact_host, joined
from dialplane_native import Message, ParseError, parse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from websockets.asyncio.connection import Connection

    from dialplane.ua.resolve import Hop

_MOST_OCTETS = 65536
_FIRST_SECONDS = 10.0
"""Until the first message on a connection that somebody else opened, and for its handshake."""
_SIP = Subprotocol("sip")


class WebSocketFlow(Flow):
    """One WebSocket connection: each message is one frame (RFC 7118 §5)."""

    reliable = True

    def __init__(
        self,
        connection: Connection,
        remote: Address,
        receive: Callable[[Message, Flow], None],
        lost: Callable[[Flow], None],
        *,
        is_secure: bool,
        local: Address | None = None,
    ) -> None:
        self._connection, self._receive, self._lost = connection, receive, lost
        self.transport = "WSS" if is_secure else "WS"
        self.is_secure = is_secure
        self.remote = remote
        if local is None:
            # RFC 7118 §5.2: a client has no address that others could use.
            host = f"{secrets.token_hex(6)}.invalid"
            self.via = f"SIP/2.0/{self.transport} {host}"
            self.contact_host = f"{host};transport=ws"
        else:
            self.via = f"SIP/2.0/{self.transport} {joined(*local)}"
            self.contact_host = contact_host(*local, self.transport)
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._first: asyncio.TimerHandle | None = None
        if local is not None:
            self._first = asyncio.get_running_loop().call_later(_FIRST_SECONDS, self.close)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    def send(self, data: bytes) -> None:
        """One message, behind those that wait."""
        if self._tasks[0].done():
            raise FlowError(f"the WebSocket connection to {joined(*self.remote)} is closed")
        self._waiting.put_nowait(data)

    def keep_alive(self) -> None:
        """The connection pings by itself (RFC 6455 §5.5.2)."""

    def close(self) -> None:
        """Closes without waiting for the peer."""
        if self._first is not None:
            self._first.cancel()
        for task in self._tasks:
            task.cancel()
        self._connection.transport.close()

    @property
    def is_open(self) -> bool:
        """Whether messages can go by it."""
        return not self._tasks[0].done()

    async def wait_closed(self) -> None:
        """Until the connection is gone."""
        await asyncio.wait(self._tasks[:1])

    async def _read(self) -> None:
        try:
            async for frame in self._connection:
                data = frame.encode("utf-8", "surrogateescape") if isinstance(frame, str) else frame
                with contextlib.suppress(ParseError):
                    message = parse(data)
                    if self._first is not None:
                        self._first.cancel()
                    self._receive(message, self)
        except WebSocketException:
            pass
        finally:
            asyncio.get_running_loop().call_soon(self._lost, self)

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketException):
            while True:
                data = await self._waiting.get()
                try:
                    frame: str | bytes = data.decode()
                except UnicodeDecodeError:
                    frame = data
                await self._connection.send(frame)


async def open_websocket(
    hop: Hop, receive: Callable[[Message, Flow], None], lost: Callable[[Flow], None], context: ssl.SSLContext
) -> WebSocketFlow:
    """Opens a connection with the subprotocol ``sip``."""
    scheme = "wss" if hop.transport == "WSS" else "ws"
    name = f"[{hop.name}]" if ":" in hop.name else hop.name
    try:
        connection = await connect(
            f"{scheme}://{name}:{hop.port}/",
            host=hop.host,
            port=hop.port,
            ssl=context if scheme == "wss" else None,
            subprotocols=[_SIP],
            compression=None,
            max_size=_MOST_OCTETS,
        )
    except (OSError, WebSocketException) as error:
        raise UnreachableError(f"no WebSocket connection to {hop.name}: {error}") from error
    return WebSocketFlow(connection, (hop.host, hop.port), receive, lost, is_secure=scheme == "wss")


async def listen_websocket(
    address: Address,
    context: ssl.SSLContext | None,
    *,
    receive: Callable[[Message, Flow], None],
    lost: Callable[[Flow], None],
    opened: Callable[[WebSocketFlow], None],
) -> Server:
    """Accepts connections that ask for the subprotocol ``sip`` (RFC 7118 §4); others are refused."""

    async def accepted(connection: ServerConnection) -> None:
        remote, local = connection.remote_address[:2], connection.local_address[:2]
        flow = WebSocketFlow(connection, remote, receive, lost, is_secure=context is not None, local=local)
        opened(flow)
        await flow.wait_closed()

    return await serve(
        accepted,
        *address,
        ssl=context,
        subprotocols=[_SIP],
        compression=None,
        max_size=_MOST_OCTETS,
        open_timeout=_FIRST_SECONDS,
    )
