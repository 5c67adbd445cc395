"""Transfers between three user agents. RFC 3515, RFC 3891, RFC 5589."""

from __future__ import annotations

import pytest

from dialplane.testing import DESCRIPTION, Network
from dialplane.ua import (
    CallState,
    Description,
    IncomingCall,
    MisuseError,
    ReceivedMessage,
    Referral,
    RejectedError,
    Transferred,
    UserAgent,
)


def agents(network: Network, *names: str) -> list[UserAgent]:
    hosts = {name: f"192.0.2.{number}" for number, name in enumerate(names, 1)}
    return [
        UserAgent(f"sip:{name}@{host}", transports=network.transports(host), resolver=network)
        for name, host in hosts.items()
    ]


def answering(agent: UserAgent) -> list[IncomingCall]:
    calls: list[IncomingCall] = []

    @agent.on_call
    async def answer(call: IncomingCall) -> None:
        calls.append(call)
        await call.answer(DESCRIPTION)
        await call.wait_ended()

    return calls


def obliging(agent: UserAgent) -> list[Referral]:
    referrals: list[Referral] = []

    @agent.on_transfer
    async def agree(referral: Referral) -> bool:
        referral.media = Description(DESCRIPTION)
        referrals.append(referral)
        return True

    return referrals


async def test_blind(sip_network: Network) -> None:
    alice, bob, carol = agents(sip_network, "alice", "bob", "carol")
    async with alice, bob, carol:
        answering(bob)
        to_carol = answering(carol)
        referrals = obliging(bob)
        call = await alice.call("sip:bob@192.0.2.2", media=DESCRIPTION)
        await call.transfer("sip:carol@192.0.2.3")
        assert call.state is CallState.ENDED
        assert [event.code async for event in call.events() if isinstance(event, Transferred)] == [100, 200]
        new = await referrals[0].new_call
        assert (new.state, to_carol[0].state) == (CallState.UP, CallState.UP)
        assert to_carol[0].request_message["Referred-By"] == "<sip:alice@192.0.2.1>"
        await new.hang_up()


async def test_attended(sip_network: Network) -> None:
    """Alice has bob and carol and brings them together: bob's new call takes the place of hers with carol."""
    alice, bob, carol = agents(sip_network, "alice", "bob", "carol")
    async with alice, bob, carol:
        answering(bob)
        to_carol = answering(carol)
        referrals = obliging(bob)
        to_bob = await alice.call("sip:bob@192.0.2.2", media=DESCRIPTION)
        await to_bob.hold()
        consultation = await alice.call("sip:carol@192.0.2.3", media=DESCRIPTION)
        await to_bob.transfer(consultation)
        assert to_bob.state is CallState.ENDED
        assert (await consultation.wait_ended()).by == "peer"
        new = await referrals[0].new_call
        assert to_carol[1].replaces is to_carol[0]
        assert (new.state, to_carol[1].state) == (CallState.UP, CallState.UP)


async def test_one_that_fails_leaves_the_call(sip_network: Network) -> None:
    alice, bob, carol = agents(sip_network, "alice", "bob", "carol")
    async with alice, bob, carol:
        answering(bob)
        call = await alice.call("sip:bob@192.0.2.2", media=DESCRIPTION)
        with pytest.raises(RejectedError) as caught:
            await call.transfer("sip:carol@192.0.2.3")
        assert caught.value.code == 603, "nobody has allowed it"
        obliging(bob)
        with pytest.raises(RejectedError) as caught:
            await call.transfer("sip:carol@192.0.2.3")
        assert caught.value.code == 480, "carol takes no calls"
        assert call.state is CallState.UP
        with pytest.raises(MisuseError):
            await call.transfer(alice.call("sip:carol@192.0.2.3", media=DESCRIPTION))


async def test_messages_in_and_out_of_a_call(sip_network: Network) -> None:
    alice, bob = agents(sip_network, "alice", "bob")
    async with alice, bob:
        seen: list[tuple[str, bool]] = []

        @bob.on_message
        async def on_message(message: ReceivedMessage) -> None:
            seen.append((message.text, message.call is not None))
            if message.text == "break":
                raise ValueError("a fault of the program")

        calls = answering(bob)
        await alice.message("sip:bob@192.0.2.2", "grüß dich")
        call = await alice.call("sip:bob@192.0.2.2", media=DESCRIPTION)
        await call.request("MESSAGE", body=b"inside")
        assert calls[0].state is CallState.UP
        with pytest.raises(RejectedError) as caught:
            await alice.message("sip:bob@192.0.2.2", "break")
        assert caught.value.code == 500
        assert seen == [("grüß dich", False), ("inside", True), ("break", False)]
