"""Subscriptions of others to our state. RFC 6665 §4.2; packages in :mod:`dialplane.ua.packages`.

@ua.on_subscription("presence")
async def watch(subscription: IncomingSubscription) -> None:
    await subscription.accept(write_presence(ua.aor, is_open=True))
"""

from __future__ import annotations

import asyncio
import enum
import logging
from typing import TYPE_CHECKING

from dialplane.ua.dialog import Dialog
from dialplane.ua.dialog import Event as DialogEvent
from dialplane.ua.draft import new_tag
from dialplane.ua.errors import CallEndedError, MisuseError, NoAnswerError, UserAgentError, rejected
from dialplane.ua.packages import ACCEPT

if TYPE_CHECKING:
    from dialplane.ua.agent import UserAgent
    from dialplane.ua.client import Attempt
    from dialplane_native import Message
    from dialplane_native.transactions import Incoming

_log = logging.getLogger("dialplane.ua")

LEAST, USUAL, MOST = 60, 3600, 86400
"""Seconds of a subscription: less is refused with 423, without Expires it is the usual, more is cut."""


class WatchState(enum.Enum):
    """RFC 6665 §4.2.1, from the side of the notifier."""

    ASKED = "the program has not answered"
    PENDING = "accepted, but not yet allowed to see anything"
    ACTIVE = "notified of everything"
    TERMINATED = "over"


class WatchEvent(enum.Enum):
    """What happens to a subscription."""

    ACCEPT = "the program allows it"
    HOLD = "the program has yet to decide"
    END = "the program refuses or ends it"
    REFRESH = "SUBSCRIBE within the dialog"
    LEAVE = "SUBSCRIBE with Expires: 0"
    EXPIRE = "nobody refreshed it"
    GONE = "a NOTIFY was refused for good, or nobody answered it"


TABLE: dict[tuple[WatchState, WatchEvent], WatchState] = {
    (WatchState.ASKED, WatchEvent.ACCEPT): WatchState.ACTIVE,
    (WatchState.ASKED, WatchEvent.HOLD): WatchState.PENDING,
    (WatchState.ASKED, WatchEvent.END): WatchState.TERMINATED,
    (WatchState.ASKED, WatchEvent.REFRESH): WatchState.ASKED,  # nobody knows our tag yet
    (WatchState.ASKED, WatchEvent.LEAVE): WatchState.ASKED,
    (WatchState.ASKED, WatchEvent.EXPIRE): WatchState.ASKED,  # nothing is granted yet
    (WatchState.ASKED, WatchEvent.GONE): WatchState.ASKED,  # nothing is sent yet
    (WatchState.PENDING, WatchEvent.ACCEPT): WatchState.ACTIVE,
    (WatchState.PENDING, WatchEvent.HOLD): WatchState.PENDING,
    (WatchState.PENDING, WatchEvent.END): WatchState.TERMINATED,
    (WatchState.PENDING, WatchEvent.REFRESH): WatchState.PENDING,
    (WatchState.PENDING, WatchEvent.LEAVE): WatchState.TERMINATED,
    (WatchState.PENDING, WatchEvent.EXPIRE): WatchState.TERMINATED,
    (WatchState.PENDING, WatchEvent.GONE): WatchState.TERMINATED,
    (WatchState.ACTIVE, WatchEvent.ACCEPT): WatchState.ACTIVE,
    (WatchState.ACTIVE, WatchEvent.HOLD): WatchState.PENDING,  # a permission that was taken back
    (WatchState.ACTIVE, WatchEvent.END): WatchState.TERMINATED,
    (WatchState.ACTIVE, WatchEvent.REFRESH): WatchState.ACTIVE,
    (WatchState.ACTIVE, WatchEvent.LEAVE): WatchState.TERMINATED,
    (WatchState.ACTIVE, WatchEvent.EXPIRE): WatchState.TERMINATED,
    (WatchState.ACTIVE, WatchEvent.GONE): WatchState.TERMINATED,
    (WatchState.TERMINATED, WatchEvent.ACCEPT): WatchState.TERMINATED,
    (WatchState.TERMINATED, WatchEvent.HOLD): WatchState.TERMINATED,
    (WatchState.TERMINATED, WatchEvent.END): WatchState.TERMINATED,
    (WatchState.TERMINATED, WatchEvent.REFRESH): WatchState.TERMINATED,
    (WatchState.TERMINATED, WatchEvent.LEAVE): WatchState.TERMINATED,
    (WatchState.TERMINATED, WatchEvent.EXPIRE): WatchState.TERMINATED,
    (WatchState.TERMINATED, WatchEvent.GONE): WatchState.TERMINATED,
}

