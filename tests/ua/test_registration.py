"""Registrations against a registrar that the test plays. RFC 3261 §10.2, RFC 5626, RFC 3608."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dialplane.testing import DESCRIPTION, Network, Peer
from dialplane.ua import (
    AuthenticationError,
    IncomingCall,
    RegistrationState,
    RejectedError,
    UnreachableError,
    UserAgent,
)
from dialplane_native import Message

HOST = "192.0.2.9"


def alice(network: Network, **options: Any) -> UserAgent:
    made = {"register": f"sip:{HOST}", **options}
    return UserAgent("sip:alice@example.com", transports=network.transports("192.0.2.1"), resolver=network, **made)


def grant(peer: Peer, request: Message, seconds: int = 600, **options: Any) -> None:
    contact = request["Contact"]
    fields = [("Contact", "<sip:alice@198.51.100.1>;expires=9"), ("Contact", f"{contact};expires={seconds}")]
    peer.respond(request, 200, contact=False, fields=[*fields, *options.pop("fields", [])], **options)


async def opened(ua: UserAgent, peer: Peer, **options: Any) -> Message:
    entering = asyncio.create_task(ua.__aenter__())
    register = await peer.receive("REGISTER")
    grant(peer, register, **options)
    await entering
    return register


async def closed(ua: UserAgent, peer: Peer) -> Message:
    leaving = asyncio.create_task(ua.close())
    register = await peer.receive("REGISTER")
    grant(peer, register, 0)
    await leaving
    return register


async def test_it_is_kept_and_removed(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network)
        first = await opened(ua, peer, seconds=100)
        assert first.uri is not None
        assert (bytes(first.uri), first.to.uri_text, first.expires) == (
            f"sip:{HOST}".encode(),
            "sip:alice@example.com",
            600,
        )
        assert first.contact is not None
        assert first.contact.params["reg-id"] == "1"
        assert first.contact.params["+sip.instance"] == f"<{ua.instance}>"
        [registration] = ua.registrations
        assert (registration.state, registration.expires) == (RegistrationState.REGISTERED, 100)
        before = asyncio.get_running_loop().time()
        again = await peer.receive("REGISTER", seconds=100)
        assert 79 < asyncio.get_running_loop().time() - before < 91
        assert (again.call_id, again.from_.tag, again.cseq.number) == (first.call_id, first.from_.tag, 2)
        grant(peer, again)
        await asyncio.sleep(0.1)
        last = await closed(ua, peer)
        assert (last.expires, last["Contact"]) == (0, first["Contact"])
        await peer.receive_nothing(seconds=2000)


async def test_an_interval_that_is_too_brief(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network, expires=60)
        entering = asyncio.create_task(ua.__aenter__())
        peer.respond(await peer.receive("REGISTER"), 423, fields=[("Min-Expires", "1800")])
        again = await peer.receive("REGISTER")
        assert (again.expires, again.cseq.number) == (1800, 2)
        grant(peer, again, 1800)
        await entering
        await closed(ua, peer)


async def test_a_wrong_password_is_told_at_once(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network, password="wrong")
        entering = asyncio.create_task(ua.__aenter__())
        challenge = [("WWW-Authenticate", 'Digest realm="r", nonce="1", qop="auth"')]
        for _ in range(2):
            peer.respond(await peer.receive("REGISTER"), 401, fields=challenge)
        with pytest.raises(AuthenticationError, match="password"):
            await entering
        await peer.receive_nothing(seconds=2000)


async def test_the_nonce_is_used_again(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network, password="x")
        entering = asyncio.create_task(ua.__aenter__())
        peer.respond(
            await peer.receive("REGISTER"),
            401,
            fields=[("WWW-Authenticate", 'Digest realm="r", nonce="1", qop="auth"')],
        )
        first = await peer.receive("REGISTER")
        assert "nc=00000001" in first["Authorization"]
        grant(peer, first, 60)
        await entering
        second = await peer.receive("REGISTER")
        assert "nc=00000002" in second["Authorization"]
        peer.respond(second, 401, fields=[("WWW-Authenticate", 'Digest realm="r", nonce="2", qop="auth", stale=true')])
        third = await peer.receive("REGISTER")
        assert 'nonce="2"' in third["Authorization"]
        grant(peer, third)
        await asyncio.sleep(0.1)
        await closed(ua, peer)


async def test_a_registrar_that_comes_back(sip_network: Network) -> None:
    """RFC 5626 §4.5: pauses of 15 to 30 seconds, then longer ones, 1800 at most; Retry-After is kept."""
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network)
        await opened(ua, peer, seconds=60)
        [registration] = ua.registrations
        peer.respond(await peer.receive("REGISTER"), 503, fields=[("Retry-After", "200")])
        await asyncio.sleep(1)
        assert registration.state is RegistrationState.FAILED
        assert isinstance(registration.problem, RejectedError)
        before = asyncio.get_running_loop().time()
        register = await peer.receive("REGISTER", seconds=300)
        assert 198 < asyncio.get_running_loop().time() - before < 201
        grant(peer, register)
        await asyncio.sleep(1)
        assert registration.state is RegistrationState.REGISTERED
        await closed(ua, peer)


async def test_a_lost_connection_is_opened_again(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network, register=f"sip:{HOST};transport=tcp")
        first = await opened(ua, peer, fields=[("Require", "outbound")])
        assert "transport=tcp" in first["Contact"]
        [registration] = ua.registrations
        assert registration.flow is not None
        assert ";ob>" in ua.contact(registration.flow)
        await asyncio.sleep(300)
        assert registration.flow.keep_alives in {2, 3}  # type: ignore[attr-defined]
        peer.flow.close()
        again = await peer.receive("REGISTER", seconds=1)
        grant(peer, again, fields=[("Require", "outbound")])
        await asyncio.sleep(0.1)
        assert registration.state is RegistrationState.REGISTERED
        await closed(ua, peer)


async def test_several_registrars_and_a_service_route(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as one, Peer(sip_network, "192.0.2.10") as two:
        ua = alice(sip_network, register=[f"sip:{HOST}", "sip:192.0.2.10"])
        entering = asyncio.create_task(ua.__aenter__())
        for peer, number in ((one, "1"), (two, "2")):
            register = await peer.receive("REGISTER")
            assert register.contact is not None
            assert register.contact.params["reg-id"] == number
            grant(peer, register, fields=[("Service-Route", f"<sip:{HOST};lr>")])
        await entering
        asking = asyncio.create_task(ua.message("sip:bob@elsewhere.example", "hi"))
        message = await one.receive("MESSAGE")
        assert [route.uri_text for route in message.route] == [f"sip:{HOST};lr"]
        one.respond(message, 200)
        await asking
        leaving = asyncio.create_task(ua.close())
        for peer in (one, two):
            grant(peer, await peer.receive("REGISTER"), 0)
        await leaving


async def test_nobody_is_there(sip_network: Network) -> None:
    ua = UserAgent(
        "sip:alice@nowhere.example", password="x", transports=sip_network.transports("192.0.2.1"), resolver=sip_network
    )
    with pytest.raises(UnreachableError, match=r"nowhere\.example has no address"):
        await ua.__aenter__()


async def test_a_registrar_that_is_silent_at_the_end_is_not_waited_for(sip_network: Network) -> None:
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network)
        await opened(ua, peer)
        before = asyncio.get_running_loop().time()
        await ua.close()
        assert asyncio.get_running_loop().time() - before < 3


GRUU = "sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def grant_gruu(peer: Peer, request: Message, given: str, *, seconds: int = 600) -> None:
    other = f'<sip:alice@198.51.100.1>;+sip.instance="<urn:uuid:0>";pub-gruu="{GRUU}other"'
    fields = [("Contact", other), ("Contact", f"{request['Contact']};expires={seconds}{given}")]
    peer.respond(request, 200, contact=False, fields=fields)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (f';pub-gruu="{GRUU}";temp-gruu="sip:tgruu.7hs==@example.com;gr"', True),
        ("", False),
        (';pub-gruu="sip:alice@example.com"', False),  # without gr it is none: RFC 5627 §3.1
        (';pub-gruu="https://example.com/;gr"', False),
        (';pub-gruu="nonsense"', False),
    ],
)
async def test_a_gruu_is_the_contact_of_dialogs(sip_network: Network, given: str, taken: bool) -> None:
    """RFC 5627 §4.2, §4.4: of calls, subscriptions and answers, by the way of the registrar; not of REGISTER itself."""
    async with Peer(sip_network, HOST) as peer:
        ua = alice(sip_network, proxy=HOST)
        entering = asyncio.create_task(ua.__aenter__())
        register = await peer.receive("REGISTER")
        assert "gruu" in register.elements("Supported")
        grant_gruu(peer, register, given, seconds=100)
        await entering
        assert ua.registrations[0].gruu == (GRUU if taken else None)
        contact = f"<{GRUU}>" if taken else "<sip:alice@192.0.2.1:5060>"
        calling = ua.call("sip:bob@example.com", media=DESCRIPTION)
        invite = await peer.receive("INVITE")
        assert invite["Contact"] == contact
        peer.respond(invite, 486)
        with pytest.raises(RejectedError):
            await calling

        @ua.on_call
        async def answer(call: IncomingCall) -> None:
            await call.answer(DESCRIPTION)
            await call.hang_up()

        peer.request("INVITE", ("192.0.2.1", 5060), body=DESCRIPTION)
        answered = await peer.receive(200)
        assert answered["Contact"] == contact
        peer.request("ACK", ("192.0.2.1", 5060), to_tag=answered.to.tag)
        peer.respond(await peer.receive("BYE"), 200)
        again = await peer.receive("REGISTER", seconds=100)
        assert again["Contact"] == register["Contact"]
        peer.respond(again, 500)
        await asyncio.sleep(1)
        assert ua.registrations[0].gruu is None, "of a registration that has lapsed it must not be used"
        late = ua.call("sip:bob@example.com", media=DESCRIPTION)
        invite = await peer.receive("INVITE")
        assert invite["Contact"] == "<sip:alice@192.0.2.1:5060>"
        peer.respond(invite, 486)
        with pytest.raises(RejectedError):
            await late
        await ua.close()
