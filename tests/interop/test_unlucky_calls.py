"""Our user agent when things go wrong: a fifth of all datagrams lost, late offers, glare; forks that both answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from dialplane.testing import DESCRIPTION
from dialplane.ua import CallState, IncomingCall, UserAgent

from .endpoint import Endpoint
from .loss import losing
from .message import response
from .namespace import HOSTS, SUBJECT
from .sipp import Sipp, finish
from .subject import NAME, Server, Setup
from .test_user_agent import alice, echo, in_a_loop

CALLS = 15
ANSWER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.12\r\ns=-\r\nc=IN IP4 192.0.2.12\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


def test_a_fifth_is_lost(serve: Callable[[Setup], Server]) -> None:
    """INVITE, 200, ACK, BYE: each is dropped by the kernel now and then, on each of its ways; every call is made."""
    serve(Setup(record_route=True))

    async def work() -> None:
        ended: list[IncomingCall] = []
        bob = UserAgent("sip:bob@example.org", password="builder", proxy=SUBJECT, host=HOSTS["bob"], port=5060)

        @bob.on_call
        async def answer(call: IncomingCall) -> None:
            await call.answer(DESCRIPTION)
            assert (await call.wait_ended()).by == "peer"
            ended.append(call)

        async def one(agent: UserAgent) -> None:
            call = await agent.call("sip:bob@example.org", media=DESCRIPTION)
            await call.hang_up()

        async with bob, alice() as agent:
            with losing(20):
                await asyncio.gather(*(one(agent) for _ in range(CALLS)))
                while len(ended) < CALLS:
                    await asyncio.sleep(0.05)

    in_a_loop(work)


def test_a_late_offer(sipp: Sipp) -> None:
    """INVITE without a description: we offer in the 200, and the ACK answers."""

    async def work() -> None:
        async with UserAgent("sip:bob@example.org", host=HOSTS["bob"], port=5060) as agent:
            calls = echo(agent)
            with sipp.running("uac-late-offer", "alice", remote=(HOSTS["bob"], 5060)) as process:
                await asyncio.to_thread(finish, process)
            (call,) = calls
            await call.wait_ended()
            assert (call.offer, call.remote_description is not None) == (b"", True)

    in_a_loop(work)


def test_glare(sipp: Sipp) -> None:
    """Our hold is refused with 491 and tried again a little later."""

    async def work() -> None:
        async with UserAgent("sip:alice@example.org", host=HOSTS["alice"], port=5060) as agent:
            call = await agent.call(f"sip:bob@{HOSTS['bob']}", media=agent.media(towards=f"sip:{HOSTS['bob']}"))
            await call.hold()
            assert call.state is CallState.UP
            await call.hang_up()

    with sipp.running("uas-glare", "bob", remote=(HOSTS["alice"], 5060)) as process:
        in_a_loop(work)
        finish(process)


@pytest.mark.skipif(NAME == "kamailio", reason="the suite sets Kamailio up as a stateless proxy")
def test_two_of_a_fork_answer(serve: Callable[[Setup], Server]) -> None:
    """RFC 3261 §13.2.2.4: the first to lift is talked to; the other is acknowledged and hung up, not left hanging."""
    serve(Setup(register_auth=False, record_route=True))
    with Endpoint("bob") as first, Endpoint("carol") as second:
        for phone in (first, second):
            assert phone.register("bob", contact=phone.contact).status == 200

        def lift() -> None:
            invites = [phone.receive_request("INVITE", seconds=5) for phone in (first, second)]
            for phone, invite in zip((first, second), invites, strict=True):
                fields = [("Contact", phone.contact), ("Content-Type", "application/sdp")]
                answer = response(invite, 200, "OK", tag=phone.address[0], fields=fields)
                phone.send(replace(answer.with_fields(("Content-Length", str(len(ANSWER)))), body=ANSWER))
            assert first.receive_request("ACK", seconds=5)["to"].endswith(first.address[0])
            seen = set()
            while "BYE" not in seen:
                message = second.receive(seconds=5)
                seen.add(message.method)
                if message.method in {"CANCEL", "BYE"}:
                    second.respond(message, 200, "OK")
            assert "ACK" in seen

        async def work() -> None:
            async with alice() as agent:
                lifting = asyncio.create_task(asyncio.to_thread(lift))
                call = await agent.call("sip:bob@example.org", media=agent.media(towards=f"sip:{SUBJECT}"))
                await lifting
                assert call.state is CallState.UP
                assert call.dialog is not None
                assert call.dialog.remote_tag == first.address[0]
                ending = asyncio.create_task(call.hang_up())
                bye = await asyncio.to_thread(first.receive_request, "BYE", seconds=5)
                first.respond(bye, 200, "OK")
                await ending

        in_a_loop(work)
