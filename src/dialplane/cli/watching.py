"""``dialplane subscribe`` and ``publish``. RFC 6665, RFC 3903."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import typer

from dialplane.cli.output import out
from dialplane.cli.phone import Settings, View, perform, telephone
from dialplane.ua import NegotiationError, Notification, read_dialogs, read_presence, read_summary, write_presence


@telephone()
def subscribe(
    settings: Settings,
    uri: Annotated[str, typer.Argument(help="Whose state: sip:bob@example.com.")],
    event: Annotated[
        str, typer.Option("--event", "-e", help="Package: presence, message-summary, dialog or another.")
    ] = "presence",
    count: Annotated[int | None, typer.Option("--count", "-c", help="Stop after so many notifications.")] = None,
) -> None:
    """Show what becomes of somebody's state, until Ctrl-C."""

    async def work() -> None:
        agent = settings.agent(register=False)
        with View(agent, f"subscribe {uri}", trace=settings.trace) as view:
            async with agent, agent.subscribe(uri, event) as subscription:
                view.say(f"subscribed to {event} for {subscription.expires} s")
                seen = 0
                async for notification in subscription:
                    out.print(words(event, notification), markup=False)
                    seen += 1
                    if count is not None and seen >= count:
                        break

    perform(work(), until_stopped=True)


@telephone()
def publish(
    settings: Settings,
    account: Annotated[str, typer.Argument(help="Our address: sip:alice@example.com.")],
    note: Annotated[str, typer.Argument(help="What to say about it.")] = "",
    closed: Annotated[bool, typer.Option("--closed", help="Cannot be reached.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Take it back at once: only try.")] = False,
) -> None:
    """Publish our presence until Ctrl-C."""

    async def work() -> None:
        agent = settings.agent(register=False)
        body = write_presence(agent.aor, is_open=not closed, note=note)
        with View(agent, f"publish {account}", trace=settings.trace) as view:
            async with agent, agent.publish("presence", body) as publication:
                view.say(f"published for {publication.expires} s")
                if not once:
                    await asyncio.Event().wait()

    perform(work(), until_stopped=True)


def words(event: str, notification: Notification) -> str:
    """A notification in one line, or as it came where it cannot be read."""
    text = ""
    with contextlib.suppress(NegotiationError):
        if notification.body and event == "presence":
            presence = read_presence(notification.body)
            text = ("open" if presence.is_open else "closed") + (f": {presence.note}" if presence.note else "")
        elif notification.body and event == "message-summary":
            summary = read_summary(notification.body)
            counts = ", ".join(f"{new} new and {old} old {name}" for name, (new, old) in summary.counts.items())
            text = ("messages wait" if summary.is_waiting else "no messages") + (f": {counts}" if counts else "")
        elif notification.body and event == "dialog":
            dialogs = read_dialogs(notification.body).dialogs
            text = "; ".join(f"{one.state} {one.remote or ''}".strip() for one in dialogs) or "no dialogs"
    reason = f" ({notification.reason})" if notification.reason else ""
    return f"{notification.state}{reason}  {text or notification.body.decode('utf-8', 'replace')}".rstrip()