_FOR_GOOD = frozenset({404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})
"""RFC 6665 §4.2.2, RFC 5057 §5.1: responses to NOTIFY that end the subscription."""


class IncomingSubscription:
    """Somebody wants to hear of our state. One of :meth:`accept`, :meth:`hold` and :meth:`reject` is to follow."""

    def __init__(self, agent: UserAgent, incoming: Incoming, event: str, expires: int) -> None:
        message = incoming.message
        self.event = event
        """The package: ``presence``."""
        self.watcher = message.from_
        """Who asks."""
        self.uri = message.uri_text or ""
        """Whose state he wants."""
        self.request = message
        self.state = WatchState.ASKED
        self.reason = ""
        """Why it is over: ``timeout`` when the watcher has left or not refreshed it."""
        self.expires = expires
        """Seconds that were asked for; once accepted, granted."""
        self._agent, self._incoming = agent, incoming
        self._named = message["Event"]
        self._dialog = Dialog.of_request(message, new_tag())
        self._body, self._content_type = b"", ""
        self._busy = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._over = asyncio.Event()
        self._is_fetch = expires == 0
        self._is_told = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What a request within its dialog is found by."""
        return self._dialog.key

    async def accept(self, body: bytes = b"", *, content_type: str | None = None, expires: int | None = None) -> None:
        """Allows it and tells the state at once, whole. RFC 6665 §4.2.1.2.

        ``expires`` may be less than was asked for, never more.
        """
        self._learn(body, content_type)
        await self._answer(WatchEvent.ACCEPT, expires)

    async def hold(self, *, expires: int | None = None) -> None:
        """Takes it without a word about the state, until somebody decides: :meth:`accept` or :meth:`end`."""
        await self._answer(WatchEvent.HOLD, expires)

    async def reject(self, status: int = 403, reason: str | None = None) -> None:
        """Refuses it."""
        if self.state is not WatchState.ASKED:
            raise MisuseError("the subscription is answered already; end() ends it")
        if not 300 <= status < 700:
            raise MisuseError(f"{status} refuses nothing: 403 forbids, 404 knows no such user, 480 is for later")
        self._step(WatchEvent.END)
        self._agent.endpoint.respond(self._incoming, status, reason, to_tag=self._dialog.local_tag)
        self._close("rejected")

    async def notify(self, body: bytes, *, content_type: str | None = None) -> None:
        """Tells the state, whole, to a watcher who may see it. A refused NOTIFY ends the subscription, or raises."""
        if self.state is WatchState.TERMINATED:
            raise CallEndedError(f"the subscription is over: {self.reason}")
        if self.state is not WatchState.ACTIVE:
            raise MisuseError("the subscription is not accepted yet")
        self._learn(body, content_type)
        await self._notify()

    async def end(self, reason: str = "noresource", *, retry_after: int | None = None) -> None:
        """Ends it. RFC 6665 §4.1.3 has the reasons: ``deactivated`` and ``probation`` ask to subscribe again."""
        if self.state is WatchState.ASKED:
            await self.reject(403 if reason == "rejected" else 480)
        elif self.state is not WatchState.TERMINATED:
            self._step(WatchEvent.END)
            await self._last(reason, retry_after)

    async def wait_ended(self) -> None:
        """Until it is over."""
        await self._over.wait()

    def on_subscribe(self, incoming: Incoming, expires: int) -> None:
        """A refresh, or the end. RFC 6665 §4.2.1.4: a NOTIFY follows in any case."""
        message = incoming.message
        if not self._dialog.accepts(message.cseq.number):
            self._agent.endpoint.respond(incoming, 500)
            return
        self._dialog.refresh(message)
        self._step(WatchEvent.REFRESH if expires else WatchEvent.LEAVE)
        self.expires = min(expires, MOST)
        self._respond(incoming)
        if expires:
            self._arm()
            self._agent.spawn(self._notify())
        else:
            self._agent.spawn(self._last("timeout", None))

    def _learn(self, body: bytes, content_type: str | None) -> None:
        self._body = body
        self._content_type = content_type or ACCEPT.get(self.event, "application/octet-stream")

    async def _answer(self, event: WatchEvent, expires: int | None) -> None:
        if self.state is WatchState.TERMINATED:
            raise CallEndedError(f"the subscription is over: {self.reason}")
        was_asked = self.state is WatchState.ASKED
        self._step(event)
        if was_asked:
            if expires is not None and not self._is_fetch:
                self.expires = max(1, min(expires, self.expires))
            self._dialog.on_event(DialogEvent.SUCCESS)
            self._agent.dispatch.watchers[self.key] = self
            self._respond(self._incoming)
        if self._is_fetch:
            # RFC 6665 §4.4.3: asked once, told once.
            self._is_told = self.state is WatchState.ACTIVE
            self._step(WatchEvent.EXPIRE)
            await self._last("timeout", None)
            return
        if was_asked:
            self._arm()
        await self._notify()

    def _respond(self, incoming: Incoming) -> None:
        fields = [("Record-Route", value) for value in incoming.message.get_all("Record-Route")]
        fields += [("Contact", self._agent.contact(incoming.flow)), ("Expires", str(self.expires))]
        self._agent.endpoint.respond(incoming, 200, to_tag=self._dialog.local_tag, fields=fields)

    def _step(self, event: WatchEvent) -> None:
        self.state = TABLE[self.state, event]

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        self._until = loop.time() + self.expires
        self._timer = loop.call_at(self._until, self._expire)

    def _expire(self) -> None:
        self._step(WatchEvent.EXPIRE)
        self._agent.spawn(self._last("timeout", None))

    async def _notify(self) -> None:
        async with self._busy:
            if self.state is WatchState.TERMINATED:
                return  # the last word has been said meanwhile
            left = max(round(self._until - asyncio.get_running_loop().time()), 0)
            await self._send(f"{self.state.name.lower()};expires={left}")

    async def _last(self, reason: str, retry_after: int | None) -> None:
        """The NOTIFY that ends it, with the state as it is for who may see it."""
        after = f";retry-after={retry_after}" if retry_after is not None else ""
        self._forget()
        try:
            async with self._busy:
                await self._send(f"terminated;reason={reason}{after}")
        except UserAgentError as error:
            _log.info("the end of a subscription: %s", error)
        finally:
            self._close(reason)

    async def _send(self, state: str) -> None:
        agent, dialog = self._agent, self._dialog
        # Who may not see the state is not told it with the last word either.
        self._is_told = state.startswith("active") or (self._is_told and not state.startswith("pending"))
        draft = dialog.draft(
            "NOTIFY",
            fields=[("Event", self._named), ("Subscription-State", state)],
            body=self._body if self._is_told else b"",
            content_type=self._content_type,
        )

        def next_cseq() -> int:
            dialog.local_cseq += 1
            return dialog.local_cseq

        def started(attempt: Attempt) -> None:
            attempt.draft.contact = agent.contact(attempt.flow)

        flow = self._incoming.flow
        # Who came by a connection is told by it: behind a NAT or WebSocket there is no other way (RFC 5626, RFC 7118).
        way = flow if flow.reliable and getattr(flow, "is_open", True) else agent.client.flow_now(dialog.next_hop)
        try:
            response, _ = await agent.client.perform(draft, flow=way, next_cseq=next_cseq, started=started)
        except NoAnswerError:
            self._gone("timeout")
            raise
        status = response.status or 0
        if status in _FOR_GOOD:
            self._gone("noresource")
        if not 200 <= status < 300:
            raise rejected(response, "NOTIFY")
        dialog.refresh(response)

    def _gone(self, reason: str) -> None:
        self._step(WatchEvent.GONE)
        self._close(reason)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._agent.dispatch.watchers.pop(self.key, None)

    def _close(self, reason: str) -> None:
        self._forget()
        if not self._over.is_set():
            self.reason = reason
            self._dialog.on_event(DialogEvent.BYE)
            self._over.set()


def expires_of(message: Message) -> int:
    """Seconds that a SUBSCRIBE asks for; -1 when they are too few (RFC 6665 §4.2.1.1)."""
    asked = USUAL if message.expires is None else message.expires
    return -1 if 0 < asked < LEAST else min(asked, MOST)


def takes(message: Message, event: str) -> bool:
    """Whether the watcher understands the body type of a package. RFC 6665 §3.1.3: without Accept, he does."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in message.elements("Accept")]
    return not kinds or event not in ACCEPT or not {ACCEPT[event], "*/*", "application/*"}.isdisjoint(kinds)


async def handle(agent: UserAgent, subscription: IncomingSubscription) -> None:
    """Asks the program; one that raises, or forgets to answer, does not leave the watcher waiting."""
    handler = agent.subscription_handlers[subscription.event]
    status = 480
    try:
        await handler(subscription)
    except UserAgentError as error:
        _log.info("a subscription: %s", error)
    except Exception:
        _log.exception("the handler of a subscription has failed")
        status = 500
    if subscription.state is WatchState.ASKED:
        await subscription.reject(status)
