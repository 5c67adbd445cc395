"""Our user agent against SIPp, baresip and linphonec: directly, through dialplane, and through Kamailio."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dialplane.ua import CallState, IncomingCall, ReceivedMessage, RejectedError, UserAgent

from .certificate import issue
from .differs import differs
from .namespace import HOSTS, SUBJECT
from .sipp import Sipp, finish
from .softphone import KINDS
from .sound import seconds_of_tone, write_tone
from .subject import EVERYBODY, Server, Setup

TONE, OURS = 1000.0, 600.0


@asynccontextmanager
async def alice(**options: Any) -> AsyncIterator[UserAgent]:
    """Registered as alice, at her address of the test network."""
    made = {"password": "wonderland", "proxy": SUBJECT, "host": HOSTS["alice"], "port": 5060, **options}
    async with UserAgent("sip:alice@example.org", **made) as agent:
        yield agent


def echo(agent: UserAgent) -> list[IncomingCall]:
    """Answers every call and sends back what is said."""
    calls: list[IncomingCall] = []

    @agent.on_call
    async def answer(call: IncomingCall) -> None:
        calls.append(call)
        async with agent.media() as media, call:
            media.echo()
            await call.ring()
            await call.answer(media)
            await call.wait_ended()

    return calls


def in_a_loop(work: Callable[[], Any]) -> None:
    """In this thread, which is the one that lives in the namespace; nothing may take longer than a minute."""

    async def limited() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(limited())


async def talk(agent: UserAgent, heard: Path, said: Path, wait: Callable[[], None]) -> None:
    """Calls bob, talks until each has heard the other, puts him on hold in between, hangs up."""
    media = agent.media()
    call = await agent.call("sip:bob@example.org", media=media)
    recording = media.record(heard)
    playing = asyncio.create_task(media.play(said, loop=True))
    await asyncio.to_thread(wait)
    while media.statistics[0].packets_received < 100:
        await asyncio.sleep(0.05)
    await call.hold()
    await call.resume()
    received = media.statistics[0].packets_received
    while media.statistics[0].packets_received < received + 25:
        await asyncio.sleep(0.05)
    await call.hang_up()
    recording.close()
    playing.cancel()


@pytest.mark.parametrize("phone", ["baresip", "linphone"])
def test_we_call_a_telephone(serve: Callable[[Setup], Server], tmp_path: Path, phone: str) -> None:
    """Each hears the other's tone; calls are challenged, too."""
    serve(Setup(record_route=True, call_auth=True))
    write_tone(tmp_path / "ours.wav", OURS)
    heard = tmp_path / "heard.wav"

    async def work(wait: Callable[[], None]) -> None:
        async with alice() as agent:
            await talk(agent, heard, tmp_path / "ours.wav", wait)

    with KINDS[phone]("bob", "builder", TONE, tmp_path) as bob:
        in_a_loop(lambda: work(bob.wait_established))
        bob.wait_ended()
        theirs = bob.recording()
    assert seconds_of_tone(heard, TONE) >= 1.0
    assert seconds_of_tone(theirs, OURS) >= 1.0


_UDP_AND_TCP = differs(kamailio="the control is set up for UDP and TCP")


@pytest.mark.parametrize(
    "transport", ["tcp", pytest.param("tls", marks=_UDP_AND_TCP), pytest.param("ws", marks=_UDP_AND_TCP)]
)
def test_by_connections(serve: Callable[[Setup], Server], tmp_path: Path, transport: str) -> None:
    """We call bob, and bob calls us by the connection that we opened."""
    trusted, certificate = issue(tmp_path)
    serve(Setup(record_route=True, transports=("udp", "tcp", "tls", "ws"), certificate=certificate))
    write_tone(tmp_path / "ours.wav", OURS)
    heard = tmp_path / "heard.wav"
    port = {"tcp": 5060, "tls": 5061, "ws": 8080}[transport]

    async def work(bob: Any) -> None:
        context = ssl.create_default_context(cafile=str(trusted))
        async with alice(proxy=f"{SUBJECT}:{port};transport={transport}", tls=context) as agent:
            await talk(agent, heard, tmp_path / "ours.wav", bob.wait_established)
            await asyncio.to_thread(bob.wait_ended)
            calls = echo(agent)
            bob.call("sip:alice@example.org")
            while not calls or calls[0].state is not CallState.UP:
                await asyncio.sleep(0.05)
            assert calls[0].flow is not None
            assert calls[0].flow.transport == transport.upper()
            await calls[0].hang_up()

    with KINDS["baresip"]("bob", "builder", TONE, tmp_path) as bob:
        in_a_loop(lambda: work(bob))
    assert seconds_of_tone(heard, TONE) >= 1.0


