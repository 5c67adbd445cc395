"""Subscriptions of ours. RFC 6665 §4.1; packages in :mod:`dialplane.ua.packages`.

async with ua.subscribe("sip:bob@example.com", "presence") as subscription:
async for notification in subscription:
...
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Self

import msgspec

from dialplane.ua.dialog import Dialog, Event
from dialplane.ua.draft import Draft, Fields, new_call_id, new_tag
from dialplane.ua.errors import CallEndedError, RejectedError, UserAgentError, rejected
from dialplane.ua.packages import ACCEPT

if TYPE_CHECKING:
    from types import TracebackType

    from dialplane.ua.agent import UserAgent
    from dialplane.ua.client import Attempt
    from dialplane_native import Message
    from dialplane_native.transactions import Incoming

_log = logging.getLogger("dialplane.ua")

_WAITING = 64
_AGAIN_AT_ONCE = frozenset({"deactivated", "timeout"})
_AGAIN_LATER = frozenset({"probation", "giveup", ""})
"""RFC 6665 §4.1.3; after any other reason it would be in vain."""


class Notification(msgspec.Struct, frozen=True):
    """What a notifier has told."""

    state: str
    """``active``, ``pending`` or ``terminated``."""
    reason: str
    """Why it is terminated."""
    content_type: str
    body: bytes


class SubscriptionEndedError(CallEndedError):
    """The notifier has ended the subscription for good."""


class Subscription:
    """One subscription, refreshed until it is left."""

    def __init__(self, agent: UserAgent, uri: str, event: str, *, expires: int, accept: str, fields: Fields) -> None:
        self.uri, self.event = uri, event
        self.expires = expires
        """Seconds that were granted last, or are asked for."""
        self.latest: Notification | None = None
        self._agent = agent
        self._wanted = expires
        self._fields = [("Event", event), ("Accept", accept), *fields]
        self._waiting: asyncio.Queue[Notification | None] = asyncio.Queue(_WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._is_leaving = False
        self.problem: UserAgentError | None = None
        self._begin()

    def _begin(self) -> None:
        """A dialog of its own for each try."""
        self.call_id, self.tag = new_call_id(), new_tag()
        self._dialog: Dialog | None = None
        self._cseq = 0
        self._agent.dispatch.subscriptions[self.call_id, self.tag] = self

    async def __aenter__(self) -> Self:
        try:
            await self._subscribe(self._wanted)
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notification:
        found = await self._waiting.get()
        if found is None:
            self._waiting.put_nowait(None)
            if self.problem is not None:
                raise self.problem
            raise StopAsyncIteration
        return found

    async def leave(self) -> None:
        """Ends the subscription and waits a moment for the last notification. RFC 6665 §4.1.2.3."""
        self._is_leaving = True
        if not self._over.is_set() and self._dialog is not None:
            with contextlib.suppress(UserAgentError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._subscribe(0)
                    await self._over.wait()
        self._end()

    def on_notify(self, incoming: Incoming) -> None:
        """News. RFC 6665 §4.1.3; the first NOTIFY makes the dialog (§4.4.1), and may come before the 2xx."""
        message, respond = incoming.message, self._agent.endpoint.respond
        package = (message.get("Event") or "").partition(";")[0].strip()
        wanted = self.event.partition(";")[0].strip()
        state = message.get("Subscription-State")
        if package.lower() != wanted.lower():
            respond(incoming, 489, fields=[("Allow-Events", wanted)])
            return
        if state is None:
            respond(incoming, 400, "Subscription-State is missing")
            return
        tag = message.from_.tag or ""
        if self._dialog is None:
            self._dialog = Dialog.of_request(message, self.tag)
            self._dialog.local, self._dialog.local_cseq = self._local(), self._cseq
            self._dialog.on_event(Event.SUCCESS)
        elif self._dialog.remote_tag != tag:
            respond(incoming, 481)  # another fork: one notifier is enough
            return
        if not self._dialog.accepts(message.cseq.number):
            respond(incoming, 500)
            return
        self._dialog.refresh(message)
        respond(incoming, 200, fields=[("Contact", self._agent.contact(incoming.flow))])
        self._take(message, state)

    def _take(self, message: Message, state: str) -> None:
        name, *rest = (part.strip() for part in state.split(";"))
        params = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in rest)}
        told = Notification(name.lower(), params.get("reason", ""), message.get("Content-Type") or "", message.body)
        self.latest = told
        if self._waiting.full():
            self._waiting.get_nowait()  # what is old is of less worth
        self._waiting.put_nowait(told)
        if told.state == "terminated":
            self._terminated(told.reason.lower(), params.get("retry-after", ""))
        elif (seconds := params.get("expires", "")).isdecimal():
            self._granted(int(seconds))

    def _terminated(self, reason: str, after: str) -> None:
        self._over.set()
        self._forget()
        if self._is_leaving:
            return
        if reason in _AGAIN_AT_ONCE:
            self._later(0.0)
        elif reason in _AGAIN_LATER:
            self._later(float(after) if after.isdecimal() else random.uniform(30, 60))
        else:
            self._fail(SubscriptionEndedError(f"{self.uri} has ended the subscription: {reason}"))

    def _local(self) -> str:
        return self._agent.draft("SUBSCRIBE", self.uri, self.call_id, self.tag, 1).from_

    async def _subscribe(self, expires: int) -> None:
        """One SUBSCRIBE, the first or a refresh. RFC 6665 §4.1.2."""
        fields = [*self._fields, ("Expires", str(expires))]
        dialog = self._dialog
        if dialog is None:
            self._cseq += 1
            draft = self._agent.draft("SUBSCRIBE", self.uri, self.call_id, self.tag, self._cseq, fields=fields)
        else:
            draft = dialog.draft("SUBSCRIBE", fields=fields)
        response, _ = await self._perform(draft)
        status = response.status or 0
        least = (response.get("Min-Expires") or "").strip()
        if status == 423 and least.isdecimal() and int(least) > expires > 0:
            self._wanted = int(least)
            await self._subscribe(self._wanted)
            return
        if not 200 <= status < 300:
            raise rejected(response, "SUBSCRIBE")
        granted = response.expires
        self._granted(min(granted, expires) if granted is not None else expires)

    async def _perform(self, draft: Draft) -> tuple[Message, Attempt]:
        def started(attempt: Attempt) -> None:
            attempt.draft.contact = self._agent.contact(attempt.flow)
            self._cseq = attempt.draft.cseq
            if self._dialog is not None:
                self._dialog.local_cseq = attempt.draft.cseq

        return await self._agent.client.perform(draft, started=started)

    def _granted(self, seconds: int) -> None:
        if seconds > 0 and not self._is_leaving:
            self.expires = seconds
            self._later(seconds * 0.85)

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, lambda: self._agent.spawn(self._refresh()))

    async def _refresh(self) -> None:
        """Refreshes, or begins anew when the notifier has forgotten us. RFC 6665 §4.1.2.2."""
        if self._over.is_set():
            self._over.clear()
            self._begin()
        try:
            await self._subscribe(self._wanted)
        except RejectedError as error:
            if error.code == 481 and self._dialog is not None:
                self._forget()
                self._begin()
                self._later(0)
            elif error.code in {404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604, 401, 403, 407}:
                self._fail(error)
            else:
                self._later(random.uniform(30, 60))
        except UserAgentError as error:
            _log.warning("%s: %s; tried again in a minute", self.uri, error)
            self._forget()
            self._begin()
            self._later(random.uniform(30, 60))

    def _fail(self, error: UserAgentError) -> None:
        self.problem = error
        self._end()

    def _forget(self) -> None:
        self._agent.dispatch.subscriptions.pop((self.call_id, self.tag), None)

    def _end(self) -> None:
        self._forget()
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)


def accept_of(event: str) -> str:
    """Body types of a package."""
    return ACCEPT.get(event.partition(";")[0].strip().lower(), "*/*")
