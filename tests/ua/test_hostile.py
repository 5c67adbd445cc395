"""What the network may bring: torture messages, messages changed at random. Nothing raises, nothing stays."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path

import pytest

from dialplane.testing import DESCRIPTION, Network, Peer
from dialplane.ua import IncomingCall, UserAgent, UserAgentError
from dialplane_native import ParseError, parse

CORPUS = Path(__file__).parents[2] / "native" / "syntax" / "tests" / "corpus"
ME = ("192.0.2.1", 5060)


def agent(network: Network) -> UserAgent:
    made = UserAgent("sip:ua@192.0.2.1", transports=network.transports("192.0.2.1"), resolver=network)

    @made.on_call
    async def answer(call: IncomingCall) -> None:
        await call.ring()
        await call.answer(DESCRIPTION)
        await call.wait_ended()

    return made


def assert_untroubled(caplog: pytest.LogCaptureFixture) -> None:
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def send(peer: Peer, data: bytes) -> None:
    """As a datagram would be taken: what is no SIP is dropped before."""
    try:
        parse(data)
    except ParseError:
        return
    peer.send(data, ME)


TORTURE = {file.stem: file.read_bytes() for file in sorted(CORPUS.glob("*/*.dat"))}


@pytest.mark.parametrize("name", TORTURE)
async def test_torture(sip_network: Network, caplog: pytest.LogCaptureFixture, name: str) -> None:
    async with Peer(sip_network, "192.0.2.9") as peer, agent(sip_network) as ua:
        send(peer, TORTURE[name])
        await asyncio.sleep(200)
        assert len(ua.endpoint.transactions) == 0
        assert not ua.dispatch.dialogs
        peer.request("OPTIONS", ME)
        while (await peer.receive(200)).cseq.method != "OPTIONS":
            pass
    assert_untroubled(caplog)


METHODS = ("INVITE", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE", "PRACK", "BYE")
FIELDS = [("Supported", "100rel, timer"), ("Session-Expires", "90"), ("Refer-To", "<sip:x@y>"), ("RAck", "1 1 INVITE")]
ANSWER = [
    ("Contact", "<sip:peer@192.0.2.9>"),
    ("Require", "100rel"),
    ("RSeq", "7"),
    ("Session-Expires", "90"),
    ("Record-Route", "<sip:192.0.2.9;lr>"),
    ("Allow", "INVITE, UPDATE"),
    ("Content-Type", "application/sdp"),
]


@pytest.mark.parametrize("seed", range(60))
async def test_requests_that_are_changed(sip_network: Network, caplog: pytest.LogCaptureFixture, seed: int) -> None:
    """Calls whose messages have octets changed on their way to us."""
    chance = random.Random(seed)
    async with Peer(sip_network, "192.0.2.9") as peer, agent(sip_network) as ua:
        for number, method in enumerate(METHODS * 4):
            answers = (parse(sent.data) for sent in reversed(sip_network.sent) if b" 200 OK" in sent.data)
            tag = next((answer.to.tag for answer in answers), None) if number % 2 else None
            request = peer.request(
                method, ("192.0.2.250", 5060), cseq=number + 1, to_tag=tag, fields=FIELDS, body=DESCRIPTION
            )
            send(peer, changed(request.raw, chance))
            await asyncio.sleep(0.2)
        await asyncio.sleep(200)
        assert len(ua.endpoint.transactions) == 0
    assert_untroubled(caplog)


@pytest.mark.parametrize("seed", range(60))
async def test_responses_that_are_changed(sip_network: Network, caplog: pytest.LogCaptureFixture, seed: int) -> None:
    """Our call gets answers with octets changed: it comes about or fails, and nothing stays behind."""
    chance = random.Random(seed)
    async with Peer(sip_network, "192.0.2.9") as peer, agent(sip_network) as ua:
        call = ua.call("sip:peer@192.0.2.9", media=DESCRIPTION)
        invite = await peer.receive("INVITE")
        for status in (183, 183, 200, 200, 486):
            answer = invite.response(status, to_tag="t", headers=ANSWER, body=DESCRIPTION)
            send(peer, changed(answer, chance))
            await asyncio.sleep(0.1)
        try:
            async with asyncio.timeout(100):
                await call
        except (UserAgentError, TimeoutError):
            pass
        await call.hang_up()
        await asyncio.sleep(200)
        assert len(ua.endpoint.transactions) == 0
        assert not ua.dispatch.dialogs
    assert_untroubled(caplog)


def changed(data: bytes, chance: random.Random) -> bytes:
    """Up to three octets are others, are gone, or come twice; Via stays, so that it belongs to something."""
    begin = data.index(b"From:")
    head, tail = data[:begin], bytearray(data[begin:])
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(tail))
        match chance.randrange(3):
            case 0:
                tail[at] = chance.choice(b'\x00<>"@:;,= 0aZ\xff')
            case 1:
                del tail[at]
            case _:
                tail[at:at] = tail[at : at + chance.randrange(20)]
    return head + bytes(tail)
