"""Subscriptions of others to our state: between two of our own in virtual time; watchers that misbehave."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from dialplane.testing import Network, Peer
from dialplane.ua import (
    CallEndedError,
    DialogInfo,
    DialogState,
    IncomingSubscription,
    MessageSummary,
    MisuseError,
    NoAnswerError,
    RejectedError,
    SubscriptionEndedError,
    UserAgent,
    WatchState,
    read_dialogs,
    read_presence,
    read_summary,
    write_dialogs,
    write_presence,
    write_summary,
)
from dialplane.ua.notifier import TABLE, WatchEvent
from dialplane_native import Message

BOB = "sip:bob@192.0.2.2"
HERE = ("192.0.2.2", 5060)
OPEN, CLOSED = (write_presence(BOB, is_open=is_open) for is_open in (True, False))


def agents(network: Network) -> tuple[UserAgent, UserAgent]:
    return (
        UserAgent("sip:alice@192.0.2.1", transports=network.transports("192.0.2.1"), resolver=network),
        UserAgent(BOB, transports=network.transports("192.0.2.2"), resolver=network),
    )


def watched(bob: UserAgent, *events: str, **options: Any) -> list[IncomingSubscription]:
    """Accepts whatever comes, with a body that fits no package in particular."""
    taken: list[IncomingSubscription] = []

    @bob.on_subscription(*(events or ("presence",)))
    async def take(subscription: IncomingSubscription) -> None:
        taken.append(subscription)
        await subscription.accept(OPEN, **options)

    return taken


def test_the_table_is_full() -> None:
    assert set(TABLE) == set(itertools.product(WatchState, WatchEvent))
    for state, event in itertools.product(WatchState, WatchEvent):
        if state is WatchState.TERMINATED:
            assert TABLE[state, event] is WatchState.TERMINATED
        if TABLE[state, event] is WatchState.ASKED:
            assert state is WatchState.ASKED, "what is answered is answered"


async def test_from_its_beginning_to_its_end(sip_network: Network) -> None:
    alice, bob = agents(sip_network)
    taken = watched(bob)
    async with alice, bob:
        async with alice.subscribe(BOB, "presence", expires=600) as subscription:
            assert subscription.expires == 600
            assert read_presence((await anext(subscription)).body).is_open
            (mine,) = taken
            assert (mine.event, mine.uri, mine.watcher.uri_text) == ("presence", BOB, "sip:alice@192.0.2.1")
            await mine.notify(CLOSED)
            told = await anext(subscription)
            assert (told.state, told.content_type) == ("active", "application/pidf+xml")
            assert not read_presence(told.body).is_open
            # Refreshed: the state is told again.
            assert (await asyncio.wait_for(anext(subscription), 590)).body == CLOSED
            assert mine.state is WatchState.ACTIVE
        await mine.wait_ended()
        assert (mine.state, mine.reason) == (WatchState.TERMINATED, "timeout")
        rest = [told async for told in subscription]
        assert (rest[-1].state, rest[-1].reason, rest[-1].body) == ("terminated", "timeout", CLOSED)
        assert not bob.dispatch.watchers
        with pytest.raises(CallEndedError):
            await mine.notify(OPEN)


async def test_the_other_packages(sip_network: Network) -> None:
    alice, bob = agents(sip_network)
    summary = MessageSummary(is_waiting=True, account="sip:vm@b", counts={"voice-message": (2, 8)})
    calls = DialogInfo(BOB, 7, True, (DialogState("x", "early", "recipient", "sip:carol@c"),))

    @bob.on_subscription("message-summary", "dialog")
    async def take(subscription: IncomingSubscription) -> None:
        await subscription.accept(write_summary(summary) if subscription.event != "dialog" else write_dialogs(calls))

    async with alice, bob:
        async with alice.subscribe(BOB, "message-summary") as waiting, alice.subscribe(BOB, "dialog") as busy:
            first, second = await anext(waiting), await anext(busy)
        assert first.content_type == "application/simple-message-summary"
        assert read_summary(first.body) == summary
        assert read_dialogs(second.body) == calls
        assert (await alice.options(BOB))["Allow-Events"] == "message-summary, dialog"
        with pytest.raises(RejectedError) as refused:
            async with alice.subscribe(BOB, "presence"):
                pass
        assert (refused.value.code, refused.value.response["Allow-Events"]) == (489, "message-summary, dialog")


async def test_held_back_and_then_allowed(sip_network: Network) -> None:
    alice, bob = agents(sip_network)
    taken: list[IncomingSubscription] = []

    @bob.on_subscription("presence")
    async def ask(subscription: IncomingSubscription) -> None:
        taken.append(subscription)
        await subscription.hold()

    async with alice, bob, alice.subscribe(BOB, "presence") as subscription:
        told = await anext(subscription)
        assert (told.state, told.body) == ("pending", b"")
        (mine,) = taken
        with pytest.raises(MisuseError, match="not accepted"):
            await mine.notify(OPEN)
        await mine.accept(OPEN)
        told = await anext(subscription)
        assert (told.state, told.body) == ("active", OPEN)


async def test_refused_in_the_end_without_a_word(sip_network: Network) -> None:
    alice, bob = agents(sip_network)

    @bob.on_subscription("presence")
    async def ask(subscription: IncomingSubscription) -> None:
        await subscription.hold()
        await subscription.end("rejected")
        assert subscription.reason == "rejected"

    async with alice, bob, alice.subscribe(BOB, "presence") as subscription:
        assert (await anext(subscription)).state == "pending"
        told = await anext(subscription)
        assert (told.state, told.reason, told.body) == ("terminated", "rejected", b"")
        with pytest.raises(SubscriptionEndedError):
            await anext(subscription)


@pytest.mark.parametrize(
    ("status", "raised", "expected"), [(403, None, 403), (None, None, 480), (None, ValueError("x"), 500)]
)
async def test_what_the_program_does_not_take(
    sip_network: Network, status: int | None, raised: Exception | None, expected: int
) -> None:
    alice, bob = agents(sip_network)

    @bob.on_subscription("presence")
    async def refuse(subscription: IncomingSubscription) -> None:
        if status is not None:
            await subscription.reject(status)
        if raised is not None:
            raise raised

    async with alice, bob:
        with pytest.raises(RejectedError) as refused:
            async with alice.subscribe(BOB, "presence"):
                pass
        assert refused.value.code == expected
        assert not bob.dispatch.watchers


async def test_nobody_refreshes_it(sip_network: Network) -> None:
    _, bob = agents(sip_network)
    taken = watched(bob)
    async with Peer(sip_network, "192.0.2.1") as peer, bob:
        subscribe = asked(peer, expires=100)
        assert (await peer.receive(200)).expires == 100
        first = await peer.receive("NOTIFY")
        assert first["Subscription-State"] == "active;expires=100"
        assert (first["Event"], first.to.tag) == ("presence;id=7", subscribe.from_.tag)
        peer.respond(first, 200)
        last = await peer.receive("NOTIFY", seconds=101)
        assert (last["Subscription-State"], last.body) == ("terminated;reason=timeout", OPEN)
        assert last.cseq.number == first.cseq.number + 1
        peer.respond(last, 200)
        await taken[0].wait_ended()
        asked(peer, cseq=5, to_tag=first.from_.tag)
        await peer.receive(481)


def asked(peer: Peer, *, expires: int | None = 600, cseq: int = 1, to_tag: str | None = None, **more: str) -> Message:
    fields = {"Event": "presence;id=7", **more}
    if expires is not None:
        fields["Expires"] = str(expires)
    listed = [(name, value) for name, value in fields.items() if value]
    return peer.request("SUBSCRIBE", HERE, cseq=cseq, to_tag=to_tag, fields=listed)


async def test_asked_once_told_once(sip_network: Network) -> None:
    """RFC 6665 §4.4.3: a fetch."""
    _, bob = agents(sip_network)
    taken = watched(bob)
    async with Peer(sip_network, "192.0.2.1") as peer, bob:
        asked(peer, expires=0)
        assert (await peer.receive(200)).expires == 0
        told = await peer.receive("NOTIFY")
        assert (told["Subscription-State"], told.body) == ("terminated;reason=timeout", OPEN)
        peer.respond(told, 200)
        await taken[0].wait_ended()
        assert not bob.dispatch.watchers


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"Event": "refer"}, 489, ("Allow-Events", "presence")),
        ({"Event": ""}, 489, ("Allow-Events", "presence")),
        ({"expires": 10}, 423, ("Min-Expires", "60")),
        ({"Accept": "text/html"}, 406, None),
        ({"Accept": "text/html, application/*"}, 200, ("Expires", "600")),
        ({"expires": None}, 200, ("Expires", "3600")),
        ({"expires": 999_999_999}, 200, ("Expires", "86400")),
    ],
)
async def test_what_is_asked_and_answered(
    sip_network: Network, fields: dict[str, Any], status: int, field: tuple[str, str] | None
) -> None:
    _, bob = agents(sip_network)
    watched(bob)
    async with Peer(sip_network, "192.0.2.1") as peer, bob:
        asked(peer, **fields)
        response = await peer.receive(status)
        if field is not None:
            assert response[field[0]] == field[1]
        if status == 200:
            peer.respond(await peer.receive("NOTIFY"), 481)


async def test_less_is_granted_than_was_asked(sip_network: Network) -> None:
    alice, bob = agents(sip_network)
    taken = watched(bob, expires=90)
    async with alice, bob, alice.subscribe(BOB, "presence", expires=600) as subscription:
        assert (subscription.expires, taken[0].expires) == (90, 90)


@pytest.mark.parametrize(("status", "is_over"), [(481, True), (404, True), (500, False), (403, False)])
async def test_a_notification_that_is_refused(sip_network: Network, status: int, is_over: bool) -> None:
    _, bob = agents(sip_network)
    taken = watched(bob)
    async with Peer(sip_network, "192.0.2.1") as peer, bob:
        asked(peer)
        peer.respond(await peer.receive("NOTIFY"), 200)
        await asyncio.sleep(1)
        telling = asyncio.create_task(taken[0].notify(CLOSED))
        peer.respond(await peer.receive("NOTIFY"), status)
        with pytest.raises(RejectedError):
            await telling
        assert (taken[0].state is WatchState.TERMINATED) == is_over
        if not is_over:
            ending = asyncio.create_task(taken[0].end())
            last = await peer.receive("NOTIFY")
            assert last["Subscription-State"] == "terminated;reason=noresource"
            peer.respond(last, 200)
            await ending


async def test_a_watcher_that_is_gone(sip_network: Network) -> None:
    _, bob = agents(sip_network)
    taken = watched(bob)
    async with bob:
        async with Peer(sip_network, "192.0.2.1") as peer:
            asked(peer)
            peer.respond(await peer.receive("NOTIFY"), 200)
            await asyncio.sleep(1)
        with pytest.raises(NoAnswerError):
            await taken[0].notify(CLOSED)
        assert (taken[0].state, taken[0].reason) == (WatchState.TERMINATED, "timeout")
        assert not bob.dispatch.watchers


async def test_notifications_keep_their_order(sip_network: Network) -> None:
    """One after the other: the next waits for the answer to the one before."""
    _, bob = agents(sip_network)
    taken = watched(bob)
    async with Peer(sip_network, "192.0.2.1") as peer, bob:
        asked(peer)
        peer.respond(await peer.receive("NOTIFY"), 200)
        await asyncio.sleep(1)
        telling = [asyncio.create_task(taken[0].notify(body)) for body in (CLOSED, OPEN)]
        first = await peer.receive("NOTIFY")
        await peer.receive_nothing(seconds=0.4)
        peer.respond(first, 200)
        second = await peer.receive("NOTIFY")
        assert second.cseq.number == first.cseq.number + 1
        peer.respond(second, 200)
        await asyncio.gather(*telling)


async def test_a_refresh_that_is_old(sip_network: Network) -> None:
    _, bob = agents(sip_network)
    watched(bob)
    async with Peer(sip_network, "192.0.2.1") as peer, bob:
        asked(peer, cseq=10)
        first = await peer.receive("NOTIFY")
        peer.respond(first, 200)
        asked(peer, cseq=9, to_tag=first.from_.tag)
        await peer.receive(500)
        asked(peer, cseq=11, to_tag=first.from_.tag)
        assert (await peer.receive(200)).to.tag == first.from_.tag
        peer.respond(await peer.receive("NOTIFY"), 200)
        asked(peer, cseq=12, to_tag=first.from_.tag, Event="dialog")
        await peer.receive(489)


async def test_the_end_of_the_user_agent_is_told(sip_network: Network) -> None:
    """``probation``: the watcher asks again some time later."""
    alice, bob = agents(sip_network)
    watched(bob)
    async with alice:
        async with bob:
            subscription = alice.subscribe(BOB, "presence")
            await subscription.__aenter__()
            assert (await anext(subscription)).state == "active"
        told = await anext(subscription)
        assert (told.state, told.reason) == ("terminated", "probation")
        await subscription.leave()


def test_handlers_name_their_packages() -> None:
    with pytest.raises(MisuseError, match="name the packages"):
        UserAgent("sip:a@b").on_subscription()


def test_a_summary_is_one_line_each() -> None:
    with pytest.raises(MisuseError, match="line break"):
        write_summary(MessageSummary(is_waiting=False, account="a\r\nb", counts={}))
