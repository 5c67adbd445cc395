"""Requests that come: to which dialog, which handler, or which refusal. RFC 3261 §8.2, §12.2.2."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from dialplane.ua.call import Call, CallState
from dialplane.ua.dialog import Dialog, Event
from dialplane.ua.draft import SUPPORTED, new_tag
from dialplane.ua.errors import UserAgentError
from dialplane.ua.incoming import IncomingCall
from dialplane.ua.message import ReceivedMessage
from dialplane.ua.notifier import LEAST, IncomingSubscription, expires_of, handle, takes
from dialplane.ua.referral import refer
from dialplane.ua.transfer import Referral
from dialplane_native import DialplaneError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from dialplane.ua.agent import UserAgent
    from dialplane.ua.subscription import Subscription
    from dialplane.ua.transport import Flow
    from dialplane_native import Message
    from dialplane_native.transactions import Incoming

_log = logging.getLogger("dialplane.ua")
_WAITING = 64
"""Calls or messages that wait for a program that iterates over them; more are refused with 480."""
_MOST_WATCHERS = 10_000
"""Subscriptions of others at one time."""
_SUPPORTED = frozenset(tag.strip().lower() for tag in SUPPORTED.split(","))


class Dispatch:
    """The user of the transaction layer: RFC 3261 §5."""

    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self.dialogs: dict[tuple[str, str, str], Call] = {}
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        """Subscriptions of ours, by Call-ID and our tag: their dialogs are made by whoever notifies first."""
        self.watchers: dict[tuple[str, str, str], IncomingSubscription] = {}
        """Subscriptions of others, by their dialog."""
        self._ringing: dict[int, IncomingCall] = {}
        """Calls that are not answered yet, by their transaction."""
        self._calls: asyncio.Queue[IncomingCall | None] = asyncio.Queue(_WAITING)
        self._messages: asyncio.Queue[ReceivedMessage | None] = asyncio.Queue(_WAITING)
        self._listeners = {"calls": 0, "messages": 0}
        self._is_closing = False

    def close(self) -> None:
        """Nothing new is taken."""
        self._is_closing = True
        for queue in (self._calls, self._messages):
            if not queue.full():
                queue.put_nowait(None)

    async def calls(self) -> AsyncIterator[IncomingCall]:
        """Calls, one after the other, until the user agent closes."""
        self._listeners["calls"] += 1
        try:
            while (call := await self._calls.get()) is not None:
                if call.state is not CallState.ENDED:
                    yield call
        finally:
            self._listeners["calls"] -= 1

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        """Messages, one after the other, until the user agent closes."""
        self._listeners["messages"] += 1
        try:
            while (message := await self._messages.get()) is not None:
                yield message
        finally:
            self._listeners["messages"] -= 1

    def on_stray(self, message: Message, flow: Flow) -> None:
        """A response to nothing: dropped (RFC 6026 §8.1: a UAC that has forgotten the INVITE ignores its 2xx)."""

    def on_lost(self, flow: Flow) -> None:
        """A connection is gone."""
        for registration in self._agent.registrations:
            registration.on_lost(flow)

    def on_request(self, incoming: Incoming) -> None:
        """The steps of RFC 3261 §8.2, in their order."""
        message = incoming.message
        essentials = message.essentials()
        if essentials.to_tag is not None:
            self._within_dialog(incoming, (essentials.call_id, essentials.to_tag, essentials.from_tag or ""))
            return
        method = essentials.method
        if method == "ACK":
            return
        if incoming.is_merged:
            self._refuse(incoming, 482)
        elif method == "CANCEL":
            self._on_cancel(incoming)
        elif unknown := self._unsupported(message):
            self._refuse(incoming, 420, [("Unsupported", ", ".join(unknown))])
        elif method == "INVITE":
            self._on_invite(incoming)
        elif method == "MESSAGE":
            self.on_message(incoming, None)
        elif method == "OPTIONS":
            # §11.2: the status is what an INVITE would get.
            self._refuse(incoming, 486 if self._is_closing else 200, self._agent.capabilities())
        elif method == "REFER":
            self.on_refer(incoming, None)
        elif method in {"NOTIFY", "BYE", "PRACK", "UPDATE", "INFO"}:
            self._refuse(incoming, 481)
        elif method == "SUBSCRIBE":
            self._on_subscribe(incoming)
        else:
            self._refuse(incoming, 405, [("Allow", self._agent.allow)])

    def _within_dialog(self, incoming: Incoming, key: tuple[str, str, str]) -> None:
        """RFC 3261 §12.2.2."""
        message = incoming.message
        call = self.dialogs.get(key)
        method = message.method
        if call is None:
            subscription = self.subscriptions.get(key[:2]) if method == "NOTIFY" else None
            watcher = self.watchers.get(key) if method == "SUBSCRIBE" else None
            if subscription is not None:
                subscription.on_notify(incoming)
            elif watcher is not None:
                self._on_subscribe(incoming, watcher)
            elif method != "ACK":
                self._refuse(incoming, 481)
            return
        if method == "ACK":
            call.within.on_ack(message)
            return
        if method == "CANCEL":  # of a re-INVITE, which we answer at once
            self._refuse(incoming, 200 if incoming.invite is not None else 481)
            return
        dialog = call.dialog
        if method == "PRACK" and isinstance(call, IncomingCall):
            call.on_prack(incoming)
            return
        if dialog is not None and not dialog.accepts(message.cseq.number):
            self._refuse(incoming, 500, [("Retry-After", "0")])
        elif unknown := self._unsupported(message):
            self._refuse(incoming, 420, [("Unsupported", ", ".join(unknown))])
        elif dialog is None and isinstance(call, IncomingCall) and method == "BYE":
            # §15: the caller may end an early dialog by BYE; its INVITE is then answered 487.
            self._agent.endpoint.respond(incoming, 200)
            call.on_cancel(message)
        else:
            call.within.on_request(incoming)

    def _on_cancel(self, incoming: Incoming) -> None:
        """RFC 3261 §9.2."""
        call = self._ringing.get(incoming.invite) if incoming.invite is not None else None
        self._refuse(incoming, 200 if incoming.invite is not None else 481)
        if call is not None:
            call.on_cancel(incoming.message)

    def _on_invite(self, incoming: Incoming) -> None:
        message = incoming.message
        kind = (message.get("Content-Type") or "application/sdp").partition(";")[0].strip().lower()
        if message.body and kind != "application/sdp":
            self._refuse(incoming, 415, [("Accept", "application/sdp")])
            return
        replaces = None
        if "Replaces" in message:
            found = self._replaced(message["Replaces"])
            if isinstance(found, int):
                self._refuse(incoming, found)
                return
            replaces = found
        if self._agent.is_full:
            self._refuse(incoming, 503, [("Retry-After", "5")])
            return
        handler = self._agent.call_handler
        takes = handler is not None or (self._listeners["calls"] and not self._calls.full())
        if self._is_closing or not takes or incoming.id is None:
            self._refuse(incoming, 480)
            return
        call = IncomingCall(self._agent, incoming, replaces)
        self._agent.remember(call)
        self._ringing[incoming.id] = call
        number = incoming.id
        call.when_ended(lambda: self._ringing.pop(number, None))
        if handler is not None:
            self._agent.spawn(self._handle_call(call, handler(call)))
        else:
            self._calls.put_nowait(call)

    async def _handle_call(self, call: IncomingCall, handling: Awaitable[None]) -> None:
        """A handler that raises, or forgets to answer, does not leave the caller waiting."""
        try:
            await handling
        except UserAgentError as error:
            _log.info("a call: %s", error)
        except Exception:
            _log.exception("the handler of a call has failed")
            await self._reject(call, 500)
        else:
            await self._reject(call, 480)

    async def _reject(self, call: IncomingCall, code: int) -> None:
        if call.state in {CallState.CALLING, CallState.RINGING}:
            await call.reject(code)
        elif code >= 500:
            await call.hang_up()

    def _replaced(self, value: str) -> Call | int:
        """The call that an INVITE replaces, or the status that refuses it. RFC 3891 §3."""
        call_id, *rest = (part.strip() for part in value.split(";"))
        params = dict(part.partition("=")[::2] for part in rest)
        call = self.dialogs.get((call_id, params.get("to-tag", ""), params.get("from-tag", "")))
        if call is None:
            return 481
        if call.state is CallState.ENDED:
            return 603
        if call.state is CallState.UP:
            return 486 if "early-only" in params else call
        return call if not isinstance(call, IncomingCall) else 481

    def on_message(self, incoming: Incoming, call: Call | None) -> None:
        """MESSAGE. RFC 3428 §7."""
        message = ReceivedMessage(incoming.message, call)
        handler = self._agent.message_handler
        if handler is not None:
            self._agent.spawn(self._handle_message(incoming, handler(message)))
        elif self._listeners["messages"] and not self._messages.full():
            self._messages.put_nowait(message)
            self._refuse(incoming, 200)
        else:
            self._refuse(incoming, 480)

    async def _handle_message(self, incoming: Incoming, handling: Awaitable[None]) -> None:
        try:
            await handling
        except Exception:
            _log.exception("the handler of a message has failed")
            self._refuse(incoming, 500)
        else:
            self._refuse(incoming, 200)

    def _on_subscribe(self, incoming: Incoming, watcher: IncomingSubscription | None = None) -> None:
        """SUBSCRIBE, the first or within its dialog. RFC 6665 §4.2.1."""
        message = incoming.message
        event = (message.get("Event") or "").partition(";")[0].strip().lower()
        known = self._agent.subscription_handlers
        expires = expires_of(message)
        if event not in known or (watcher is not None and watcher.event != event):
            self._refuse(incoming, 489, [("Allow-Events", ", ".join(known))] if known else None)
        elif expires < 0:
            self._refuse(incoming, 423, [("Min-Expires", str(LEAST))])
        elif not takes(message, event):
            self._refuse(incoming, 406)
        elif watcher is not None:
            watcher.on_subscribe(incoming, expires)
        elif self._is_closing or len(self.watchers) >= _MOST_WATCHERS:
            self._refuse(incoming, 503, [("Retry-After", "60")])
        else:
            self._agent.spawn(handle(self._agent, IncomingSubscription(self._agent, incoming, event, expires)))

    def on_refer(self, incoming: Incoming, call: Call | None) -> None:
        """REFER: declined unless the program takes it. RFC 3515 §2.4.2."""
        handler = self._agent.transfer_handler
        try:
            referral = Referral(call, incoming.message)
        except DialplaneError:
            self._refuse(incoming, 400, reason="Bad Refer-To")
            return
        if handler is None or self._is_closing:
            self._refuse(incoming, 603)
            return
        dialog = call.dialog if call is not None else None
        if dialog is None:
            dialog = Dialog.of_request(incoming.message, new_tag())
            dialog.on_event(Event.SUCCESS)
        self._agent.spawn(refer(self._agent, incoming, referral, dialog, handler))

    def _unsupported(self, message: Message) -> list[str]:
        """Extensions that the request requires and we lack. RFC 3261 §8.2.2.3."""
        if "Require" not in message:
            return []
        return [tag for tag in message.elements("Require") if tag.lower() not in _SUPPORTED]

    def _refuse(
        self,
        incoming: Incoming,
        status: int,
        fields: list[tuple[str, str]] | None = None,
        reason: str | None = None,
    ) -> None:
        self._agent.endpoint.respond(incoming, status, reason, to_tag=new_tag(), fields=fields or [])
