"""Requests on their way: the next hop, another address when one fails, credentials. RFC 3261 §8.1, §22; RFC 3263."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING

from dialplane.ua.errors import NegotiationError, NoAnswerError, UnreachableError, UserAgentError
from dialplane.ua.resolve import Hop, Resolver, hop_of, locate
from dialplane_native import DialplaneError, Uri, UriError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.ua.digest import Wallet
    from dialplane.ua.draft import Draft
    from dialplane.ua.endpoint import Endpoint
    from dialplane.ua.transport import Flow
    from dialplane_native import Message

_LARGE = 1300
"""RFC 3261 §18.1.1: above it, a request does not go as a datagram by itself."""
_TRIES = 4
"""How often one request is sent again with other credentials."""
_VIA_ROOM = 110


class Attempt:
    """One request in one transaction. The outcome is a response, or a :class:`UserAgentError`."""

    def __init__(self, endpoint: Endpoint, draft: Draft, flow: Flow) -> None:
        self.draft, self.flow = draft, flow
        self.outcome: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.on_provisional: Callable[[Message, Flow], None] | None = None
        self.on_answer: Callable[[Message, Attempt], None] | None = None
        """The first 2xx to INVITE, at once: what the peer sends next may be here already."""
        self.on_late: Callable[[Message, Flow], object] | None = None
        """A further 2xx to INVITE: a retransmission, or of another branch (RFC 3261 §13.2.2.4)."""
        self._endpoint = endpoint
        self._cancel: bytes | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.number = 0

    def send(self) -> None:
        """Sends it."""
        self.number = self._endpoint.request(self.draft, self.flow, self)

    def on_reply(self, message: Message, flow: Flow) -> None:
        """A response of this transaction."""
        status = message.status or 0
        if status < 200:
            self._try_cancel()
            if self.on_provisional is not None:
                self.on_provisional(message, flow)
        elif not self.outcome.done():
            self._end_patience()
            self._settle(message, status)
        elif self.on_late is not None and status < 300:
            self.on_late(message, flow)

    def _settle(self, message: Message, status: int) -> None:
        if self.on_answer is not None and status < 300:
            try:
                self.on_answer(message, self)
            except UserAgentError as error:
                self._fail(error)
                return
            except DialplaneError as error:
                self._fail(NegotiationError(f"the answer of the peer cannot be read: {error}"))
                return
        self.outcome.set_result(message)

    def _fail(self, error: UserAgentError) -> None:
        self.outcome.set_exception(error)
        self.outcome.exception()  # whoever waits still gets it; nobody may be waiting

    def on_failure(self, kind: str) -> None:
        """There will be no response."""
        self._end_patience()
        if self.outcome.done():
            return
        name = f"{self.draft.method} to {self.flow}"
        if kind == "timeout":
            seconds = 64 * self._endpoint.t1
            self._fail(NoAnswerError(f"{name} had no answer within {seconds:g} s: is a SIP server there?"))
        else:
            self._fail(UnreachableError(f"{name} could not be sent: the connection failed"))

    def cancel(self, lines: bytes = b"") -> None:
        """Cancels an INVITE, at once or as soon as that is allowed. RFC 3261 §9.1."""
        if self._cancel is None and not self.outcome.done():
            self._cancel = lines
            self._try_cancel()

    def _try_cancel(self) -> None:
        if self._cancel is None or self._patience is not None:
            return
        if self._endpoint.cancel(self.number, self.flow, self._cancel):
            # §9.1: without a final response after 64·T1 the INVITE counts as cancelled.
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(64 * self._endpoint.t1, self._give_up)

    def _give_up(self) -> None:
        self._endpoint.transactions.abandon(self.number)
        self.on_failure("timeout")

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()


class Client:
    """Sends requests for one account."""

    def __init__(self, endpoint: Endpoint, resolver: Resolver, wallet: Wallet) -> None:
        self.endpoint, self.resolver, self.wallet = endpoint, resolver, wallet

    async def perform(
        self,
        draft: Draft,
        *,
        flow: Flow | None = None,
        next_cseq: Callable[[], int] | None = None,
        started: Callable[[Attempt], None] | None = None,
    ) -> tuple[Message, Attempt]:
        """The final response to a request, and the attempt that got it.

        A challenge is answered, with a CSeq from ``next_cseq``. By a given ``flow`` and no other if there is one.
        ``started`` is told of every attempt before it is sent.
        """
        tries = _TRIES
        while True:
            draft.credentials = self.credentials(draft)
            response, attempt = await self._deliver(draft, flow, started)
            tries -= 1
            is_challenge = response.status in {401, 407} and self.wallet.take(response, peer_of(draft))
            if not is_challenge or not tries:
                return response, attempt
            draft = draft.again(draft.cseq + 1 if next_cseq is None else next_cseq())

    async def _deliver(
        self, draft: Draft, flow: Flow | None, started: Callable[[Attempt], None] | None
    ) -> tuple[Message, Attempt]:
        problem: UserAgentError | None = None
        refusal: tuple[Message, Attempt] | None = None
        ways: list[Flow] | list[Hop] = [flow] if flow is not None else await self.hops(draft.next_hop)
        for way in ways:
            try:
                attempt = Attempt(self.endpoint, draft, await self._flow(draft, way) if isinstance(way, Hop) else way)
                if started is not None:
                    started(attempt)
                attempt.send()
                response = await attempt.outcome
            except (NoAnswerError, UnreachableError) as error:
                problem = error
                continue
            if response.status != 503:
                return response, attempt
            refusal = response, attempt
        if refusal is not None:
            return refusal
        raise problem or UnreachableError(f"{draft.next_hop} has no address")

    async def _flow(self, draft: Draft, hop: Hop) -> Flow:
        """The flow to a hop; a large request goes by a connection, if one is taken. RFC 3261 §18.1.1."""
        if hop.transport == "UDP" and not hop.is_chosen and draft.is_larger_than(_LARGE - _VIA_ROOM):
            with contextlib.suppress(UnreachableError):
                return await self.endpoint.transports.connect(Hop("TCP", hop.host, hop.port, hop.name))
        return await self.flow_to(hop)

    def credentials(self, draft: Draft) -> list[tuple[str, str]]:
        """Credentials for whoever has asked for them before."""
        return self.wallet.fields(draft.method, draft.uri, draft.body, peer_of(draft)) if self.wallet.is_used else []

    async def first_flow(self, draft: Draft, otherwise: Flow) -> Flow:
        """The first way that can be gone."""
        try:
            return await self.flow_to((await self.hops(draft.next_hop))[0])
        except UnreachableError:
            return otherwise

    async def hops(self, uri: str) -> list[Hop]:
        """The hops of a URI."""
        hop = hop_of(uri)
        if hop is not None and hop.transport in self.endpoint.transports.supported:
            return [hop]
        try:
            return await locate(Uri(uri), self.resolver, self.endpoint.transports.supported)
        except UriError as error:
            raise UnreachableError(f"{uri!r} is no SIP URI: {error}") from error

    async def flow_to(self, hop: Hop) -> Flow:
        """The flow to a hop."""
        return self.endpoint.transports.flow_now(hop) or await self.endpoint.transports.connect(hop)

    def flow_now(self, uri: str) -> Flow | None:
        """The flow for a URI with a numeric host, if it takes no waiting."""
        hop = hop_of(uri)
        try:
            return None if hop is None else self.endpoint.transports.flow_now(hop)
        except UnreachableError:
            return None


def peer_of(draft: Draft) -> str:
    """Whom credentials are for: they are shown in advance only to whoever asked for them."""
    return _host_of(draft.next_hop)


@functools.lru_cache(maxsize=1024)
def _host_of(uri: str) -> str:
    try:
        return (Uri(uri).host or "").lower()
    except UriError:
        return ""
