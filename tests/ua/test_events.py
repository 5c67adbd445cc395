"""Subscriptions and publications against a server that the test plays. RFC 6665, RFC 3903; bodies of the packages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dialplane.testing import Network, Peer
from dialplane.ua import (
    DialogState,
    NegotiationError,
    Notification,
    RejectedError,
    Subscription,
    SubscriptionEndedError,
    UserAgent,
    read_dialogs,
    read_presence,
    read_summary,
    write_presence,
)
from dialplane_native import Message

HOST = "192.0.2.9"
URI = f"sip:bob@{HOST}"
ME = ("192.0.2.1", 5060)


def alice(network: Network) -> UserAgent:
    return UserAgent("sip:alice@192.0.2.1", transports=network.transports("192.0.2.1"), resolver=network)


def notify(peer: Peer, subscribe: Message, cseq: int, state: str, body: bytes = b"", **options: Any) -> Message:
    fields = [("Event", subscribe["Event"]), ("Subscription-State", state)]
    made = {"from_tag": "peer", "fields": fields, **options}
    return peer.request(
        "NOTIFY", ME, call_id=subscribe.call_id, to_tag=subscribe.from_.tag, cseq=cseq, body=body, **made
    )


async def begun(ua: UserAgent, peer: Peer, seconds: int = 3600) -> tuple[Subscription, Message]:
    subscription = ua.subscribe(URI, "presence")
    entering = asyncio.create_task(subscription.__aenter__())
    subscribe = await peer.receive("SUBSCRIBE")
    peer.respond(subscribe, 200, fields=[("Expires", str(seconds))])
    await entering
    notify(peer, subscribe, 1, f"active;expires={seconds}", b"first")
    await peer.receive(200)
    return subscription, subscribe


async def left(subscription: Subscription, peer: Peer, cseq: int) -> Message:
    leaving = asyncio.create_task(subscription.leave())
    last = await peer.receive("SUBSCRIBE")
    peer.respond(last, 200, fields=[("Expires", "0")])
    notify(peer, last, cseq, "terminated;reason=timeout")
    await peer.receive(200)
    await leaving
    return last


async def test_from_its_beginning_to_its_end(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer, alice(sip_network) as ua:
        subscription, first = await begun(ua, peer, seconds=100)
        assert (first["Event"], first["Accept"], first.expires) == ("presence", "application/pidf+xml", 3600)
        assert (await anext(subscription)).body == b"first"
        refresh = await peer.receive("SUBSCRIBE", seconds=90)
        assert (refresh.to.tag, refresh.cseq.number, refresh.call_id) == ("peer", 2, first.call_id)
        peer.respond(refresh, 200, fields=[("Expires", "100")])
        notify(peer, first, 2, "active", b"second")
        await peer.receive(200)
        last = await left(subscription, peer, 3)
        assert last.expires == 0
        rest = [found async for found in subscription]
        assert rest[0].body == b"second"
        assert rest[-1] == Notification("terminated", "timeout", "", b"")
        assert not ua.dispatch.subscriptions


async def test_the_notification_may_come_first(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer, alice(sip_network) as ua:
        subscription = ua.subscribe(URI, "message-summary")
        entering = asyncio.create_task(subscription.__aenter__())
        subscribe = await peer.receive("SUBSCRIBE")
        notify(peer, subscribe, 1, "active;expires=60", b"Messages-Waiting: yes\r\n")
        await peer.receive(200)
        peer.respond(subscribe, 200)
        await entering
        assert read_summary((await anext(subscription)).body).is_waiting
        await left(subscription, peer, 2)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"fields": [("Event", "dialog"), ("Subscription-State", "active")]}, 489),
        ({"fields": [("Event", "presence")]}, 400),
        ({"from_tag": "fork"}, 481),
        ({"call_id": "other"}, 481),
        ({"cseq": 1}, 500),
    ],
)
async def test_notifications_that_are_refused(sip_network: Network, change: dict[str, Any], status: int) -> None:
    async with Peer(sip_network, HOST) as peer, alice(sip_network) as ua:
        subscription, subscribe = await begun(ua, peer)
        fields = [("Event", "presence"), ("Subscription-State", "active")]
        made = {"call_id": subscribe.call_id, "from_tag": "peer", "cseq": 5, "fields": fields, **change}
        if status == 500:
            notify(peer, subscribe, 7, "active")
            await peer.receive(200)
        peer.request("NOTIFY", ME, to_tag=subscribe.from_.tag, **made)
        await peer.receive(status)
        await left(subscription, peer, 9)


async def test_a_server_that_starts_again(sip_network: Network) -> None:
    """``deactivated``: subscribe anew at once, in another dialog; 481 to a refresh means the same."""
    async with Peer(sip_network, HOST) as peer, alice(sip_network) as ua:
        subscription, first = await begun(ua, peer, seconds=100)
        notify(peer, first, 2, "terminated;reason=deactivated")
        await peer.receive(200)
        second = await peer.receive("SUBSCRIBE", seconds=1)
        assert second.call_id != first.call_id
        assert second.to.tag is None
        peer.respond(second, 200, fields=[("Expires", "100")])
        notify(peer, second, 1, "active")
        await peer.receive(200)
        peer.respond(await peer.receive("SUBSCRIBE", seconds=90), 481)
        third = await peer.receive("SUBSCRIBE", seconds=1)
        assert third.call_id not in {first.call_id, second.call_id}
        peer.respond(third, 200, fields=[("Expires", "100")])
        notify(peer, third, 1, "active")
        await peer.receive(200)
        await left(subscription, peer, 2)


async def test_one_that_is_refused_for_good(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer, alice(sip_network) as ua:
        entering = asyncio.create_task(ua.subscribe(URI, "x-unknown").__aenter__())
        peer.respond(await peer.receive("SUBSCRIBE"), 489)
        with pytest.raises(RejectedError):
            await entering
        assert not ua.dispatch.subscriptions
        subscription, subscribe = await begun(ua, peer)
        notify(peer, subscribe, 2, "terminated;reason=rejected")
        await peer.receive(200)
        with pytest.raises(SubscriptionEndedError, match="rejected"):
            async for _ in subscription:
                pass


async def test_a_publication(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer, alice(sip_network) as ua:
        publication = ua.publish("presence", b"open", uri=URI)
        entering = asyncio.create_task(publication.__aenter__())
        first = await peer.receive("PUBLISH")
        assert (first["Event"], first["Content-Type"]) == ("presence", "application/pidf+xml")
        assert "SIP-If-Match" not in first
        peer.respond(first, 423, fields=[("Min-Expires", "7200")])
        again = await peer.receive("PUBLISH")
        assert again.expires == 7200
        peer.respond(again, 200, fields=[("SIP-ETag", "one"), ("Expires", "100")])
        await entering
        refresh = await peer.receive("PUBLISH", seconds=90)
        assert (refresh["SIP-If-Match"], refresh.body) == ("one", b"")
        peer.respond(refresh, 412)
        whole = await peer.receive("PUBLISH")
        assert ("SIP-If-Match" in whole, whole.body) == (False, b"open")
        peer.respond(whole, 200, fields=[("SIP-ETag", "two"), ("Expires", "3600")])
        updating = asyncio.create_task(publication.update(b"closed"))
        changed = await peer.receive("PUBLISH")
        assert (changed["SIP-If-Match"], changed.body) == ("two", b"closed")
        peer.respond(changed, 200, fields=[("SIP-ETag", "three")])
        await updating
        leaving = asyncio.create_task(publication.remove())
        last = await peer.receive("PUBLISH")
        assert (last["SIP-If-Match"], last.expires, last.body) == ("three", 0, b"")
        peer.respond(last, 200)
        await leaving


def test_presence() -> None:
    """The example of RFC 3863 §4.3, shortened; and what we write is read back."""
    body = b"""<?xml version="1.0" encoding="UTF-8"?>
      <impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" entity="pres:someone@example.com">
        <impp:tuple id="sg89ae"><impp:status><impp:basic>open</impp:basic></impp:status>
          <impp:contact priority="0.8">tel:+09012345678</impp:contact></impp:tuple>
        <impp:note>I'll be in Tokyo</impp:note></impp:presence>"""
    presence = read_presence(body)
    assert (presence.entity, presence.is_open, presence.note) == ("pres:someone@example.com", True, "I'll be in Tokyo")
    written = read_presence(write_presence("sip:a@b", is_open=False, note="<lunch>"))
    assert (written.entity, written.is_open, written.note) == ("sip:a@b", False, "<lunch>")


