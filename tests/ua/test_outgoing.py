"""Our calls against a peer that the test plays: forks, challenges, crossings. RFC 3261 §13.2, §22; RFC 3262."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Any

import pytest

from dialplane.testing import DESCRIPTION, Network, Peer
from dialplane.ua import (
    AuthenticationError,
    CallState,
    CancelledCallError,
    Description,
    Ended,
    NoAnswerError,
    RejectedError,
    UserAgent,
)
from dialplane.ua.digest import read_challenge
from dialplane.ua.resolve import Srv

PEER = "192.0.2.9"
URI = f"sip:peer@{PEER}"


def alice(network: Network, **options: Any) -> UserAgent:
    return UserAgent("sip:alice@192.0.2.1", transports=network.transports("192.0.2.1"), resolver=network, **options)


async def answered(ua: UserAgent, peer: Peer, **options: Any) -> Any:
    outgoing = ua.call(URI, media=DESCRIPTION)
    peer.respond(await peer.receive("INVITE"), 200, body=DESCRIPTION, **options)
    call = await outgoing
    await peer.receive("ACK")
    return call


async def test_two_forks_answer_and_one_is_hung_up(sip_network: Network) -> None:
    async with Peer(sip_network, PEER) as peer, alice(sip_network) as ua:
        outgoing = ua.call(URI, media=DESCRIPTION)
        invite = await peer.receive("INVITE")
        for tag in ("one", "two"):
            peer.respond(invite, 180, tag=tag)
        for tag in ("two", "one"):
            peer.respond(invite, 200, tag=tag, body=DESCRIPTION)
        call = await outgoing
        assert call.dialog is not None
        assert call.dialog.remote_tag == "two"
        acks = {(await peer.receive("ACK")).to.tag for _ in range(2)}
        assert acks == {"one", "two"}
        bye = await peer.receive("BYE")
        assert (bye.to.tag, bye.cseq.number) == ("one", 2)
        peer.respond(bye, 200)
        assert call.state is CallState.UP
        assert len(ua.dispatch.dialogs) == 1
        await call.hang_up()


async def test_a_lost_ack_is_sent_again(sip_network: Network) -> None:
    async with Peer(sip_network, PEER) as peer, alice(sip_network) as ua:
        outgoing = ua.call(URI, media=DESCRIPTION)
        invite = await peer.receive("INVITE")
        peer.respond(invite, 200, body=DESCRIPTION)
        await outgoing
        first = await peer.receive("ACK")
        peer.respond(invite, 200, body=DESCRIPTION)
        again = await peer.receive("ACK")
        assert again == first
        assert first.cseq.number == invite.cseq.number
        assert first.top_via.branch != invite.top_via.branch, "a 2xx has an ACK of its own transaction"


async def test_the_route_of_the_2xx_counts(sip_network: Network) -> None:
    """RFC 3261 §12.1.2, §13.2.2.4: in reverse order; a strict router as §12.2.1.1 has it."""
    routes = [f"<sip:{PEER}:5060;lr>", "<sip:192.0.2.77;lr>"]
    async with Peer(sip_network, PEER) as peer, alice(sip_network) as ua:
        fields = [("Record-Route", "<sip:192.0.2.77;lr>"), ("Record-Route", f"<sip:{PEER}:5060;lr>")]
        call = await answered(ua, peer, fields=fields)
        ending = asyncio.create_task(call.hang_up())
        bye = await peer.receive("BYE")
        assert [bytes(route).decode() for route in bye.route] == routes
        assert bye.uri is not None
        assert bytes(bye.uri) == f"sip:peer@{PEER}:5060".encode()
        peer.respond(bye, 200)
        await ending
        call = await answered(ua, peer, fields=[("Record-Route", f"<sip:strict@{PEER}>")])
        ending = asyncio.create_task(call.hang_up())
        bye = await peer.receive("BYE")
        assert (str(bye.uri and bytes(bye.uri).decode()), [route.uri_text for route in bye.route]) == (
            f"sip:strict@{PEER}",
            [f"sip:peer@{PEER}:5060"],
        )
        peer.respond(bye, 200)
        await ending


@pytest.mark.parametrize(("status", "field"), [(401, "Authorization"), (407, "Proxy-Authorization")])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess"])
@pytest.mark.parametrize("qop", ['qop="auth"', 'qop="auth-int"', ""])
async def test_challenges(sip_network: Network, status: int, field: str, algorithm: str, qop: str) -> None:
    async with Peer(sip_network, PEER) as peer, alice(sip_network, password="secret", register=False) as ua:
        outgoing = ua.call(URI, media=DESCRIPTION)
        invite = await peer.receive("INVITE")
        assert field not in invite
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        value = f'Digest realm="r \\"x\\"", nonce="n", algorithm={algorithm}, opaque="o"' + (f", {qop}" if qop else "")
        peer.respond(invite, status, fields=[(name, 'Basic realm="x"'), (name, value)])
        assert (await peer.receive("ACK")).cseq.number == 1
        again = await peer.receive("INVITE")
        assert (again.cseq.number, again.call_id, again.from_.tag) == (2, invite.call_id, invite.from_.tag)
        assert proves(again.get(field) or "", algorithm, "INVITE", f"{URI}", again.body)
        peer.respond(again, 200, body=DESCRIPTION)
        call = await outgoing
        ack = await peer.receive("ACK")
        assert (ack.cseq.number, ack[field]) == (2, again[field]), "RFC 3261 §22.1"
        ending = asyncio.create_task(call.hang_up())
        bye = await peer.receive("BYE")
        assert bye.cseq.number == 3
        assert "nc=00000002" in bye[field] or not qop
        peer.respond(bye, 200)
        await ending


def proves(value: str, algorithm: str, method: str, uri: str, body: bytes) -> bool:
    """RFC 7616 §3.4, worked out apart from the code under test."""
    names = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}

    def h(text: str) -> str:
        return hashlib.new(names[algorithm.removesuffix("-sess")], text.encode()).hexdigest()

    found = {
        name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', value)
    }
    a1 = h('alice:r "x":secret')
    if algorithm.endswith("-sess"):
        a1 = h(f"{a1}:n:{found['cnonce']}")
    a2 = f"{method}:{uri}"
    if found.get("qop") == "auth-int":
        a2 += ":" + hashlib.new(names[algorithm.removesuffix("-sess")], body).hexdigest()
    middle = f"n:{found['nc']}:{found['cnonce']}:{found['qop']}" if "qop" in found else "n"
    assert (found["opaque"], found["uri"], found["username"]) == ("o", uri, "alice")
    return found["response"] == h(f"{a1}:{middle}:{h(a2)}")


async def test_the_topmost_challenge_counts_and_a_wrong_password_ends(sip_network: Network) -> None:
    """RFC 8760 §2.4; a stale nonce is no wrong password."""
    async with Peer(sip_network, PEER) as peer, alice(sip_network, password="wrong", register=False) as ua:
        asking = asyncio.create_task(ua.message(URI, "hi"))
        both = [
            ("WWW-Authenticate", f'Digest realm="r", nonce="{name}", algorithm={name}, qop="auth"')
            for name in ("SHA-256", "MD5")
        ]
        peer.respond(await peer.receive("MESSAGE"), 401, fields=both)
        again = await peer.receive("MESSAGE")
        assert "algorithm=SHA-256" in again["Authorization"]
        stale = 'Digest realm="r", nonce="fresh", algorithm=SHA-256, qop="auth", stale=TRUE'
        peer.respond(again, 401, fields=[("WWW-Authenticate", stale)])
        third = await peer.receive("MESSAGE")
        assert 'nonce="fresh"' in third["Authorization"]
        peer.respond(third, 401, fields=[("WWW-Authenticate", stale.replace(", stale=TRUE", ""))])
        with pytest.raises(AuthenticationError, match="password"):
            await asking
        await peer.receive_nothing()


async def test_credentials_go_to_nobody_else(sip_network: Network) -> None:
    async with (
        Peer(sip_network, PEER) as peer,
        Peer(sip_network, "192.0.2.10") as other,
        alice(sip_network, password="x", register=False) as ua,
    ):
        asking = asyncio.create_task(ua.options(URI))
        challenge = [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')]
        peer.respond(await peer.receive("OPTIONS"), 401, fields=challenge)
        peer.respond(await peer.receive("OPTIONS"), 200)
        await asking
        asking = asyncio.create_task(ua.options("sip:x@192.0.2.10"))
        stranger = await other.receive("OPTIONS")
        assert "Authorization" not in stranger
        other.respond(stranger, 200)
        await asking


async def test_reliable_provisionals_in_order(sip_network: Network) -> None:
    """RFC 3262 §4: the first has any number, the next one more; a gap is not acknowledged; again is not again."""
    async with Peer(sip_network, PEER) as peer, alice(sip_network) as ua:
        outgoing = ua.call(URI, media=DESCRIPTION)
        invite = await peer.receive("INVITE")
        assert "100rel" in invite.elements("Supported")

        def ring(number: int) -> None:
            peer.respond(invite, 183, fields=[("Require", "100rel"), ("RSeq", str(number))])

        ring(700)
        prack = await peer.receive("PRACK")
        assert (prack["RAck"], prack.cseq.number, prack.to.tag) == ("700 1 INVITE", 2, "peer")
        peer.respond(prack, 200)
        ring(700)
        ring(702)
        await peer.receive_nothing(seconds=1)
        ring(701)
        prack = await peer.receive("PRACK")
        assert (prack["RAck"], prack.cseq.number) == ("701 1 INVITE", 3)
        peer.respond(prack, 200)
        peer.respond(invite, 200, body=DESCRIPTION)
        call = await outgoing
        assert (await peer.receive("ACK")).cseq.number == 1
        ending = asyncio.create_task(call.hang_up())
        bye = await peer.receive("BYE")
        assert bye.cseq.number == 4
        peer.respond(bye, 200)
        await ending


async def test_cancel_before_anything_is_heard_waits(sip_network: Network) -> None:
    async with Peer(sip_network, PEER) as peer, alice(sip_network) as ua:
        outgoing = ua.call(URI, media=DESCRIPTION)
        invite = await peer.receive("INVITE")
        outgoing.cancel()
        again = await peer.receive()
        assert again.method == "INVITE", "RFC 3261 §9.1: no CANCEL yet"
        peer.respond(invite, 180)
        cancel = await peer.receive("CANCEL")
        peer.respond(cancel, 200, contact=False)
        peer.respond(invite, 487)
        assert (await peer.receive("ACK")).top_via.branch == invite.top_via.branch
        with pytest.raises(CancelledCallError):
            await outgoing


async def test_a_cancel_that_nobody_minds(sip_network: Network) -> None:
    """RFC 3261 §9.1: without a final response after 64·T1 the call counts as cancelled."""
    async with Peer(sip_network, PEER) as peer, alice(sip_network) as ua:
        outgoing = ua.call(URI, media=DESCRIPTION)
        peer.respond(await peer.receive("INVITE"), 180)
        await asyncio.sleep(1)
        outgoing.cancel()
        with pytest.raises(NoAnswerError):
            await outgoing
        await asyncio.sleep(1)
        assert len(ua.endpoint.transactions) == 0


async def test_the_peer_is_gone(sip_network: Network) -> None:
    """RFC 3261 §12.2.1.2: 481 ends the dialog, and so does silence."""
    async with Peer(sip_network, PEER) as peer, alice(sip_network) as ua:
        call = await answered(ua, peer)
        holding = asyncio.create_task(call.hold())
        peer.respond(await peer.receive("INVITE"), 481)
        with pytest.raises(Exception, match="ended before INVITE"):
            await holding
        assert await call.wait_ended() == Ended("network", 481, "Call/Transaction Does Not Exist")
        call = await answered(ua, peer)
        with pytest.raises(NoAnswerError):
            await call.hold()
        assert call.state is CallState.ENDED


async def test_a_refused_hold_changes_nothing(sip_network: Network) -> None:
    async with Peer(sip_network, PEER) as peer, alice(sip_network) as ua:
        call = await answered(ua, peer)
        holding = asyncio.create_task(call.hold())
        peer.respond(await peer.receive("INVITE"), 488)
        with pytest.raises(RejectedError):
            await holding
        assert (call.state, call.is_held) == (CallState.UP, False)
        await peer.receive("ACK")
        again = asyncio.create_task(call.renegotiate(Description(DESCRIPTION)))
        invite = await peer.receive("INVITE")
        assert b"sendrecv" in invite.body
        peer.respond(invite, 200, body=DESCRIPTION)
        await again


async def test_a_longer_session_interval_is_given(sip_network: Network) -> None:
    """RFC 4028 §7.4."""
    async with Peer(sip_network, PEER) as peer, alice(sip_network, session_expires=100) as ua:
        outgoing = ua.call(URI, media=DESCRIPTION)
        first = await peer.receive("INVITE")
        assert first["Session-Expires"] == "100"
        peer.respond(first, 422, fields=[("Min-SE", "240")])
        second = await peer.receive("INVITE")
        assert (second["Session-Expires"], second["Min-SE"], second.cseq.number) == ("240", "240", 2)
        peer.respond(
            second, 200, body=DESCRIPTION, fields=[("Session-Expires", "240;refresher=uac"), ("Require", "timer")]
        )
        await outgoing
        await peer.receive("ACK")
        refresh = await peer.receive("INVITE", seconds=130)
        assert refresh["Session-Expires"] == "240;refresher=uac", "the peer has not said that it takes UPDATE"
        peer.respond(refresh, 200, body=DESCRIPTION)


async def test_names_are_resolved_and_the_next_address_is_tried(sip_network: Network) -> None:
    """RFC 3263 §4.3: silence and 503 lead to the next."""
    sip_network.services["_sip._udp.example.com"] = [Srv(1, 0, 5060, "a"), Srv(2, 0, 5060, "b"), Srv(3, 0, 5070, "c")]
    sip_network.hosts |= {"a": ["192.0.2.50"], "b": ["192.0.2.51"], "c": [PEER]}
    async with Peer(sip_network, "192.0.2.51") as busy, Peer(sip_network, PEER, 5070) as peer, alice(sip_network) as ua:
        asking = asyncio.create_task(ua.message("sip:bob@example.com", "hi"))
        busy.respond(await busy.receive("MESSAGE"), 503)
        taken = await peer.receive("MESSAGE")
        assert taken.uri is not None
        assert taken.uri.host == "example.com"
        peer.respond(taken, 200)
        assert (await asking).status == 200


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ('Digest realm="r", nonce="n"', True),
        ('digest REALM="r",nonce="n",algorithm=md5', True),
        ('Digest realm="r", nonce="n", algorithm=SHA3', False),
        ('Digest realm="r", nonce="n", qop="token"', False),
        ('Digest realm="r"', False),
        ("Basic realm=x", False),
        ("", False),
    ],
)
def test_challenges_that_can_be_answered(value: str, known: bool) -> None:
    assert (read_challenge(value, "Authorization") is not None) is known
