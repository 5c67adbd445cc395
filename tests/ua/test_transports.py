"""Real sockets on this machine: UDP, TCP and TLS; large requests; keep-alives; connections that bring nothing."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from dialplane.testing import DESCRIPTION
from dialplane.ua import IncomingCall, ReceivedMessage, UnreachableError, UserAgent
from dialplane.ua.transport import Flow, SocketTransports
from dialplane.ua.transport import stream as stream_module
from dialplane.ua.transport import websocket as websocket_module
from dialplane_native import Message, parse

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def bob(**options: Any) -> AsyncIterator[tuple[UserAgent, SocketTransports]]:
    transports = SocketTransports(host="127.0.0.1", **options)
    agent = UserAgent("sip:bob@127.0.0.1", transports=transports)

    @agent.on_call
    async def answer(call: IncomingCall) -> None:
        await call.answer(DESCRIPTION)
        await call.wait_ended()

    async with agent:
        yield agent, transports


@asynccontextmanager
async def alice(**options: Any) -> AsyncIterator[tuple[UserAgent, list[tuple[str, str]]]]:
    """And the transport and first word of whatever she sends and receives."""
    seen: list[tuple[str, str]] = []

    def watch(_: str, flow: Flow, data: bytes) -> None:
        seen.append((flow.transport, data.split()[0].decode()))

    agent = UserAgent("sip:alice@127.0.0.1", host="127.0.0.1", **options)
    agent.endpoint.watchers.append(watch)
    async with agent:
        yield agent, seen


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call(transport: str) -> None:
    async with bob() as (_, transports), alice() as (agent, seen):
        uri = f"sip:bob@127.0.0.1:{transports.addresses[0][1]};transport={transport}"
        call = await agent.call(uri, media=DESCRIPTION)
        await call.hold()
        await call.hang_up()
    assert {used for used, _ in seen} == {transport.upper()}


async def test_a_large_request_goes_by_tcp_and_by_udp_where_there_is_none() -> None:
    """RFC 3261 §18.1.1."""
    text = "x" * 3000
    async with bob() as (agent, transports), alice() as (other, seen):
        agent.on_message(lambda message: asyncio.sleep(0, message.text))
        port = transports.addresses[0][1]
        await other.message(f"sip:bob@127.0.0.1:{port}", text)
        assert ("TCP", "MESSAGE") in seen
        for server in transports._servers:
            server.close()
        for flow in list(transports._all):
            flow.close()
        while other.endpoint.transports._all:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
        await other.message(f"sip:bob@127.0.0.1:{port}", text)
        assert ("UDP", "MESSAGE") in seen


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server, and of a client that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


async def test_tls_and_a_certificate_that_nobody_trusts(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = contexts
    async with bob(server_tls=server) as (_, transports):
        port = transports._servers[-1].sockets[0].getsockname()[1]
        async with alice(tls=client) as (agent, seen):
            call = await agent.call(f"sips:bob@127.0.0.1:{port}", media=DESCRIPTION)
            assert call.flow is not None
            assert call.flow.is_secure
            await call.hang_up()
            assert {used for used, _ in seen} == {"TLS"}
        async with alice() as (stranger, _):
            with pytest.raises(UnreachableError, match="not trusted"):
                await stranger.options(f"sips:127.0.0.1:{port}")


async def test_keep_alives_are_answered_and_rubbish_ends_the_connection() -> None:
    async with bob() as (_, transports):
        port = transports.addresses[0][1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        writer.close()


async def test_a_connection_without_a_message_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "_FIRST_SECONDS", 0.05)
    async with bob() as (_, transports):
        reader, writer = await asyncio.open_connection("127.0.0.1", transports.addresses[0][1])
        writer.write(b"OPTIONS ")
        assert await reader.read() == b""
        writer.close()


async def test_a_peer_that_goes_without_a_word() -> None:
    """A request by a connection that breaks fails at once, not after 32 seconds."""
    taken: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        taken.put_nowait(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with alice() as (agent, _):
        asking = asyncio.create_task(agent.options(f"sip:127.0.0.1:{port};transport=tcp"))
        writer = await taken.get()
        writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: reset
        writer.close()
        with pytest.raises(UnreachableError, match="the connection failed"):
            await asking
    server.close()


async def test_datagrams_that_are_no_sip_are_counted() -> None:
    async with bob() as (_, transports), alice() as (other, _):
        [udp] = transports._udp.values()
        loop = asyncio.get_running_loop()
        sender, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=udp.local)
        for data in (b"\r\n\r\n", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100):
            sender.sendto(data)
        assert (await other.options(f"sip:127.0.0.1:{udp.local[1]}")).status == 200
        assert udp.refused == 2
        sender.close()


async def test_no_more_calls_than_allowed() -> None:
    received: asyncio.Queue[Message] = asyncio.Queue()
    transports = SocketTransports(host="127.0.0.1")
    async with UserAgent("sip:bob@127.0.0.1", transports=transports, most_calls=1) as agent, alice() as (other, _):

        @agent.on_call
        async def wait(call: IncomingCall) -> None:
            await call.ring()
            await call.wait_ended()

        agent.endpoint.watchers.append(lambda way, _, data: received.put_nowait(parse(data)) if way == "out" else None)
        uri = f"sip:bob@127.0.0.1:{transports.addresses[0][1]}"
        first = other.call(uri, media=DESCRIPTION)
        while (await received.get()).status != 180:
            pass
        with pytest.raises(Exception, match="503"):
            await other.call(uri, media=DESCRIPTION)
        await first.hang_up()


@asynccontextmanager
async def bob_on_the_web(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[list[IncomingCall], SocketTransports]]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    calls: list[IncomingCall] = []
    async with bob(ws_port=0, wss_port=0, server_tls=context, **options) as (agent, transports):

        @agent.on_call
        async def answer(call: IncomingCall) -> None:
            calls.append(call)
            await call.answer(DESCRIPTION)
            await call.wait_ended()

        @agent.on_message
        async def read(message: ReceivedMessage) -> None:
            assert message.text == "hello"

        yield calls, transports


@pytest.mark.parametrize("transport", ["ws", "wss"])
async def test_a_call_by_a_websocket_that_we_accept(tmp_path: Path, transport: str) -> None:
    """Both may ask for something within it; the one that called has no address at all."""
    async with bob_on_the_web(tmp_path) as (calls, transports):
        context = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
        port = transports.ws_port if transport == "ws" else transports.wss_port
        async with alice(tls=context) as (agent, seen):
            uri = f"sip:bob@127.0.0.1:{port};transport={transport}"
            call = await agent.call(uri, media=DESCRIPTION)
            await call.hold()
            await call.resume()
            await calls[0].hold()
            await agent.message(uri, "hello")
            await calls[0].hang_up()
            assert (await call.wait_ended()).by == "peer"
        assert {used for used, _ in seen} == {transport.upper()}
        assert ("WS" if transport == "ws" else "WSS", "BYE") in seen
        while transports._all:
            await asyncio.sleep(0.01)


async def test_websockets_that_bring_no_sip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_module, "_FIRST_SECONDS", 0.2)
    async with bob_on_the_web(tmp_path) as (_, transports):
        with pytest.raises(InvalidHandshake):
            await connect(f"ws://127.0.0.1:{transports.ws_port}/")
        async with connect(f"ws://127.0.0.1:{transports.ws_port}/", subprotocols=[Subprotocol("sip")]) as silent:
            await silent.send("no SIP")
            with pytest.raises(ConnectionClosed):
                await silent.recv()
        assert not transports._all


async def test_a_websocket_port_that_is_taken(tmp_path: Path) -> None:
    async with bob_on_the_web(tmp_path) as (_, transports):
        with pytest.raises(UnreachableError, match="cannot listen"):
            async with bob(ws_port=transports.ws_port):
                pass
