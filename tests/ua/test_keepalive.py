"""Keep-alives of a registration: what a server says, STUN, and flows that fail. RFC 5626 §4.4, §4.5, RFC 6223."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from typing import Any

import pytest

from dialplane.testing import Network, Peer
from dialplane.testing.network import NetworkFlow
from dialplane.ua import RegistrationState, UserAgent
from dialplane.ua.transport import FlowError
from dialplane.ua.transport.stun import Binding
from dialplane_native import Message

HOST = "192.0.2.9"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
"""Of RFC 5769."""
RESPONSES = {
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96": "192.0.2.1",
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa"
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c": (
        "2001:db8:1234:5678:11:2233:4455:6677"
    ),
}
"""RFC 5769 §2.2, §2.3."""


def success(request: bytes, host: str, port: int) -> bytes:
    """A Binding success response over IPv4."""
    address = int(ipaddress.IPv4Address(host)) ^ 0x2112A442
    return struct.pack(">HH16sHHBBHI", 0x0101, 12, request[4:20], 0x20, 8, 0, 1, port ^ 0x2112, address)


class Server:
    """Answers STUN on the network."""

    def __init__(self, network: Network) -> None:
        self.asked: list[float] = []
        self.mapped: tuple[str, int] | None = ("198.51.100.1", 1024)
        network.stun = self

    def __call__(self, request: bytes, flow: NetworkFlow) -> bytes:
        assert (len(request), request[:8]) == (20, bytes.fromhex("000100002112a442"))
        self.asked.append(asyncio.get_running_loop().time())
        return success(request, *self.mapped) if self.mapped else b"\1\x11\0\0" + request[4:20]


def alice(network: Network, transport: str = "udp", **options: Any) -> UserAgent:
    return UserAgent(
        "sip:alice@example.com",
        transports=network.transports("192.0.2.1"),
        resolver=network,
        register=f"sip:{HOST};transport={transport}",
        **options,
    )


def grant(peer: Peer, request: Message, seconds: int, keep: str = "", *fields: tuple[str, str]) -> None:
    """``keep`` takes the place of that parameter."""
    contact = f"{request['Contact']};expires={seconds}"
    response = request.response(200, to_tag="peer", headers=[("Contact", contact), *fields])
    peer.flow.send(bytes(response).replace(b";keep", keep.encode(), 1))


async def opened(ua: UserAgent, peer: Peer, keep: str, *fields: tuple[str, str], seconds: int = 7200) -> Message:
    entering = asyncio.create_task(ua.__aenter__())
    register = await peer.receive("REGISTER")
    grant(peer, register, seconds, keep, *fields)
    await entering
    return register


async def closed(ua: UserAgent, peer: Peer) -> Message:
    leaving = asyncio.create_task(ua.close())
    register = await peer.receive("REGISTER")
    grant(peer, register, 0)
    await leaving
    return register


@pytest.mark.parametrize(
    ("transport", "keep", "fields", "is_stun", "seconds"),
    [
        ("udp", ";keep=90", [], True, 90),
        ("udp", ";keep=0", [], True, 29),
        ("udp", ";keep", [], False, 29),
        ("udp", ";keep=soon", [], False, 29),
        ("udp", "", [("Require", "outbound")], True, 29),
        ("udp", "", [("Require", "outbound"), ("Flow-Timer", "60")], True, 60),
        ("udp", ";keep=1", [], True, 5),
        ("tcp", ";keep=40", [], False, 40),
        ("tcp", "", [("Require", "outbound"), ("Flow-Timer", "200")], False, 200),
        ("tcp", "", [], False, 120),
    ],
)
async def test_what_the_server_says(
    sip_network: Network, transport: str, keep: str, fields: list[tuple[str, str]], is_stun: bool, seconds: int
) -> None:
    server = Server(sip_network)
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network, transport)
        register = await opened(ua, peer, keep, *fields)
        assert register.top_via.params.get("keep", "none") is None, "it is asked"
        flow = ua.registrations[0].flow
        assert isinstance(flow, NetworkFlow)
        begin = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds * 20)
        times = [time - begin for time in server.asked]
        count = len(times) if is_stun else flow.keep_alives
        assert 20 <= count <= 25
        assert flow.keep_alives == (0 if is_stun else count)
        gaps = [after - before for before, after in zip([0.0, *times], times, strict=False)]
        assert all(0.8 * seconds - 0.1 < gap < seconds + 0.1 for gap in gaps)
        last = await closed(ua, peer)
        assert "keep" not in last.top_via.params, "what ends is not kept"
        asked = len(server.asked)
        await asyncio.sleep(1000)
        assert (len(server.asked), flow.keep_alives) == (asked, 0 if is_stun else count)


async def test_who_does_not_want_to_does_not_ask(sip_network: Network) -> None:
    server = Server(sip_network)
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network, keep_alive=False)
        register = await opened(ua, peer, ";keep=10")
        assert "keep" not in register.top_via.params
        await asyncio.sleep(1000)
        assert not server.asked
        await closed(ua, peer)


async def test_another_mapped_address_is_a_new_registration(sip_network: Network) -> None:
    server = Server(sip_network)
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network)
        first = await opened(ua, peer, ";keep=30")
        await asyncio.sleep(100)
        assert len(server.asked) >= 3
        server.mapped = ("198.51.100.1", 1025)
        again = await peer.receive("REGISTER", seconds=31)
        assert (again.call_id, again.cseq.number, again["Contact"]) == (first.call_id, 2, first["Contact"])
        grant(peer, again, 7200, ";keep=30")
        await peer.receive_nothing(seconds=1000)
        assert ua.registrations[0].state is RegistrationState.REGISTERED
        await closed(ua, peer)


async def test_a_server_that_falls_silent(sip_network: Network) -> None:
    """Seven requests in 39.5 seconds (RFC 5389 §7.2.1), then REGISTER at once; the next time after a pause."""
    server = Server(sip_network)
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network)
        await opened(ua, peer, ";keep=30")
        await asyncio.sleep(31)
        server.asked.clear()
        sip_network.drop = lambda sent: sent.data[0] == 1
        again = await peer.receive("REGISTER", seconds=71)
        loop = asyncio.get_running_loop()
        gaps = [
            round(after - before, 1)
            for before, after in zip(server.asked, [*server.asked[1:], loop.time()], strict=True)
        ]
        assert gaps == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 8.0]
        begin = loop.time()
        grant(peer, again, 7200, ";keep=30")
        again = await peer.receive("REGISTER", seconds=102)
        assert loop.time() - begin >= 24 + 39.5 + 15
        [registration] = ua.registrations
        assert registration.state is RegistrationState.FAILED
        assert "keep-alives" in str(registration.problem)
        begin = loop.time()
        grant(peer, again, 7200, ";keep=30")
        again = await peer.receive("REGISTER", seconds=132)
        assert loop.time() - begin >= 24 + 39.5 + 30, "and longer each time"
        sip_network.drop = None
        grant(peer, again, 7200, ";keep=30")
        await asyncio.sleep(100)
        assert registration.state is RegistrationState.REGISTERED
        server.mapped = None
        begin = loop.time()
        grant(peer, await peer.receive("REGISTER", seconds=31), 7200, "")
        assert loop.time() - begin < 31, "refused, of a flow that had worked"
        await closed(ua, peer)


async def test_some_loss_is_no_failure(sip_network: Network) -> None:
    server = Server(sip_network)
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network)
        await opened(ua, peer, ";keep=60")
        sip_network.loss = 0.3
        await peer.receive_nothing(seconds=3000)
        assert len(server.asked) > 50
        sip_network.loss = 0
        await closed(ua, peer)


@pytest.mark.asyncio
@pytest.mark.parametrize(("response", "host"), RESPONSES.items())
async def test_answers(monkeypatch: pytest.MonkeyPatch, response: str, host: str) -> None:
    monkeypatch.setattr("secrets.token_bytes", lambda _: TRANSACTION)
    sent: list[bytes] = []
    binding = Binding(sent.append)
    answer = bytes.fromhex(response)
    assert not binding.receive(answer), "nobody has asked"
    asking = asyncio.create_task(binding.ask())
    await asyncio.sleep(0)
    assert sent == [bytes.fromhex("000100002112a442") + TRANSACTION]
    for other in (answer[:-1], answer[:8] + bytes(12) + answer[20:], b"\0\1" + answer[2:], answer[:19], b""):
        assert not binding.receive(other)
    assert binding.receive(answer)
    assert await asking == (host, 32853)
    assert not binding.receive(answer), "once"


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", ["011100002112a442", "010100002112a442", "010100082112a442002000140001a147"])
async def test_refusals(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """An error, a success without an address, one that is cut off."""
    monkeypatch.setattr("secrets.token_bytes", lambda _: TRANSACTION)
    binding = Binding(lambda _: None)
    asking = asyncio.create_task(binding.ask())
    await asyncio.sleep(0)
    octets = bytes.fromhex(answer)
    assert binding.receive(octets[:8] + TRANSACTION + octets[8:])
    with pytest.raises(FlowError, match="refused"):
        await asking
