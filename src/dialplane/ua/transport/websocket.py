"""SIP over WebSocket, as a client. RFC 7118. Framing is that of the package ``websockets``."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from dialplane.ua.errors import UnreachableError
from dialplane.ua.transport.flow import Flow, FlowError, joined
from dialplane_native import Message, ParseError, parse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from dialplane.ua.resolve import Hop


class WebSocketFlow(Flow):
    """One WebSocket connection: each message is one frame (RFC 7118 §5)."""

    reliable = True

    def __init__(
        self,
        connection: ClientConnection,
        hop: Hop,
        receive: Callable[[Message, Flow], None],
        lost: Callable[[Flow], None],
    ) -> None:
        self._connection, self._receive, self._lost = connection, receive, lost
        self.transport = hop.transport
        self.is_secure = hop.transport == "WSS"
        self.remote = (hop.host, hop.port)
        # RFC 7118 §5.2: a client has no address that others could use.
        host = f"{secrets.token_hex(6)}.invalid"
        self.via = f"SIP/2.0/{self.transport} {host}"
        self.contact_host = f"{host};transport=ws"
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    def send(self, data: bytes) -> None:
        """One message, behind those that wait."""
        if self._tasks[0].done():
            raise FlowError(f"the WebSocket connection to {joined(*self.remote)} is closed")
        self._waiting.put_nowait(data)

    def close(self) -> None:
        """Closes without waiting for the peer."""
        for task in self._tasks:
            task.cancel()
        self._connection.transport.close()

    @property
    def is_open(self) -> bool:
        """Whether messages can go by it."""
        return not self._tasks[0].done()

    async def _read(self) -> None:
        try:
            async for frame in self._connection:
                data = frame.encode("utf-8", "surrogateescape") if isinstance(frame, str) else frame
                with contextlib.suppress(ParseError):
                    self._receive(parse(data), self)
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
            subprotocols=[Subprotocol("sip")],
            compression=None,
            max_size=65536,
        )
    except (OSError, WebSocketException) as error:
        raise UnreachableError(f"no WebSocket connection to {hop.name}: {error}") from error
    return WebSocketFlow(connection, hop, receive, lost)
