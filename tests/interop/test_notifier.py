"""baresip watches our user agent: presence and voice messages. RFC 3856, RFC 3842."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from dialplane.ua import IncomingSubscription, MessageSummary, UserAgent, WatchState, write_presence, write_summary

from .namespace import HOSTS
from .softphone import watching_baresip
from .subject import Rule, Server, Setup

US = "sip:alice@example.org"


def test_baresip_watches_us(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    """Through the server, which sends subscriptions to us: it shows what it is told, and what has changed."""
    us = f"sip:{HOSTS['alice']}:5060"
    serve(Setup(rules=(Rule(methods=("SUBSCRIBE",), forward=us),)))

    async def work() -> None:
        taken: dict[str, IncomingSubscription] = {}
        both = asyncio.Event()
        agent = UserAgent(US, host=HOSTS["alice"], port=5060)

        @agent.on_subscription("presence", "message-summary")
        async def take(subscription: IncomingSubscription) -> None:
            first = {
                "presence": write_presence(US, is_open=True),
                "message-summary": write_summary(MessageSummary(True, US, {"voice-message": (3, 1)})),
            }
            await subscription.accept(first[subscription.event])
            taken[subscription.event] = subscription
            if len(taken) == 2:
                both.set()

        async with agent:
            with watching_baresip("bob", "builder", US, tmp_path) as bob:
                async with asyncio.timeout(30):
                    await both.wait()
                    assert taken["presence"].uri == US
                    assert taken["message-summary"].watcher.uri.user == "bob"
                    await asyncio.to_thread(bob.wait_for, r"Voice-Message: 3/1", seconds=10)
                    await taken["presence"].notify(write_presence(US, is_open=False))
                    await asyncio.to_thread(bob.wait_for, r"changed status from .*Online.* to .*Offline", seconds=10)
                    changed = MessageSummary(False, US, {"voice-message": (0, 4)})
                    await taken["message-summary"].notify(write_summary(changed))
                    await asyncio.to_thread(bob.wait_for, r"Voice-Message: 0/4", seconds=10)
                    assert {one.state for one in taken.values()} == {WatchState.ACTIVE}
                    await asyncio.to_thread(bob.stop)
                    await taken["presence"].wait_ended()
                    assert taken["presence"].reason == "timeout", "it has said good-bye"

    asyncio.run(work())
