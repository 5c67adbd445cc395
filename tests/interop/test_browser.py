"""JsSIP in Chromium over WSS: registers with digest, and calls another page and our user agent, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dialplane.ua import CallState, IncomingCall, RejectedError, UserAgent

from .certificate import issue
from .chromium import Page, chromium
from .differs import differs
from .namespace import HOSTS, SUBJECT
from .subject import Server, Setup, User
from .test_user_agent import in_a_loop
from .waiting import eventually
from .webphone import webphone

pytestmark = differs(kamailio="the control is set up for UDP and TCP")

SETUP = Setup(
    users=tuple(User(name, f"{name}'s") for name in ("alice", "bob", "carol")),
    # It reads the last challenge only and knows MD5 only.
    algorithms=("SHA-256", "MD5"),
    record_route=True,
    call_auth=True,
    transports=("udp", "wss"),
)
REGISTERED = ["> REGISTER", "< 401 REGISTER", "> REGISTER", "< 200 REGISTER"]
DESCRIPTION = """\
v=0
o=- 1 1 IN IP4 192.0.2.13
s=-
t=0 0
a=group:BUNDLE 0
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:Yh3z
a=ice-pwd:mPZ9pQnZ1uQ2mXk3vB7rT4sD
a=fingerprint:sha-256 {fingerprint}
a=setup:{setup}
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
"""
"""What a gateway would say: WebRTC with nobody behind it."""


def description(setup: str) -> bytes:
    """An offer (``actpass``) or an answer (``active``). RFC 8829 §5.2, RFC 5763 §5."""
    text = DESCRIPTION.format(setup=setup, fingerprint=":".join(f"{octet:02X}" for octet in range(32)))
    return text.replace("\n", "\r\n").encode()


@contextmanager
def phones(serve: Callable[[Setup], Server], folder: Path, *users: str) -> Iterator[list[Page]]:
    """A server, and a page for each user that has registered there."""
    authority, certificate = issue(folder)
    server = serve(replace(SETUP, certificate=certificate))
    with chromium(folder, authority) as browser:
        pages = [webphone(browser, folder, user, f"{user}'s") for user in users]
        for page in pages:
            page.call("until", "registered")
            assert page.flow() == REGISTERED
            page.frames.clear()
        contacts = {f"sip:{user}@example.org" for user in users}
        eventually(lambda: server.locations().keys() == contacts)
        yield pages


def essence(page: Page) -> list[str]:
    """The messages of a call; 100 (Trying) may come or not."""
    return [one for one in page.flow() if "100 " not in one]


@pytest.mark.parametrize("end", ["caller", "callee"])
def test_a_page_calls_a_page(serve: Callable[[Setup], Server], tmp_path: Path, end: str) -> None:
    """INVITE with credentials, 180, 200, ACK; sound both ways; BYE by either."""
    with phones(serve, tmp_path, "alice", "bob") as (alice, bob):
        alice.call("call", "sip:bob@example.org")
        assert bob.call("until", "rings") == "sip:alice@example.org"
        bob.call("answer")
        for page in (alice, bob):
            page.call("until", "confirmed")
            page.call("until", "sound", seconds=20)
        leaving, other = (alice, bob) if end == "caller" else (bob, alice)
        leaving.call("hangUp")
        assert other.call("until", "ended") == ["remote", "Terminated"]
        leaving.wait_for("< 200 BYE")
        other.wait_for("> 200 BYE")
        challenged = ["> INVITE", "< 407 INVITE", "> ACK"]
        last = [["> BYE", "< 200 BYE"], ["< BYE", "> 200 BYE"]]
        if end == "callee":
            last.reverse()
        assert essence(alice) == [*challenged, "> INVITE", "< 180 INVITE", "< 200 INVITE", "> ACK", *last[0]]
        assert essence(bob) == ["< INVITE", "> 180 INVITE", "> 200 INVITE", "< ACK", *last[1]]
        offer = next(one for sent, one in bob.frames if not sent and one.method == "INVITE")
        assert b"UDP/TLS/RTP/SAVPF" in offer.body
        assert b"a=candidate:" in offer.body


@pytest.mark.parametrize("how", ["cancelled", "refused"])
def test_a_call_that_is_not_taken(serve: Callable[[Setup], Server], tmp_path: Path, how: str) -> None:
    with phones(serve, tmp_path, "alice", "bob") as (alice, bob):
        alice.call("call", "sip:bob@example.org")
        bob.call("until", "rings")
        alice.call("until", "progress")
        if how == "cancelled":
            alice.call("hangUp")
        else:
            bob.call("refuse")
        causes = {"cancelled": ["Canceled", "Canceled"], "refused": ["Busy", "Rejected"]}[how]
        assert [page.call("until", "failed")[1] for page in (alice, bob)] == causes
        bob.wait_for("< ACK")
        alice.wait_for("> ACK")
        assert f"< {487 if how == 'cancelled' else 486} INVITE" in alice.flow()
        assert ("< CANCEL" in bob.flow()) == (how == "cancelled")


def test_a_page_calls_our_user_agent(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    """WSS on one side, UDP on the other; the BYE comes from there."""
    calls: list[IncomingCall] = []

    async def work(alice: Page) -> None:
        async with agent() as carol:

            @carol.on_call
            async def lift(call: IncomingCall) -> None:
                calls.append(call)
                await call.ring()
                await call.answer(description("active"))

            await asyncio.to_thread(alice.call, "call", "sip:carol@example.org")
            await asyncio.to_thread(alice.call, "until", "confirmed")
            (call,) = calls
            assert b"a=fingerprint:sha-256" in call.offer
            await call.hang_up()
            assert await asyncio.to_thread(alice.call, "until", "ended") == ["remote", "Terminated"]

    with phones(serve, tmp_path, "alice") as (alice,):
        in_a_loop(lambda: work(alice))
        alice.wait_for("> 200 BYE")
        expected = ["> INVITE", "< 180 INVITE", "< 200 INVITE", "> ACK", "< BYE", "> 200 BYE"]
        assert essence(alice)[3:] == expected


@pytest.mark.parametrize("end", ["caller", "callee"])
def test_our_user_agent_calls_a_page(serve: Callable[[Setup], Server], tmp_path: Path, end: str) -> None:
    """By the connection that the page opened, whichever worker has it."""

    async def work(bob: Page) -> None:
        async with agent() as carol:
            calling = carol.call("sip:bob@example.org", media=description("actpass"))
            assert await asyncio.to_thread(bob.call, "until", "rings") == "sip:carol@example.org"
            await asyncio.to_thread(bob.call, "answer")
            call = await calling
            assert call.state is CallState.UP
            await asyncio.to_thread(bob.call, "until", "confirmed")
            if end == "caller":
                await call.hang_up()
                assert await asyncio.to_thread(bob.call, "until", "ended") == ["remote", "Terminated"]
            else:
                await asyncio.to_thread(bob.call, "hangUp")
                assert (await call.wait_ended()).by == "peer"
            busy = carol.call("sip:bob@example.org", media=description("actpass"))
            await asyncio.to_thread(bob.call, "until", "rings")
            await asyncio.to_thread(bob.call, "refuse")
            with pytest.raises(RejectedError) as caught:
                await busy
            assert caught.value.code == 486

    with phones(serve, tmp_path, "bob") as (bob,):
        in_a_loop(lambda: work(bob))
        bob.wait_for("< ACK")
        first = essence(bob)[: essence(bob).index("< INVITE", 1)]
        last = ["< BYE", "> 200 BYE"] if end == "caller" else ["> BYE", "< 200 BYE"]
        assert first == ["< INVITE", "> 180 INVITE", "> 200 INVITE", "< ACK", *last]


def agent() -> UserAgent:
    """Carol's, by UDP."""
    return UserAgent("sip:carol@example.org", password="carol's", proxy=SUBJECT, host=HOSTS["carol"], port=5060)


def test_a_wrong_password(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    authority, certificate = issue(tmp_path)
    serve(replace(SETUP, certificate=certificate))
    with chromium(tmp_path, authority) as browser:
        page = webphone(browser, tmp_path, "alice", "guessed")
        assert page.call("until", "registrationFailed") == "Authentication Error"
