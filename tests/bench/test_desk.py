"""The generator in virtual time: what is counted as what, and from when times count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dialplane.bench.desk import Desk
from dialplane.bench.plan import Arrivals, Plan, Step, Workload
from dialplane.bench.schedule import LoopAlarm
from dialplane.bench.tally import Tally
from dialplane.bench.users import by_pattern
from dialplane.testing import Network, Peer, Server
from dialplane.testing.network import Sent
from dialplane.ua.resolve import Hop
from dialplane_native import Message

HOST = "192.0.2.200"
DOMAIN = "example.com"
SECRET = "secret"


@asynccontextmanager
async def desk(network: Network, workload: Workload, **options: Any) -> AsyncIterator[Desk]:
    made: dict[str, Any] = {
        "users": by_pattern("user{0..9}", DOMAIN, SECRET),
        "to": [],
        "arrivals": Arrivals.CONSTANT,
        "host": "192.0.2.1",
        "hold": 0.5,
        **options,
    }
    transport = made.pop("transport", "UDP")
    alarm = LoopAlarm()
    plan = Plan(workload=workload, hop=Hop(transport, HOST, 5060, HOST, is_chosen=True), **made)
    opened = Desk(plan, 0, alarm, lambda: network.transports("192.0.2.1"))
    await opened.open()
    try:
        yield opened
    finally:
        alarm.close()
        await opened.close()


async def measured(desk: Desk, rate: float = 50, seconds: float = 2) -> Tally:
    tally = await desk.run(Step(rate, seconds, desk.now()))
    assert tally.open == 0, "everything has an outcome"
    assert not desk.waiting
    assert not desk.expected
    assert not desk.standing
    return tally


@asynccontextmanager
async def playing(network: Network, answer: Callable[[Peer, Message, int], object]) -> AsyncIterator[Peer]:
    """A server that the test plays: it hears of every request and its number."""
    async with Peer(network, HOST) as peer:

        async def serve() -> None:
            number = 0
            while True:
                request = await peer.receive(seconds=1000)
                if request.is_request:
                    answer(peer, request, number)
                    number += 1

        serving = asyncio.create_task(serve())
        try:
            yield peer
        finally:
            serving.cancel()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("workload", [Workload.CALL, Workload.MESSAGE])
async def test_through_a_server(sip_network: Network, workload: Workload, transport: str) -> None:
    async with Server(sip_network, DOMAIN, HOST), desk(sip_network, workload, transport=transport) as one:
        setup = await one.register_everybody()
        assert (setup.started, setup.good, setup.first) == (10, 10, 10)
        tally = await measured(one)
    assert (tally.started, tally.good, tally.bad, tally.strays, tally.resent) == (100, 100, 0, 0, 0)
    names = {"MESSAGE to 200"} if workload is Workload.MESSAGE else {"INVITE to 180", "INVITE to 200", "BYE to 200"}
    assert set(tally.times) == names
    assert all(times.total == 100 for times in tally.times.values())
    assert not one.callees.calls


async def test_registrations_first_and_again(sip_network: Network) -> None:
    async with Server(sip_network, DOMAIN, HOST) as server, desk(sip_network, Workload.REGISTER) as one:
        tally = await measured(one, rate=10, seconds=3)
        assert (tally.good, tally.first, tally.refreshed) == (30, 10, 20)
        assert all(len(contacts) == 1 for contacts in server.bindings.values())
        await one.leave()
    assert list(server.bindings.values()) == [[]] * 10
    cseqs = [sent.message.cseq.number for sent in sip_network.sent if sent.data.startswith(b"REGISTER")]
    assert sorted(cseqs) == [number for number in (1, 2, 3, 4) for _ in range(10)]


async def test_times_count_from_when_a_request_was_due(sip_network: Network) -> None:
    """A server that stands still for a second keeps nobody from coming, and everybody waits for it."""
    held: list[Message] = []

    def answer(peer: Peer, request: Message, number: int) -> None:
        now = asyncio.get_running_loop().time()
        if 1000.5 <= now < 1001.5:
            held.append(request)
            return
        for one in [*held, request]:
            peer.respond(one, 200)
        held.clear()

    async with playing(sip_network, answer), desk(sip_network, Workload.OPTIONS) as one:
        tally = await measured(one, rate=100)
    assert (tally.started, tally.good) == (200, 200)
    times = tally.times["OPTIONS to 200"]
    assert times.percentile(0.45) < 30_000
    waited = times.above(100_000)
    assert 80 <= waited <= 100, "who came in that second waited; a closed loop would have charged one of them"
    assert 950_000 <= times.greatest <= 1_100_000


def one_of(peer: Peer, request: Message, number: int) -> None:
    """Each second request is answered, the others in all the ways that are wrong."""
    if number % 2:
        peer.respond(request, 200)
    elif number % 8 == 0:
        peer.respond(request, 486)
    elif number % 8 == 2:
        peer.respond(request, 200)
        peer.respond(request, 200)
    elif number % 8 == 4:
        other = request.edit().set("Call-ID", "other").message()
        peer.flow.send(other.response(200, to_tag="x"))
    else:
        peer.flow.send(request.response(200))  # no tag


async def test_everything_is_counted_apart(sip_network: Network) -> None:
    async with playing(sip_network, one_of), desk(sip_network, Workload.OPTIONS) as one:
        tally = await measured(one, rate=40, seconds=4)
    assert tally.started == 160
    assert tally.failed == {"486 Busy Here": 20}
    assert (tally.good, tally.wrong, tally.repeated, tally.lost) == (100, 40, 20, 0)
    assert any("another Call-ID" in fault for fault in tally.faults)
    assert any("no To tag" in fault for fault in tally.faults)


async def test_lost_late_and_sent_again(sip_network: Network) -> None:
    loop = asyncio.get_running_loop()

    def answer(peer: Peer, request: Message, number: int) -> None:
        if request.call_id not in seen:
            seen.append(request.call_id)
        place = seen.index(request.call_id)
        if place % 3 == 0:
            peer.respond(request, 200)
        elif place % 3 == 1 and number >= 0:
            loop.call_later(3.0, peer.respond, request, 200)

    seen: list[str] = []
    async with playing(sip_network, answer), desk(sip_network, Workload.OPTIONS, patience=2.0) as one:
        tally = await measured(one, rate=15, seconds=2)
        assert (tally.started, tally.good, tally.lost) == (30, 10, 20)
        await asyncio.sleep(5)
        assert tally.late == 10
        assert tally.resent >= 20 * 2, "0.5, 1.5 and 3.5 s after the first"


async def test_a_challenge_is_answered_once_and_then_in_advance(sip_network: Network) -> None:
    def answer(peer: Peer, request: Message, number: int) -> None:
        if "Authorization" in request:
            assert "algorithm=SHA-256" in request["Authorization"]
            contact = ("Contact", f"{request['Contact']};expires=60")
            peer.respond(request, 200, fields=[contact], contact=False)
        else:
            md5, sha = (
                f'Digest realm="r", nonce="n{number}", qop="auth", algorithm={one}' for one in ("MD5", "SHA-256")
            )
            peer.respond(request, 401, fields=[("WWW-Authenticate", md5), ("WWW-Authenticate", sha)])

    for fresh, challenged in ((False, 10), (True, 40)):
        async with (
            playing(sip_network, answer),
            desk(sip_network, Workload.REGISTER, algorithm="SHA-256", is_fresh=fresh) as one,
        ):
            tally = await measured(one, rate=20)
        assert (tally.started, tally.good, tally.challenged) == (40, 40, challenged)


async def test_a_password_that_is_wrong(sip_network: Network) -> None:
    def answer(peer: Peer, request: Message, number: int) -> None:
        value = f'Digest realm="r", nonce="n{number}", qop="auth"'
        peer.respond(request, 401, fields=[("WWW-Authenticate", value)])

    async with playing(sip_network, answer), desk(sip_network, Workload.REGISTER) as one:
        tally = await measured(one, rate=5)
    assert (tally.good, tally.failed) == (0, {"401 Unauthorized": 10})


@pytest.mark.parametrize(
    ("contact", "fault"),
    [("<sip:other@192.0.2.1:5060>;expires=60", "not among the bindings"), ("{};expires=0", "has ended")],
)
async def test_a_registration_that_holds_nothing(sip_network: Network, contact: str, fault: str) -> None:
    def answer(peer: Peer, request: Message, number: int) -> None:
        peer.respond(request, 200, fields=[("Contact", contact.format(request["Contact"]))], contact=False)

    async with playing(sip_network, answer), desk(sip_network, Workload.REGISTER) as one:
        tally = await measured(one, rate=5)
    assert tally.wrong == 10
    assert fault in tally.faults[0]


async def test_a_body_that_is_changed_on_its_way(sip_network: Network) -> None:
    async with Server(sip_network, DOMAIN, HOST) as server, desk(sip_network, Workload.CALL) as one:
        await one.register_everybody()
        forward = server._forward

        def changing(request: Message, flow: Any) -> None:
            forward(request.edit().set_body(request.body.replace(b"PCMU", b"PCMX")).message(), flow)

        server._forward = changing  # type: ignore[method-assign]
        tally = await measured(one, rate=5)
    assert (tally.good, tally.failed) == (0, {"488 Not Acceptable Here": 10})
    assert "came changed" in tally.faults[0]


async def test_who_answers_in_the_place_of_our_callee(sip_network: Network) -> None:
    def answer(peer: Peer, request: Message, number: int) -> None:
        if request.method == "INVITE":
            peer.respond(request, 200, body=b"v=0\r\n")
        elif request.method != "ACK":
            peer.respond(request, 200)

    async with playing(sip_network, answer), desk(sip_network, Workload.CALL) as one:
        tally = await measured(one, rate=5)
    assert tally.wrong == 10
    assert "somebody else" in tally.faults[0]
    async with playing(sip_network, answer), desk(sip_network, Workload.CALL, to=["sip:echo@192.0.2.200"]) as one:
        tally = await measured(one, rate=5)
    assert (tally.good, tally.bad) == (10, 0)


async def test_calls_over_a_lossy_network(sip_network: Network) -> None:
    """Retransmissions repair it, and are told."""
    async with Server(sip_network, DOMAIN, HOST), desk(sip_network, Workload.CALL, patience=30.0) as one:
        await one.register_everybody()
        sip_network.loss = 0.1
        tally = await measured(one, rate=20, seconds=5)
    assert (tally.started, tally.good) == (100, 100)
    assert tally.resent > 20
    assert tally.repeated > 5


async def test_calls_that_ring_and_ring(sip_network: Network) -> None:
    async with Server(sip_network, DOMAIN, HOST), desk(sip_network, Workload.CALL, ring=3.0, patience=1.0) as one:
        await one.register_everybody()
        tally = await measured(one, rate=5)
        assert (tally.lost, tally.good) == (10, 0)
        await asyncio.sleep(10)
        assert tally.late >= 10
        assert not one.callees.calls, "a late 200 is acknowledged and its call ended"


async def test_requests_of_strangers(sip_network: Network) -> None:
    async with Peer(sip_network, "192.0.2.9") as stranger, desk(sip_network, Workload.CALL) as one:
        me = ("192.0.2.1", 5060)
        for method, status in (("INVITE", 480), ("MESSAGE", 480), ("BYE", 481), ("OPTIONS", 200), ("PUBLISH", 405)):
            stranger.request(method, me, call_id=method, to_tag="x" if method == "BYE" else None)
            await stranger.receive(status)
        assert one.tally.strays == 4


async def test_connections_that_are_cut(sip_network: Network) -> None:
    async with (
        Server(sip_network, DOMAIN, HOST) as server,
        desk(sip_network, Workload.REGISTER, transport="TCP") as one,
    ):
        running = asyncio.create_task(measured(one, rate=50, seconds=4))
        await asyncio.sleep(1)
        for flow in list(server._transports._flows.values()):
            flow.close()
        tally = await running
    assert set(tally.failed) == {"connection lost"}
    assert tally.good > 180, "it goes on by another connection"


async def test_news_add_up(sip_network: Network) -> None:
    async with Server(sip_network, DOMAIN, HOST), desk(sip_network, Workload.REGISTER) as one:
        running = asyncio.create_task(measured(one))
        told = []
        for _ in range(9):
            await asyncio.sleep(0.25)
            told.append(one.news())
        tally = await running
    assert sum(sum(news.times.values()) for news in told) == tally.good == told[-1].good
    assert [news.started for news in told] == sorted(news.started for news in told)


def invites(network: Network) -> list[Sent]:
    """Those of ours."""
    return [sent for sent in network.sent if sent.data.startswith(b"INVITE") and sent.source[0] == "192.0.2.1"]


async def test_it_is_told_to_end_in_the_middle(sip_network: Network) -> None:
    """Nothing more begins; calls that stand are hung up, bindings removed."""
    async with Server(sip_network, DOMAIN, HOST) as server, desk(sip_network, Workload.CALL, hold=1000.0) as one:
        await one.register_everybody()
        running = asyncio.create_task(one.run(Step(20, 100, one.now())))
        await asyncio.sleep(2)
        assert 35 < len(one.standing) <= 40
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        begun = len(invites(sip_network))
        await one.leave()
        await asyncio.sleep(5)
        assert len(invites(sip_network)) == begun
        assert not one.standing
        assert not one.callees.calls
        assert not any(server.bindings.values())