def test_message_summary() -> None:
    """RFC 3842 §5.3."""
    body = (
        b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n\r\n"
        b"To: <alice@atlanta.example.com>\r\n"
    )
    summary = read_summary(body)
    assert (summary.is_waiting, summary.account) == (True, "sip:alice@vmail.example.com")
    assert summary.counts == {"voice-message": (2, 8)}
    assert not read_summary(b"messages-waiting: no\r\n").is_waiting
    with pytest.raises(NegotiationError):
        read_summary(b"Voice-Message: 1/0\r\n")


def test_dialogs() -> None:
    """RFC 4235 §6.1."""
    body = b"""<?xml version="1.0"?>
      <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"
        version="1" state="partial" entity="sip:alice@example.com">
        <dialog id="as7d900as8" call-id="a84b4c76e66710" local-tag="1928301774" direction="initiator">
          <state>early</state><remote><identity>sip:bob@example.com</identity></remote></dialog></dialog-info>"""
    info = read_dialogs(body)
    assert (info.entity, info.version, info.is_full) == ("sip:alice@example.com", 1, False)
    assert info.dialogs == (DialogState("as7d900as8", "early", "initiator", "sip:bob@example.com"),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<presence/>",
        b"\xff\xfe",
        b'<!DOCTYPE x [<!ENTITY a "b">]><presence xmlns="urn:ietf:params:xml:ns:pidf"/>',
        b'<presence xmlns="urn:ietf:params:xml:ns:pidf">',
    ],
)
def test_documents_that_are_none(body: bytes) -> None:
    with pytest.raises(NegotiationError):
        read_presence(body)
