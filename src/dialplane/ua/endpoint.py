"""Transactions over transports: who gets which message, and when timers fire. RFC 3261 §17, §18.

Decides nothing about calls. Owners of client transactions hear of their responses; requests go to the user.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dialplane.ua.transport.flow import Flow, FlowError
from dialplane_native import DialplaneError
from dialplane_native.transactions import Failure, Incoming, Reply, Send, Transactions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dialplane.ua.draft import Draft
    from dialplane.ua.transport import Transports
    from dialplane_native import Message
    from dialplane_native.transactions import _Action as Action

_log = logging.getLogger("dialplane.ua")


class Owner(Protocol):
    """Whoever began a client transaction."""

    def on_reply(self, message: Message, flow: Flow) -> None:
        """A response has come."""

    def on_failure(self, kind: str) -> None:
        """None will come: ``timeout`` or ``transport``."""


class User(Protocol):
    """Who answers requests."""

    def on_request(self, incoming: Incoming) -> None:
        """A request; ACK too."""

    def on_stray(self, message: Message, flow: Flow) -> None:
        """A response without a transaction: perhaps a late 2xx of a fork."""

    def on_lost(self, flow: Flow) -> None:
        """A connection is gone."""


class Endpoint:
    """The transactions of one user agent and their clock."""

    def __init__(self, transports: Transports, user: User, *, t1: float = 0.5) -> None:
        self.transports = transports
        self.t1 = t1
        self.watchers: list[Callable[[Literal["in", "out"], Flow, bytes], None]] = []
        self.dropped = 0
        """Requests for which there was no room."""
        self._user = user
        self._timer: asyncio.TimerHandle | None = None
        self._armed = float("inf")

    async def start(self) -> None:
        """Opens the transports."""
        self._loop = asyncio.get_running_loop()
        self.transactions = Transactions(
            now=self._loop.time(), secret=secrets.token_bytes(16), t1=self.t1, t2=max(4.0, self.t1)
        )
        await self.transports.start(self._on_message, self._on_lost)

    async def close(self) -> None:
        """Closes the transports; what waits for a response waits no more."""
        if self._timer is not None:
            self._timer.cancel()
        await self.transports.close()

    def request(self, draft: Draft, flow: Flow, owner: Owner) -> int:
        """Sends a request in a transaction of its own and gives its id."""
        now = self._loop.time()
        via = f"{flow.via};keep" if draft.offers_keep_alives else flow.via
        number, data = self.transactions.request(
            now, draft.encode(), via=via, flow=flow, reliable=flow.reliable, owner=owner
        )
        self.send(flow, data)
        self._arm()
        return number

    def acknowledge(self, draft: Draft, flow: Flow) -> bytes:
        """Sends an ACK for a 2xx and gives its octets, to be sent again with each retransmission of the 2xx."""
        data = self.transactions.stamp(draft.encode(), flow.via)
        self.send(flow, data)
        return data

    def cancel(self, number: int, flow: Flow, lines: bytes = b"") -> bool:
        """Sends CANCEL. ``False`` when the INVITE has had no provisional response yet, or has a final one."""
        data = self.transactions.cancel(self._loop.time(), number, lines=lines, owner=_NOBODY)
        if data is None:
            return False
        self.send(flow, data)
        self._arm()
        return True

    def respond(
        self,
        incoming: Incoming,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        fields: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> bytes | None:
        """Answers a request. ``None`` when it has been answered already."""
        if incoming.id is None:
            return None
        data = self.transactions.respond(
            self._loop.time(), incoming.id, status, reason, to_tag=to_tag, headers=list(fields), body=body or None
        )
        if data is not None:
            self.send(incoming.flow, data)
            self._arm()
        return data

    def send(self, flow: Flow, data: bytes) -> None:
        """Sends octets; a flow that fails is told to its transactions afterwards."""
        for watcher in self.watchers:
            watcher("out", flow, data)
        try:
            flow.send(data)
        except FlowError:
            self._loop.call_soon(self._on_lost, flow)

    def _on_message(self, message: Message, flow: Flow) -> None:
        for watcher in self.watchers:
            watcher("in", flow, message.raw)
        now = self._loop.time()
        try:
            actions = self.transactions.receive(now, message, flow=flow, reliable=flow.reliable, source=flow.remote)
        except OverflowError:
            self.dropped += 1
            return
        self._act(actions)

    def _on_lost(self, flow: Flow) -> None:
        self._act(self.transactions.fail(self._loop.time(), flow))
        self._user.on_lost(flow)

    def _on_time(self) -> None:
        self._timer, self._armed = None, float("inf")
        self._act(self.transactions.expire(self._loop.time()))

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            try:
                self._do(action)
            except DialplaneError as error:
                self._refuse(action, error)
            except Exception:
                # A fault in one call must not take the others with it.
                _log.exception("a message could not be handled")
        self._arm()

    def _refuse(self, action: Action, error: DialplaneError) -> None:
        """A field of a message cannot be read. RFC 3261 §8.2; a response that nobody understands is none (§8.1.3)."""
        _log.info("a message of the peer: %s", error)
        if isinstance(action, Incoming) and action.id is not None:
            self.respond(action, error.status or 400, str(error))

    def _do(self, action: Any) -> None:  # noqa: ANN401 - told apart by its type, which is quicker than a match
        kind = type(action)
        if kind is Send:
            self.send(action.flow, action.data)
        elif kind is Incoming:
            self._user.on_request(action)
        elif kind is Reply:
            if action.owner is None:
                self._user.on_stray(action.message, action.flow)
            else:
                action.owner.on_reply(action.message, action.flow)
        elif kind is Failure and action.owner is not None:
            action.owner.on_failure(action.kind)

    def _arm(self) -> None:
        deadline = self.transactions.next_deadline
        if deadline is not None and deadline < self._armed:
            if self._timer is not None:
                self._timer.cancel()
            self._armed = deadline
            # The wheel never fires early: a little later is surely late enough.
            self._timer = self._loop.call_at(deadline + 0.001, self._on_time)


class _Nobody:
    """Owner of a CANCEL: what becomes of it is seen at the INVITE."""

    def on_reply(self, message: Message, flow: Flow) -> None:
        pass

    def on_failure(self, kind: str) -> None:
        pass


_NOBODY = _Nobody()