@pytest.mark.parametrize("phone", ["baresip", "linphone"])
def test_a_telephone_calls_us(serve: Callable[[Setup], Server], tmp_path: Path, phone: str) -> None:
    """It hears its own tone back."""
    serve(Setup())

    async def work(bob: Any) -> None:
        async with alice() as agent:
            calls = echo(agent)
            bob.call("sip:alice@example.org")
            await asyncio.to_thread(bob.wait_established)
            await asyncio.sleep(2.5)
            bob.hang_up()
            ended = await calls[0].wait_ended()
            assert ended.by == "peer"

    with KINDS[phone]("bob", "builder", TONE, tmp_path) as bob:
        in_a_loop(lambda: work(bob))
        bob.wait_ended()
        recorded = bob.recording()
    assert seconds_of_tone(recorded, TONE) >= 1.0


def test_sipp_answers_us(sipp: Sipp) -> None:
    """Many calls at a time, straight to SIPp: each with hold in between."""

    async def one(agent: UserAgent) -> None:
        call = await agent.call(f"sip:bob@{HOSTS['bob']}", media=agent.media(towards=f"sip:{HOSTS['bob']}"))
        assert call.state is CallState.UP
        await call.hang_up()

    async def work() -> None:
        async with UserAgent("sip:alice@example.org", host=HOSTS["alice"], port=5060) as agent:
            await asyncio.gather(*(one(agent) for _ in range(50)))

    with sipp.running("uas", "bob", calls=50, remote=(HOSTS["alice"], 5060)) as process:
        in_a_loop(work)
        finish(process)


def test_sipp_calls_us(sipp: Sipp) -> None:
    """100 calls at 50 a second."""

    async def work(process: Any) -> None:
        async with UserAgent("sip:bob@example.org", host=HOSTS["bob"], port=5060) as agent:
            calls = echo(agent)
            status = await asyncio.to_thread(process().wait, seconds=40.0)
            assert status == 0
            assert len(calls) == 100

    async def both() -> None:
        with sipp.running("uac", "alice", calls=100, rate=50, remote=(HOSTS["bob"], 5060)) as process:
            await work(lambda: process)

    in_a_loop(both)


@pytest.mark.parametrize(("scenario", "code"), [("uas-busy", 486), ("uas-cancel", None)])
def test_sipp_refuses_us_or_waits(sipp: Sipp, scenario: str, code: int | None) -> None:
    async def work() -> None:
        async with UserAgent("sip:alice@example.org", host=HOSTS["alice"], port=5060) as agent:
            call = agent.call(f"sip:bob@{HOSTS['bob']}", media=agent.media(towards=f"sip:{HOSTS['bob']}"))
            if code is None:
                async for _ in call.events():
                    break
                call.cancel()
            with pytest.raises(Exception) as caught:  # noqa: PT011 - looked at below
                await call
            assert code is None or (isinstance(caught.value, RejectedError) and caught.value.code == code)

    with sipp.running(scenario, "bob", remote=(HOSTS["alice"], 5060)) as process:
        in_a_loop(work)
        finish(process)


def test_messages_and_a_wrong_password(serve: Callable[[Setup], Server]) -> None:
    """Two of ours through the server."""
    serve(Setup())

    async def work() -> None:
        with pytest.raises(RejectedError, match="password"):
            async with alice(password="wrong"):
                pass
        seen: list[str] = []
        bob = UserAgent("sip:bob@example.org", password="builder", proxy=SUBJECT, host=HOSTS["bob"], port=5060)

        @bob.on_message
        async def read(message: ReceivedMessage) -> None:
            seen.append(message.text)

        calls = echo(bob)
        async with bob, alice() as agent:
            await agent.message("sip:bob@example.org", "hello")
            with pytest.raises(RejectedError) as caught:
                await agent.message("sip:carol@example.org", "nobody there")
            assert caught.value.code in {404, 480}
            call = await agent.call("sip:bob@example.org", media=agent.media())
            await calls[0].hold()
            await call.hang_up()
            async with asyncio.timeout(5):
                assert (await calls[0].wait_ended()).by == "peer"
        assert seen == ["hello"]

    in_a_loop(work)


@differs(kamailio="the control relays to our domain only")
def test_baresip_is_transferred(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    """REFER: it calls carol and tells us about it; then our call is over."""
    serve(Setup(trusted=EVERYBODY))

    async def work() -> None:
        carol = UserAgent("sip:carol@example.org", host=HOSTS["carol"], port=5060)
        calls = echo(carol)
        async with carol, alice() as agent:
            call = await agent.call("sip:bob@example.org", media=agent.media())
            await call.transfer(f"sip:carol@{HOSTS['carol']}")
            assert call.state is CallState.ENDED
            assert calls[0].caller.uri.user == "bob"
            await calls[0].hang_up()

    with KINDS["baresip"]("bob", "builder", TONE, tmp_path):
        in_a_loop(work)
