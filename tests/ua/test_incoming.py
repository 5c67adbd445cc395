"""Requests to us from a peer that the test plays. RFC 3261 §8.2, §9.2, §12.2.2, §13.3, §14.2; RFC 3262, 3311, 4028."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import pytest

from dialplane.testing import DESCRIPTION, Network, Peer
from dialplane.ua import Answered, CallState, Digit, Ended, IncomingCall, MisuseError, UserAgent
from dialplane.ua.within import read_digit
from dialplane_native import Message

ME = ("192.0.2.1", 5060)


class Callee:
    """A user agent that keeps its calls."""

    def __init__(self, network: Network) -> None:
        self.ua = UserAgent("sip:ua@192.0.2.1", transports=network.transports("192.0.2.1"), resolver=network)
        self.calls: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self.ua.on_call(self._keep)

    async def _keep(self, call: IncomingCall) -> None:
        self.calls.put_nowait(call)
        await call.wait_ended()

    async def __aenter__(self) -> Self:
        await self.ua.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.ua.__aexit__(*args)

    async def up(self, peer: Peer, **options: Any) -> tuple[IncomingCall, Message]:
        """A call that is answered and acknowledged."""
        peer.request("INVITE", ME, body=DESCRIPTION, **options)
        call = await self.calls.get()
        await call.answer(DESCRIPTION)
        ok = await peer.receive(200)
        peer.request("ACK", ME, to_tag=ok.to.tag)
        await asyncio.sleep(0.1)
        return call, ok


async def test_the_2xx_is_sent_until_its_ack(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME, body=DESCRIPTION, fields=[("Record-Route", "<sip:192.0.2.9;lr>")])
        call = await callee.calls.get()
        await call.answer(DESCRIPTION)
        first = await peer.receive(200)
        assert first.get_all("Record-Route") == ["<sip:192.0.2.9;lr>"]
        assert first.contact is not None
        assert await peer.receive(200) == first
        assert await peer.receive(200) == first
        peer.request("ACK", ME, to_tag=first.to.tag)
        await peer.receive_nothing(seconds=40)
        assert call.state is CallState.UP


async def test_without_an_ack_the_call_is_hung_up(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME, body=DESCRIPTION)
        call = await callee.calls.get()
        began = asyncio.get_running_loop().time()
        await call.answer(DESCRIPTION)
        bye = await peer.receive("BYE")
        assert asyncio.get_running_loop().time() - began == pytest.approx(32, abs=0.1)
        assert "cause=408" in bye["Reason"]
        peer.respond(bye, 200)


async def test_hanging_up_waits_for_the_ack(sip_network: Network) -> None:
    """RFC 3261 §15: the callee must not send BYE before."""
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME, body=DESCRIPTION)
        call = await callee.calls.get()
        await call.answer(DESCRIPTION)
        ending = asyncio.create_task(call.hang_up())
        ok = await peer.receive(200)
        assert (await peer.receive()).status == 200
        peer.request("ACK", ME, to_tag=ok.to.tag)
        peer.respond(await peer.receive("BYE"), 200)
        await ending


async def test_cancel(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        invite = peer.request("INVITE", ME, body=DESCRIPTION)
        call = await callee.calls.get()
        await call.ring()
        peer.request("CANCEL", ME, branch=invite.top_via.branch)
        assert (await peer.receive(200)).cseq.method == "CANCEL"
        assert (await peer.receive(487)).cseq.method == "INVITE"
        assert await call.wait_ended() == Ended("peer", 487, "cancelled by the caller")
        with pytest.raises(Exception, match="has hung up"):
            await call.answer(DESCRIPTION)
        peer.request("CANCEL", ME, branch="z9hG4bKnothing", call_id="other")
        assert (await peer.receive(481)).cseq.method == "CANCEL"


async def test_bye_in_the_early_dialog(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME, body=DESCRIPTION)
        call = await callee.calls.get()
        await call.ring()
        ringing = await peer.receive(180)
        peer.request("BYE", ME, to_tag=ringing.to.tag, cseq=2)
        assert {(await peer.receive()).status for _ in range(2)} == {200, 487}
        assert call.state is CallState.ENDED


@pytest.mark.parametrize(
    ("method", "options", "status"),
    [
        ("INVITE", {"fields": [("Require", "teleport, 100rel")]}, 420),
        ("INVITE", {"fields": [("Replaces", "x;to-tag=1;from-tag=2")]}, 481),
        ("BYE", {"to_tag": "nobody"}, 481),
        ("INVITE", {"to_tag": "nobody"}, 481),
        ("NOTIFY", {}, 481),
        ("SUBSCRIBE", {"fields": [("Event", "x")]}, 489),
        ("FROBNICATE", {}, 405),
        ("MESSAGE", {}, 480),
        ("REFER", {"fields": [("Refer-To", "<sip:x@y>")]}, 603),
        ("REFER", {}, 400),
        ("OPTIONS", {}, 200),
    ],
)
async def test_what_is_refused(sip_network: Network, method: str, options: dict[str, Any], status: int) -> None:
    async with Callee(sip_network), Peer(sip_network, "192.0.2.9") as peer:
        peer.request(method, ME, **options)
        answer = await peer.receive()
        while answer.status == 100:
            answer = await peer.receive()
        assert answer.status == status
        if status == 420:
            assert answer["Unsupported"] == "teleport"
        if status in {200, 405}:
            assert "INVITE" in answer.elements("Allow")


async def test_a_body_that_is_no_description(sip_network: Network) -> None:
    async with Callee(sip_network), Peer(sip_network, "192.0.2.9") as peer:
        invite = peer.request("INVITE", ME, body=DESCRIPTION, call_id="first")
        peer.send(invite.raw.replace(b"first", b"other").replace(b"peer1", b"peer2").replace(b"/sdp", b"/x"), ME)
        assert (await peer.receive(415))["Accept"] == "application/sdp"


async def test_a_request_that_comes_twice_by_two_ways(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME, body=DESCRIPTION, branch="z9hG4bK1")
        peer.request("INVITE", ME, body=DESCRIPTION, branch="z9hG4bK2")
        assert (await peer.receive(482)).top_via.branch == "z9hG4bK2"
        assert callee.calls.qsize() == 1


async def test_requests_in_order(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        call, ok = await callee.up(peer, cseq=10)
        peer.request("INFO", ME, to_tag=ok.to.tag, cseq=9)
        await peer.receive(500)
        relay = b"Signal=5\r\nDuration=300\r\n"
        data = peer.request("INFO", ME, to_tag=ok.to.tag, cseq=11).raw.replace(
            b"Content-Length: 0\r\n\r\n",
            b"Content-Type: application/dtmf-relay\r\nContent-Length: %d\r\n\r\n%s" % (len(relay), relay),
        )
        await peer.receive(200)
        peer.send(data.replace(b"CSeq: 11", b"CSeq: 12").replace(b"branch=", b"branch=z9hG4bKy"), ME)
        await peer.receive(200)
        peer.request("BYE", ME, to_tag=ok.to.tag, cseq=13, fields=[("Reason", 'Q.850;cause=16;text="bye now"')])
        await peer.receive(200)
        assert [event async for event in call.events()] == [Answered(), Digit("5", 300), Ended("peer", 16, "bye now")]
        peer.request("BYE", ME, to_tag=ok.to.tag, cseq=14)
        await peer.receive(481)


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        ("application/dtmf-relay", b"Signal=1\r\nDuration=100", Digit("1", 100)),
        ("application/dtmf-relay", b"Signal= # \nDuration= 250\n", Digit("#", 250)),
        ("application/dtmf-relay", b"Signal=10\r\n", Digit("*", 160)),
        ("application/dtmf-relay", b"Signal=x\r\n", None),
        ("application/dtmf-relay", b"\xff", None),
        ("application/dtmf", b"7", Digit("7", 160)),
        ("application/dtmf", b"Signal=7", Digit("7", 160)),
        ("text/plain", b"7", None),
    ],
)
def test_digits(kind: str, body: bytes, digit: Digit | None) -> None:
    assert read_digit(kind, body) == digit


async def test_offers_within_the_call(sip_network: Network) -> None:
    """re-INVITE with and without an offer, UPDATE, one that cannot be taken, two at a time."""
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        call, ok = await callee.up(peer)
        tag = ok.to.tag
        peer.request("INVITE", ME, to_tag=tag, cseq=2, body=DESCRIPTION.replace(b"sendrecv", b"sendonly"))
        assert b"recvonly" in (await peer.receive(200)).body
        peer.request("INVITE", ME, to_tag=tag, cseq=3, body=DESCRIPTION)
        await peer.receive(200)  # the one for CSeq 2 again, or this one: both wait for their ACK
        peer.request("ACK", ME, to_tag=tag, cseq=2)
        peer.request("ACK", ME, to_tag=tag, cseq=3)
        await asyncio.sleep(0.1)
        peer.request("INVITE", ME, to_tag=tag, cseq=4)
        offered = await peer.receive(200)
        while offered.cseq.number != 4:
            offered = await peer.receive(200)
        assert offered.body
        peer.request("UPDATE", ME, to_tag=tag, cseq=5, body=DESCRIPTION)
        await peer.receive(491)
        peer.request("ACK", ME, to_tag=tag, cseq=4, body=DESCRIPTION)
        await asyncio.sleep(0.1)
        peer.request("UPDATE", ME, to_tag=tag, cseq=6, body=DESCRIPTION)
        assert (await peer.receive(200)).cseq.number == 6
        peer.request("UPDATE", ME, to_tag=tag, cseq=7)
        assert (await peer.receive(200)).cseq.number == 7
        peer.request("INVITE", ME, to_tag=tag, cseq=8, body=b"v=0\r\ns=no stream\r\n")
        await peer.receive(488)
        peer.request("INVITE", ME, to_tag=tag, cseq=9, body=DESCRIPTION, fields=[("Session-Expires", "30")])
        assert (await peer.receive(422))["Min-SE"] == "90"
        assert call.state is CallState.UP


async def test_a_late_answer_that_is_missing_ends_the_call(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME)
        call = await callee.calls.get()
        await call.answer(DESCRIPTION)
        ok = await peer.receive(200)
        assert ok.body
        peer.request("ACK", ME, to_tag=ok.to.tag)
        assert "cause=488" in (await peer.receive("BYE"))["Reason"]


async def test_reliable_provisionals(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME, body=DESCRIPTION, fields=[("Supported", "100rel")])
        call = await callee.calls.get()
        progress = asyncio.create_task(call.progress(DESCRIPTION))
        first = await peer.receive(183)
        assert (await peer.receive(183)) == first
        assert first["Require"] == "100rel"
        answering = asyncio.create_task(call.answer())
        peer.request("PRACK", ME, to_tag=first.to.tag, cseq=2, fields=[("RAck", f"{int(first['RSeq']) + 1} 1 INVITE")])
        await peer.receive(481)
        peer.request("PRACK", ME, to_tag=first.to.tag, cseq=3, fields=[("RAck", f"{first['RSeq']} 1 INVITE")])
        assert (await peer.receive(200)).cseq.method == "PRACK"
        await progress
        await answering
        ok = await peer.receive(200)
        assert (ok.cseq.method, ok.body) == ("INVITE", first.body)
        peer.request("ACK", ME, to_tag=ok.to.tag)


async def test_a_provisional_that_nobody_confirms(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME, body=DESCRIPTION, fields=[("Require", "100rel")])
        call = await callee.calls.get()
        with pytest.raises(Exception, match="before the provisional"):
            await call.ring()
        await peer.receive(504)


async def test_what_a_program_may_not_do(sip_network: Network) -> None:
    async with Callee(sip_network) as callee, Peer(sip_network, "192.0.2.9") as peer:
        peer.request("INVITE", ME, body=DESCRIPTION)
        call = await callee.calls.get()
        for doing in (call.reject(200), call.redirect(), call.answer(), call.hold(), call.transfer("sip:x@y")):
            with pytest.raises(MisuseError):
                await doing
        with pytest.raises(MisuseError, match="line break"):
            await callee.ua.message("sip:x@192.0.2.9", "hi", fields=[("Subject", "a\r\nEvil: 1")])
        for address in ("", "sip:", "sip:a@b@c", "alice@exa mple.com", "sip:x@y\r\nEvil: 1"):
            with pytest.raises(MisuseError, match="looks like"):
                callee.ua.call(address)
        await call.reject(486)


async def test_the_user_agent_closes_while_calls_are_up(sip_network: Network) -> None:
    async with Peer(sip_network, "192.0.2.9") as peer:
        async with Callee(sip_network) as callee:
            call, _ = await callee.up(peer)
            peer.request("INVITE", ME, body=DESCRIPTION, call_id="second")
            waiting = await callee.calls.get()
            closing = asyncio.create_task(callee.ua.close())
            bye = await peer.receive("BYE")
            peer.respond(bye, 200)
            await closing
        assert (call.state, waiting.state) == (CallState.ENDED, CallState.ENDED)
