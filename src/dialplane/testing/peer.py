"""A peer that the test plays itself, message by message: for what no well-behaved user agent would do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from dialplane.ua.transport.flow import Flow, joined
from dialplane_native import Message, parse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from dialplane.testing.network import Network

DESCRIPTION = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 0\r\na=sendrecv\r\n"
)
"""A session description for tests that are not about media."""


class Peer:
    """One address; what comes is kept until the test asks for it."""

    def __init__(self, network: Network, host: str, port: int = 5060) -> None:
        self._transports = network.transports(host, port)
        self._network = network
        self._waiting: asyncio.Queue[tuple[Message, Flow]] = asyncio.Queue()
        self.host, self.port = host, port
        self._branches = 0

    async def __aenter__(self) -> Self:
        await self._transports.start(self._receive, lambda _: None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transports.close()

    def _receive(self, message: Message, flow: Flow) -> None:
        self._waiting.put_nowait((message, flow))

    async def receive(self, wanted: str | int | None = None, *, seconds: float = 60.0) -> Message:
        """The next message; ``wanted`` is its method or status, and others before it are passed over."""
        async with asyncio.timeout(seconds):
            while True:
                message, self.flow = await self._waiting.get()
                if wanted is None or wanted in {message.method, message.status}:
                    return message

    async def receive_nothing(self, *, seconds: float = 5.0) -> None:
        """Fails when a message comes."""
        try:
            message = await self.receive(seconds=seconds)
        except TimeoutError:
            return
        raise AssertionError(f"a message that should not be: {message.start_line}")

    def respond(
        self,
        request: Message,
        status: int,
        *,
        tag: str = "peer",
        fields: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        contact: bool = True,
    ) -> None:
        """A response to a request that has come."""
        more = [*fields]
        if contact and 101 <= status < 300:
            more.append(("Contact", f"<sip:peer@{joined(self.host, self.port)}>"))
        if body:
            more.append(("Content-Type", "application/sdp"))
        self.flow.send(request.response(status, to_tag=tag, headers=more, body=body))

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        """Any octets."""
        self._transports.flow("UDP", to).send(data)

    def request(
        self,
        method: str,
        to: tuple[str, int],
        *,
        call_id: str = "of-the-peer",
        cseq: int = 1,
        from_tag: str = "peer",
        to_tag: str | None = None,
        branch: str | None = None,
        fields: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Message:
        """Sends a request and gives it back, so that its branch and CSeq can be used again."""
        self._branches += 1
        branch = branch or f"z9hG4bKpeer{self._branches}"
        tag = f";tag={to_tag}" if to_tag else ""
        me = joined(self.host, self.port)
        lines = [
            f"{method} sip:ua@{joined(*to)} SIP/2.0",
            f"Via: SIP/2.0/UDP {me};branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:peer@{self.host}>;tag={from_tag}",
            f"To: <sip:ua@{to[0]}>{tag}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:peer@{me}>",
            *(f"{name}: {value}" for name, value in fields),
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        self.send(data, to)
        return parse(data)
