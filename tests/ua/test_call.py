"""Calls between two user agents in virtual time. RFC 3261 §13 to §15, RFC 3264, RFC 4028."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dialplane.testing import DESCRIPTION, Network
from dialplane.testing.network import Sent, short
from dialplane.ua import (
    Answered,
    Call,
    CallEndedError,
    CallState,
    CancelledCallError,
    Description,
    Digit,
    EarlyMedia,
    Ended,
    Held,
    IncomingCall,
    NegotiationError,
    NoAnswerError,
    Redirected,
    RejectedError,
    Renegotiated,
    Resumed,
    Ringing,
    UnreachableError,
    UserAgent,
)

BOB = "sip:bob@192.0.2.2"


@asynccontextmanager
async def agent(network: Network, name: str, number: int, **options: Any) -> AsyncIterator[UserAgent]:
    host = f"192.0.2.{number}"
    made = UserAgent(f"sip:{name}@{host}", transports=network.transports(host), resolver=network, **options)
    async with made as opened:
        yield opened


@asynccontextmanager
async def pair(network: Network, **options: Any) -> AsyncIterator[tuple[UserAgent, UserAgent]]:
    async with agent(network, "alice", 1, **options) as alice, agent(network, "bob", 2) as bob:
        yield alice, bob


async def next_call(bob: UserAgent) -> IncomingCall:
    return await anext(aiter(bob.incoming_calls()))


async def ringing(alice: UserAgent, bob: UserAgent) -> tuple[Call, IncomingCall]:
    """A call that alice has begun and bob has not answered."""
    waiting = asyncio.create_task(next_call(bob))
    await asyncio.sleep(0)
    outgoing = alice.call(BOB, media=DESCRIPTION)
    return outgoing, await waiting


async def established(alice: UserAgent, bob: UserAgent) -> tuple[Call, IncomingCall]:
    """Both ends of a call that is up."""
    outgoing, incoming = await ringing(alice, bob)
    await incoming.answer(DESCRIPTION)
    return await outgoing, incoming


async def events_of(call: Call) -> list[Any]:
    return [event async for event in call.events()]


async def test_a_call_from_its_invite_to_its_bye(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, bob):
        outgoing, incoming = await ringing(alice, bob)
        assert incoming.caller.uri.user == "alice"
        await incoming.ring()
        await incoming.answer(DESCRIPTION)
        call = await outgoing
        assert (call.state, incoming.state) == (CallState.UP, CallState.UP)
        await call.hang_up()
        assert await events_of(call) == [Ringing(180, "Ringing"), Answered(), Ended("us")]
        assert await incoming.wait_ended() == Ended("peer")
        assert sip_network.lines() == ["INVITE", "100", "180", "200", "ACK", "BYE", "200"]
        with pytest.raises(CallEndedError, match="is over"):
            await call.hold()


async def test_the_callee_hangs_up(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, bob):

        @bob.on_call
        async def answer(call: IncomingCall) -> None:
            async with call:
                await call.answer(DESCRIPTION)

        call = await alice.call(BOB, media=DESCRIPTION)
        assert await call.wait_ended() == Ended("peer")


@pytest.mark.parametrize(("code", "hint"), [(486, "busy"), (488, "codec"), (603, "declined"), (404, "address")])
async def test_a_refusal_says_what_to_do(sip_network: Network, code: int, hint: str) -> None:
    async with pair(sip_network) as (alice, bob):

        @bob.on_call
        async def refuse(call: IncomingCall) -> None:
            await call.reject(code)

        call = alice.call(BOB, media=DESCRIPTION)
        with pytest.raises(RejectedError, match=hint) as caught:
            await call
        assert (caught.value.code, caught.value.side) == (code, "peer")
        assert (await events_of(call))[-1].code == code
        assert sip_network.lines() == ["INVITE", "100", str(code), "ACK"]


async def test_nobody_takes_calls(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, _):
        with pytest.raises(RejectedError) as caught:
            await alice.call(BOB, media=DESCRIPTION)
        assert caught.value.code == 480


async def test_a_handler_that_raises_or_forgets(sip_network: Network, caplog: pytest.LogCaptureFixture) -> None:
    async with pair(sip_network) as (alice, bob):

        @bob.on_call
        async def broken(call: IncomingCall) -> None:
            raise ValueError("a fault of the program")

        with pytest.raises(RejectedError) as caught:
            await alice.call(BOB, media=DESCRIPTION)
        assert caught.value.code == 500

        @bob.on_call
        async def forgetful(call: IncomingCall) -> None:
            pass

        with pytest.raises(RejectedError) as caught:
            await alice.call(BOB, media=DESCRIPTION)
        assert caught.value.code == 480
    assert "a fault of the program" in caplog.text


async def test_nobody_is_there(sip_network: Network) -> None:
    async with agent(sip_network, "alice", 1) as alice:
        began = asyncio.get_running_loop().time()
        with pytest.raises(NoAnswerError, match="within 32 s"):
            await alice.call(BOB, media=DESCRIPTION)
        assert asyncio.get_running_loop().time() - began == pytest.approx(32, abs=0.1)
        assert sip_network.lines() == ["INVITE"] * 7
        with pytest.raises(UnreachableError, match="has no address"):
            await alice.call("sip:bob@nowhere.example", media=DESCRIPTION)
        with pytest.raises(UnreachableError, match="refused"):
            await alice.call(f"{BOB};transport=tcp", media=DESCRIPTION)


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.015, 1.0, 1.015])
async def test_a_task_that_gives_up_cancels_at_any_moment(sip_network: Network, moment: float) -> None:
    """Before the INVITE arrives, before 100, while it rings, and while the 200 is under way."""
    async with pair(sip_network) as (alice, bob):
        calls = []

        @bob.on_call
        async def ring(call: IncomingCall) -> None:
            calls.append(call)
            await call.ring()
            await asyncio.sleep(1)
            await call.answer(DESCRIPTION)
            await call.wait_ended()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(moment):
                await alice.call(BOB, media=DESCRIPTION)
        await asyncio.sleep(40)
        assert all(call.state is CallState.ENDED for call in calls)
        assert len(alice.endpoint.transactions) == len(bob.endpoint.transactions) == 0
        assert not alice.dispatch.dialogs
        assert not bob.dispatch.dialogs
        if 0 < moment < 1:
            assert sip_network.lines()[-3:] == ["200", "487", "ACK"]


async def test_cancel_is_told_to_the_callee(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, bob):
        outgoing, incoming = await ringing(alice, bob)
        await incoming.ring()
        await asyncio.sleep(1)
        outgoing.cancel(reason='SIP;cause=200;text="Call completed elsewhere"')
        with pytest.raises(CancelledCallError):
            await outgoing
        assert await incoming.wait_ended() == Ended("peer", 487, "answered elsewhere")
        with pytest.raises(CallEndedError, match="has hung up"):
            await incoming.answer(DESCRIPTION)


async def test_redirection_is_followed_and_loops_are_not(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, bob), agent(sip_network, "carol", 3) as carol:

        @bob.on_call
        async def elsewhere(call: IncomingCall) -> None:
            await call.redirect("sip:carol@192.0.2.3")

        @carol.on_call
        async def answer(call: IncomingCall) -> None:
            await call.answer(DESCRIPTION)
            await call.wait_ended()

        call = await alice.call(BOB, media=DESCRIPTION)
        assert call.dialog is not None
        assert "192.0.2.3" in call.dialog.target
        await call.hang_up()
        assert (await events_of(call))[0] == Redirected("sip:carol@192.0.2.3")

        @carol.on_call
        async def back(call: IncomingCall) -> None:
            await call.redirect(BOB)

        with pytest.raises(RejectedError) as caught:
            await alice.call(BOB, media=DESCRIPTION)
        assert caught.value.code == 302


async def test_hold_and_resume(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, bob):
        call, incoming = await established(alice, bob)
        await call.hold()
        assert call.is_held
        assert call.remote_description is not None
        assert b"a=recvonly" in call.remote_description
        await call.resume()
        assert b"a=sendrecv" in call.remote_description
        await incoming.hold()
        await call.hang_up()
        kinds = [type(event) for event in await events_of(incoming)]
        assert kinds == [Answered, Held, Renegotiated, Resumed, Renegotiated, Ended]
        assert [type(event) for event in await events_of(call)] == [Answered, Held, Renegotiated, Ended]
        versions = [sent.data.split(b"\no=- 1 ")[1].split()[0] for sent in sip_network.sent if b"\no=- 1 " in sent.data]
        assert versions[0] == versions[1] == b"1", "each of ours begins with the version it has"


async def test_glare_is_settled(sip_network: Network) -> None:
    """Both hold at the same time: 491 for both, then one after the other. RFC 3261 §14.1."""
    async with pair(sip_network) as (alice, bob):
        call, incoming = await established(alice, bob)
        await asyncio.sleep(1)
        await asyncio.gather(call.hold(), incoming.hold())
        assert (call.is_held, incoming.is_held) == (True, True)
        assert sip_network.lines().count("491") >= 2
        await call.hang_up()


async def test_early_media_comes_reliably(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, bob):
        outgoing, incoming = await ringing(alice, bob)
        await incoming.progress(DESCRIPTION)
        await incoming.answer()
        call = await outgoing
        await call.hang_up()
        kinds = [type(event) for event in await events_of(call)]
        assert kinds == [Ringing, EarlyMedia, Answered, Ended]
        assert sip_network.lines() == ["INVITE", "100", "183", "PRACK", "200", "200", "ACK", "BYE", "200"]


async def test_the_callee_offers(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, bob):
        waiting = asyncio.create_task(next_call(bob))
        await asyncio.sleep(0)
        outgoing = alice.call(BOB)
        incoming = await waiting
        assert incoming.offer == b""
        outgoing.media = Description(DESCRIPTION)
        await incoming.answer(DESCRIPTION)
        call = await outgoing
        await asyncio.sleep(1)
        assert incoming.remote_description == call.media.offer()  # type: ignore[union-attr]
        ack = next(sent.message for sent in sip_network.sent if sent.data.startswith(b"ACK"))
        assert ack.body
        await call.hang_up()


async def test_what_does_not_fit_is_hung_up(sip_network: Network) -> None:
    class Deaf:
        def offer(self) -> bytes:
            return DESCRIPTION

        def answer(self, offer: bytes, /) -> bytes:
            raise ValueError("no codec")

        def accept(self, answer: bytes, /) -> None:
            raise ValueError("no codec")

        def hold(self, on: bool, /) -> None: ...

        def close(self) -> None: ...

    async with pair(sip_network) as (alice, bob):

        @bob.on_call
        async def answer(call: IncomingCall) -> None:
            await call.answer(DESCRIPTION)
            await call.wait_ended()

        with pytest.raises(NegotiationError, match="no codec"):
            await alice.call(BOB, media=Deaf())
        await asyncio.sleep(1)
        assert sip_network.lines()[-3:] == ["ACK", "BYE", "200"]

        @bob.on_call
        async def deaf(call: IncomingCall) -> None:
            await call.answer(Deaf())

        with pytest.raises(RejectedError) as caught:
            await alice.call(BOB, media=DESCRIPTION)
        assert caught.value.code == 488


async def test_digits_by_info(sip_network: Network) -> None:
    async with pair(sip_network) as (alice, bob):
        call, incoming = await established(alice, bob)
        await call.send_digits("1#", milliseconds=200)
        await call.hang_up()
        assert [event for event in await events_of(incoming) if isinstance(event, Digit)] == [
            Digit("1", 200),
            Digit("#", 200),
        ]


@pytest.mark.parametrize("refresher", ["us", "peer"])
async def test_a_session_is_refreshed_and_ends_when_the_peer_is_gone(sip_network: Network, refresher: str) -> None:
    async with pair(sip_network, session_expires=120) as (alice, bob):
        call, incoming = await established(alice, bob)
        await asyncio.sleep(610)
        assert call.state is CallState.UP
        assert sip_network.lines().count("UPDATE") == 10, "each half interval, by the caller"
        gone = sip_network.nodes.pop(("192.0.2.2", 5060) if refresher == "us" else ("192.0.2.1", 5060))
        left = call if refresher == "us" else incoming
        await asyncio.sleep(160)
        assert left.state is CallState.ENDED
        sip_network.nodes[gone.address] = gone


async def test_a_fifth_of_all_datagrams_is_lost(sip_network: Network) -> None:
    sip_network.loss = 0.2
    async with pair(sip_network) as (alice, bob):

        @bob.on_call
        async def answer(call: IncomingCall) -> None:
            await call.ring()
            await call.answer(DESCRIPTION)
            await call.wait_ended()

        for _ in range(50):
            call = await alice.call(BOB, media=DESCRIPTION)
            await asyncio.sleep(5)
            await call.hold()
            await call.hang_up()
        sip_network.loss = 0
        await asyncio.sleep(70)
        assert not alice.dispatch.dialogs
        assert not bob.dispatch.dialogs
        assert len(alice.endpoint.transactions) == len(bob.endpoint.transactions) == 0


@pytest.mark.parametrize("lost", ["BYE", "200"])
async def test_a_lost_bye_is_sent_again(sip_network: Network, lost: str) -> None:
    """RFC 3261 §17.1.2.2: also when its 200 is lost, which the callee sends again."""
    async with pair(sip_network) as (alice, bob):
        call, _ = await established(alice, bob)
        await asyncio.sleep(1)
        before = len(sip_network.sent)
        dropped: list[str] = []

        def drop(sent: Sent) -> bool:
            if len(dropped) < 2 and short(sent.data) == lost:
                dropped.append(lost)
                return True
            return False

        sip_network.drop = drop
        await call.hang_up()
        assert (len(dropped), call.state) == (2, CallState.ENDED)
        assert [short(sent.data) for sent in sip_network.sent[before:]].count("BYE") == 3
        assert not bob.dispatch.dialogs
