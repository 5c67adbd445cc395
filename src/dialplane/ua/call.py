"""A call: an INVITE session within its dialog, whoever began it. RFC 3261 §13 to §15; RFC 3311, 4028, 3515.

How it comes to be is in :mod:`dialplane.ua.outgoing` and :mod:`dialplane.ua.incoming`; requests of the peer are
taken in :mod:`dialplane.ua.within`.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import random
from collections import deque
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from dialplane.errors import DialplaneError
from dialplane.ua import offeranswer
from dialplane.ua.dialog import Dialog, Event
from dialplane.ua.errors import (
    CallEndedError,
    MisuseError,
    NegotiationError,
    NoAnswerError,
    UserAgentError,
    rejected,
)
from dialplane.ua.events import Answered, CallEvent, Ended
from dialplane.ua.offeranswer import OfferAnswer
from dialplane.ua.sessiontimer import LEAST, SessionTimer, interval_of
from dialplane.ua.transfer import Transfer
from dialplane.ua.within import Within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from dialplane.ua.agent import UserAgent
    from dialplane.ua.client import Attempt
    from dialplane.ua.draft import Draft, Fields
    from dialplane.ua.media import Media
    from dialplane.ua.transport import Flow
    from dialplane_native import Message

_T = TypeVar("_T")
_KEPT_EVENTS = 256
_GLARE_TRIES = 5


class CallState(enum.Enum):
    """Where a call is."""

    CALLING = "calling"
    RINGING = "ringing"
    UP = "up"
    ENDED = "ended"


class Call:
    """One call. ``async with call:`` hangs up at the end."""

    def __init__(self, agent: UserAgent, media: Media | None) -> None:
        self.agent = agent
        self.media = media
        self.state = CallState.CALLING
        self.dialog: Dialog | None = None
        self.exchange = OfferAnswer()
        self.remote_description: bytes | None = None
        """What the peer described last."""
        self.is_held = False
        """Whether we have put the call on hold."""
        self.peer_allows: frozenset[str] = frozenset()
        self.peer_supports: frozenset[str] = frozenset()
        self.flow: Flow | None = None
        self.is_sips = False
        """Whether every hop must be secure. RFC 3261 §26.2.2."""
        self._client = agent.client
        self._endpoint = agent.endpoint
        self._events: deque[CallEvent] = deque(maxlen=_KEPT_EVENTS)
        self._news = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ended] = loop.create_future()
        self._changing = asyncio.Lock()
        self._acks: dict[tuple[int, str], tuple[bytes, Flow]] = {}
        self.timer = SessionTimer(refresh=self._refresh, expire=self._expire)
        self.within = Within(self)
        self.transfer_under_way: Transfer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    # What the program asks for.

    async def hang_up(self, *, reason: str | None = None) -> None:
        """Ends the call; nothing happens when it is over. ``reason`` is the value of a Reason header (RFC 3326)."""
        if self.state is not CallState.UP or self.dialog is None:
            return
        fields = [("Reason", reason)] if reason else []
        dialog = self.dialog
        await self.within.wait_acknowledged()  # §15: the callee says BYE only after the ACK
        if self._ended.done():
            return
        draft = dialog.draft("BYE", fields=fields)
        self.end(Ended("us"))
        # Whatever the answer is, and if there is none: the call is over (§15.1.1).
        with contextlib.suppress(UserAgentError):
            await self._perform(draft, dialog)

    async def hold(self) -> None:
        """Asks the peer to be silent. RFC 3264 §8.4."""
        await self._set_hold(on=True)

    async def resume(self) -> None:
        """Ends :meth:`hold`."""
        await self._set_hold(on=False)

    async def _set_hold(self, *, on: bool) -> None:
        media = self._media()
        if self.is_held == on:
            return
        media.hold(on)
        try:
            await self.renegotiate()
        except UserAgentError:
            media.hold(not on)
            raise
        self.is_held = on

    async def renegotiate(self, media: Media | None = None) -> None:
        """Offers what the media are now, or other ``media``, in a re-INVITE. RFC 3261 §14.1.

        Both sides at the same time is a glare: after a pause it is tried again.
        """
        before, self.media = self.media, media or self.media
        try:
            async with self._changing:
                for _ in range(_GLARE_TRIES):
                    if await self._offer():
                        return
                    await asyncio.sleep(self._glare_pause())
        except BaseException:
            self.media = before
            raise
        self.media = before
        raise NoAnswerError("the peer changes the session all the time: five tries met a change of its own")

    async def transfer(self, target: str | Call, *, seconds: float = 60.0) -> None:
        """Hands the peer over to ``target``: an address, or another call of ours (attended, RFC 3891).

        Returns when the peer says that the new call is up; our call is then hung up. Raises :class:`RejectedError` or
        another :class:`UserAgentError` when it does not come about: our call goes on.
        """
        self._require_up()
        await Transfer(self).run(target, seconds)
        await self.hang_up()

    async def send_digits(self, digits: str, *, milliseconds: int = 160) -> None:
        """DTMF in INFO requests (``application/dtmf-relay``); the media send them as RFC 4733 has it."""
        for digit in digits:
            if digit not in "0123456789*#ABCDabcd":
                raise MisuseError(f"{digit!r} is no DTMF digit: 0 to 9, *, #, A to D")
            body = f"Signal={digit.upper()}\r\nDuration={milliseconds}\r\n".encode()
            await self.request("INFO", body=body, content_type="application/dtmf-relay")

    async def request(
        self, method: str, *, fields: Fields = (), body: bytes = b"", content_type: str = "text/plain"
    ) -> Message:
        """Any request within the call; gives the 2xx. INVITE, UPDATE and BYE have methods of their own."""
        dialog = self._require_up()
        draft = dialog.draft(method, contact=self.contact(), fields=fields, body=body, content_type=content_type)
        response, _ = await self._perform(draft, dialog)
        if not 200 <= (response.status or 0) < 300:
            raise rejected(response, method)
        return response

    async def wait_ended(self) -> Ended:
        """Until the call is over."""
        return await asyncio.shield(self._ended)

    def when_ended(self, work: Callable[[], object]) -> None:
        """Does something when the call is over."""
        self._ended.add_done_callback(lambda _: work())

    async def events(self) -> AsyncIterator[CallEvent]:
        """What happens, from the beginning, until the call is over. For one reader."""
        while True:
            while self._events:
                event = self._events.popleft()
                yield event
                if isinstance(event, Ended):
                    return
            self._news.clear()
            await self._news.wait()

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.dialog.call_id if self.dialog is not None else ""

    # What its parts use.

    def tell(self, event: CallEvent) -> None:
        """Puts an event before the program."""
        self._events.append(event)
        self._news.set()

    def contact(self, flow: Flow | None = None) -> str:
        """The Contact by which the peer reaches us."""
        flow = flow or self.flow
        return self.agent.contact(flow, is_sips=self.is_sips) if flow is not None else ""

    def is_up(self, dialog: Dialog, flow: Flow) -> None:
        """The call is answered."""
        self.dialog, self.flow = dialog, flow
        self.state = CallState.UP
        self.agent.add_dialog(dialog, self)
        self.tell(Answered())

    def end(self, ended: Ended) -> None:
        """The call is over; once."""
        if self._ended.done():
            return
        self.state = CallState.ENDED
        self.timer.stop()
        self.within.close()
        if self.transfer_under_way is not None:
            self.transfer_under_way.on_call_ended()
        if self.dialog is not None:
            self.dialog.on_event(Event.BYE)
            self.agent.remove_dialog(self.dialog)
        if self.media is not None:
            self.media.close()
        self._ended.set_result(ended)
        self.tell(ended)
        self.agent.forget(self)

    def accept(self, answer: bytes) -> None:
        """Takes an answer to our offer. Raises :class:`NegotiationError`."""
        if self.exchange.on_event(offeranswer.Event.RECEIVE_ANSWER) is None:
            self.remote_description = answer
            _fitting(self._media().accept, answer)

    def take_offer(self, offer: bytes) -> bytes:
        """The answer to an offer that was taken note of. Raises :class:`NegotiationError`."""
        try:
            answer = _fitting(self._media().answer, offer)
        except NegotiationError:
            self.exchange.on_event(offeranswer.Event.REFUSE)
            raise
        self.exchange.on_event(offeranswer.Event.SEND_ANSWER)
        self.remote_description = offer
        return answer

    def acknowledge(self, dialog: Dialog, attempt: Attempt, body: bytes = b"") -> None:
        """ACK for a 2xx: no transaction, the route of the dialog, the credentials of its INVITE. RFC 3261 §13.2.2.4."""
        invite = attempt.draft
        draft = dialog.draft("ACK", cseq=invite.cseq, body=body)
        draft.credentials = invite.credentials
        way = self._client.flow_now(draft.next_hop) or self._only_flow(dialog)
        if way is not None:
            self._acks[invite.cseq, dialog.remote_tag] = (self._endpoint.acknowledge(draft, way), way)
        else:
            self.agent.spawn(self._acknowledge_by_name(draft, dialog, attempt.flow))

    async def _acknowledge_by_name(self, draft: Draft, dialog: Dialog, flow: Flow) -> None:
        way = await self._client.first_flow(draft, flow)
        self._acks[draft.cseq, dialog.remote_tag] = (self._endpoint.acknowledge(draft, way), way)

    def acknowledge_again(self, response: Message) -> bool:
        """The 2xx has come again: so the ACK was lost. ``False`` when this 2xx is new."""
        found = self._acks.get((response.cseq.number, response.to.tag or ""))
        if found is not None:
            self._endpoint.send(found[1], found[0])
        return found is not None

    def learn_peer(self, message: Message) -> None:
        """What the peer can do. RFC 3261 §20.5, §20.37."""
        allow, supported = message.get_all("Allow"), message.get_all("Supported")
        if allow:
            self.peer_allows = _tokens(",".join(allow).upper())
        if supported:
            self.peer_supports = _tokens(",".join(supported).lower())

    def start_timer(self, response: Message, *, we_asked: bool) -> None:
        """The session interval that a 2xx to INVITE or UPDATE has settled. RFC 4028 §7.2, §9."""
        found = interval_of(response)
        if found is None or self.state is CallState.ENDED:
            self.timer.stop()
            return
        seconds, refresher = found
        self.timer.start(max(seconds, LEAST), is_refresher=(refresher or "uac") == ("uac" if we_asked else "uas"))

    def timer_fields(self) -> list[tuple[str, str]]:
        """Session-Expires of a request of ours."""
        wanted = self.timer.seconds or self.agent.session_expires
        if not wanted:
            return []
        role = ""
        if self.timer.seconds is not None:
            role = f";refresher={'uac' if self.timer.is_refresher else 'uas'}"
        return [("Session-Expires", f"{wanted}{role}"), ("Min-SE", str(LEAST))]

    def _refresh(self) -> None:
        self.agent.spawn(self._refresh_session())

    async def _refresh_session(self) -> None:
        """UPDATE without a body where the peer takes it, else a re-INVITE. RFC 4028 §7.4."""
        try:
            if "UPDATE" in self.peer_allows and self.dialog is not None:
                draft = self.dialog.draft("UPDATE", contact=self.contact(), fields=self.timer_fields())
                response, _ = await self._perform(draft, self.dialog)
                if 200 <= (response.status or 0) < 300:
                    self.start_timer(response, we_asked=True)
            else:
                await self.renegotiate()
        except CallEndedError:
            return
        except UserAgentError:
            # The peer may be back before the session ends.
            if self.timer.seconds is not None:
                self.timer.start(self.timer.seconds, is_refresher=False)

    def _expire(self) -> None:
        self.agent.spawn(self.hang_up(reason='SIP;cause=408;text="Session expired"'))

    async def _offer(self) -> bool:
        """One re-INVITE. ``False`` when it met one of the peer (491)."""
        await self.within.wait_acknowledged()  # §14.1: not while an INVITE of the peer is open
        dialog = self._require_up()
        if self.exchange.on_event(offeranswer.Event.SEND_OFFER) is not None:
            return False
        fields = [("Supported", self.agent.supported), ("Allow", self.agent.allow), *self.timer_fields()]
        answered = False
        try:
            offer = self._media().offer()
            draft = dialog.draft("INVITE", contact=self.contact(), fields=fields, body=offer)
            response, attempt = await self._perform(draft, dialog)
            status = response.status or 0
            if 200 <= status < 300:
                dialog.refresh(response)
                self.acknowledge(dialog, attempt)
                answered = True
                self.accept(response.body)
                self.start_timer(response, we_asked=True)
                return True
            if status == 491:
                return False
            raise rejected(response, "INVITE")
        finally:
            if not answered:
                self.exchange.on_event(offeranswer.Event.REFUSE)

    def _glare_pause(self) -> float:
        """RFC 3261 §14.1: who made the Call-ID waits longer, so that they do not meet again."""
        if self.dialog is not None and self.dialog.is_caller:
            return random.randrange(210, 400) / 100
        return random.randrange(0, 200) / 100

    async def _perform(self, draft: Draft, dialog: Dialog) -> tuple[Message, Attempt]:
        """A request within the dialog; 408 and 481 end the dialog. RFC 3261 §12.2.1.2."""

        def next_cseq() -> int:
            dialog.local_cseq += 1
            return dialog.local_cseq

        def started(attempt: Attempt) -> None:
            if draft.method == "INVITE":
                attempt.on_late = lambda message, _: self.acknowledge_again(message)

        way = self._client.flow_now(dialog.next_hop) or self._only_flow(dialog)
        try:
            response, attempt = await self._client.perform(draft, flow=way, next_cseq=next_cseq, started=started)
        except NoAnswerError:
            self.end(Ended("network", 408, "no answer within the call"))
            raise
        if response.status in {408, 481}:
            self.end(Ended("network", response.status, response.reason or ""))
        if self.state is CallState.ENDED and draft.method != "BYE":
            raise CallEndedError(f"the call ended before {draft.method} was answered")
        return response, attempt

    def _only_flow(self, dialog: Dialog) -> Flow | None:
        """A peer behind a WebSocket has no address: only the flow that it opened. RFC 7118 §5.2."""
        return self.flow if ".invalid" in dialog.next_hop else None

    def _require_up(self) -> Dialog:
        if self.dialog is None or self.state is not CallState.UP:
            word: Literal["is over", "is not answered yet"] = (
                "is over" if self.state is CallState.ENDED else "is not answered yet"
            )
            kind = CallEndedError if self.state is CallState.ENDED else MisuseError
            raise kind(f"the call {word}")
        return self.dialog

    def _media(self) -> Media:
        if self.media is None:
            raise MisuseError("this call has no media: give media= when you call or answer")
        return self.media


@functools.lru_cache(maxsize=256)
def _tokens(text: str) -> frozenset[str]:
    """The tokens of a list; telephones of one make say the same all the time."""
    return frozenset(token.strip() for token in text.split(",") if token.strip())


def _fitting(take: Callable[[bytes], _T], description: bytes) -> _T:
    """What the media say to a description; whatever they raise about it is the peer's fault."""
    if not description:
        raise NegotiationError("the peer sent no session description")
    try:
        return take(description)
    except UserAgentError:
        raise
    except (ValueError, LookupError, DialplaneError) as error:
        raise NegotiationError(f"the session description of the peer does not fit: {error}") from error
