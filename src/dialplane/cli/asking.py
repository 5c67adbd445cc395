"""``dialplane register``, ``message`` and ``options``."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dialplane.cli.output import out
from dialplane.cli.phone import Settings, View, perform, telephone
from dialplane.ua.errors import rejected

if TYPE_CHECKING:
    from dialplane.ua import UserAgent
    from dialplane_native import Message


@telephone()
def register(
    settings: Settings,
    account: Annotated[str, typer.Argument(help="The address to register: sip:alice@example.com.")],
    expires: Annotated[int, typer.Option(help="Seconds to ask for.")] = 600,
    once: Annotated[bool, typer.Option("--once", help="Remove the binding at once: only try.")] = False,
) -> None:
    """Register and stay registered until Ctrl-C."""

    async def work() -> None:
        agent = settings.agent(register=True, expires=expires)
        with View(agent, f"register {account}", trace=settings.trace) as view:
            async with agent:
                [registration] = agent.registrations
                view.say(f"registered for {registration.expires} s")
                while not once:
                    registration.changed.clear()
                    await registration.changed.wait()
                    problem = f": {registration.problem}" if registration.problem else ""
                    view.say(registration.state.value + problem)
            view.say("no longer registered")

    perform(work(), until_stopped=True)


@telephone()
def message(
    settings: Settings,
    uri: Annotated[str, typer.Argument(help="Whom to write to: sip:bob@example.com.")],
    text: Annotated[str | None, typer.Argument(help="The text; standard input without it.")] = None,
) -> None:
    """Send a message (RFC 3428). Exit status 0: it was taken."""
    words = sys.stdin.read() if text is None else text

    async def work() -> None:
        agent = settings.agent(register=False)
        with View(agent, f"message to {uri}", trace=settings.trace) as view:
            async with agent:
                view.say("sending")
                response = await agent.message(uri, words)
                view.say(f"{response.status} {response.reason}")

    perform(work())


@telephone()
def options(
    settings: Settings,
    uri: Annotated[str, typer.Argument(help="Whom to ask: sip:bob@example.com, sip:192.0.2.1.")],
    count: Annotated[int, typer.Option("--count", "-c", help="How often.")] = 1,
) -> None:
    """Ask a server or user agent what it can do: a ping. Exit status 0: it answered 2xx."""

    async def work() -> None:
        agent = settings.agent(register=False)
        with View(agent, f"options {uri}", trace=settings.trace):
            async with agent:
                response = await _ping(agent, uri)
                for _ in range(count - 1):
                    await asyncio.sleep(1)
                    response = await _ping(agent, uri)
        for name in ("Server", "User-Agent", "Allow", "Accept", "Supported"):
            if name in response:
                out.print(f"{name}: {', '.join(response.get_all(name))}", markup=False)
        if not 200 <= (response.status or 0) < 300:
            raise rejected(response, "OPTIONS")

    perform(work())


async def _ping(agent: UserAgent, uri: str) -> Message:
    began = time.perf_counter()
    response = await agent.options(uri)
    milliseconds = (time.perf_counter() - began) * 1000
    out.print(f"{response.status} {response.reason}  {milliseconds:.1f} ms", markup=False)
    return response
