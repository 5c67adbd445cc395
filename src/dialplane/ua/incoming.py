"""Calls to us. RFC 3261 §13.3; CANCEL §9.2; RFC 3262 (reliable provisionals), RFC 3891 (Replaces)."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from dialplane.ua import offeranswer
from dialplane.ua.call import Call, CallState
from dialplane.ua.dialog import Dialog, Event
from dialplane.ua.draft import new_tag
from dialplane.ua.errors import CallEndedError, MisuseError, NegotiationError, NoAnswerError
from dialplane.ua.events import Ended
from dialplane.ua.media import media_of
from dialplane.ua.resend import Resender
from dialplane.ua.within import timer_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialplane.ua.agent import UserAgent
    from dialplane.ua.draft import Fields
    from dialplane.ua.media import Media
    from dialplane_native import Message
    from dialplane_native.transactions import Incoming

_SDP = "application/sdp"


class IncomingCall(Call):
    """Somebody calls. Exactly one of :meth:`answer`, :meth:`reject` and :meth:`redirect` is to follow."""

    def __init__(self, agent: UserAgent, incoming: Incoming, replaces: Call | None = None) -> None:
        super().__init__(agent, None)
        message = incoming.message
        self.request_message: Message = message
        self.caller = message.from_
        """Who calls: display name and URI."""
        self.uri = bytes(message.to.uri).decode("utf-8", "surrogateescape")
        """Whom he wants."""
        self.offer = message.body
        """The session description that came with the call; empty when the caller waits for ours."""
        self.replaces = replaces
        """A call of ours whose place this one takes."""
        self._incoming = incoming
        self._tag = new_tag()
        self._early = Dialog.of_request(message, self._tag)
        self.flow = incoming.flow
        self.is_sips = message.start_line.partition(" ")[2].lower().startswith("sips:")
        self.learn_peer(message)
        self._requires = {tag.lower() for tag in message.elements("Require")}
        self._described = b""
        self._sequence = random.randrange(1, 2**31)
        self._unconfirmed: tuple[int, Resender, asyncio.Future[None]] | None = None
        agent.add_dialog(self._early, self)

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self._early.call_id

    async def ring(self) -> None:
        """180 (Ringing)."""
        await self._provisional(180, b"")

    async def progress(self, media: Media | bytes | None = None, *, code: int = 183) -> None:
        """A provisional response, with early media if there are any: an answer that is not final.

        It is sent reliably when the caller can (RFC 3262), and then returns when it has been acknowledged.
        """
        body = b""
        if media is not None:
            self.media = media_of(media)
            body = self._describe()
        await self._provisional(code, body)

    async def answer(self, media: Media | bytes | str | None = None, *, fields: Fields = ()) -> None:
        """200 (OK). Returns when it has been sent; :class:`CallEndedError` when the caller was quicker to hang up."""
        self._require_waiting()
        if media is not None and self.media is None:
            self.media = media_of(media)
        if self._unconfirmed is not None:
            await self._unconfirmed[2]  # RFC 3262 §5: the offer in it must be settled first
            self._require_waiting()
        try:
            body = self._describe()
        except NegotiationError:
            await self.reject(488)
            raise
        self.agent.remove_dialog(self._early)
        timer = timer_answer(self.request_message)
        sent = [("Contact", self.contact()), ("Allow", self.agent.allow), ("Supported", self.agent.supported), *timer]
        sent += self._record_routes()
        if body:
            sent.append(("Content-Type", _SDP))
        data = self._respond(200, None, [*sent, *fields], body)
        self._early.on_event(Event.SUCCESS)
        has_offer = bool(body) and not self.offer
        self.within.answered(self._incoming, data, self._invite_cseq(), has_offer=has_offer)
        self.is_up(self._early, self._incoming.flow)
        for name, value in timer:
            if name == "Session-Expires":
                seconds, _, role = value.partition(";refresher=")
                self.timer.start(int(seconds), is_refresher=role == "uas")
        if self.replaces is not None:
            await self.replaces.hang_up()

    async def reject(self, code: int = 480, reason: str | None = None, *, fields: Fields = ()) -> None:
        """A final response that is no: 486 busy, 480 unavailable, 603 declined."""
        if not 400 <= code < 700:
            raise MisuseError(f"{code} is no refusal: 400 to 699")
        self._refuse(code, reason, list(fields), by="us")

    async def redirect(self, *targets: str, code: int = 302) -> None:
        """Sends the caller to other addresses. RFC 3261 §8.3."""
        if not 300 <= code < 400 or not targets:
            raise MisuseError("a redirection has a code of 300 to 399 and at least one target")
        contacts = [("Contact", f"<{target}>") for target in targets]
        self._refuse(code, None, contacts, by="us")

    async def hang_up(self, *, reason: str | None = None) -> None:
        """Ends the call; refuses it while it is not answered."""
        if self.state in {CallState.CALLING, CallState.RINGING}:
            await self.reject(480, fields=[("Reason", reason)] if reason else [])
            return
        await super().hang_up(reason=reason)

    def on_cancel(self, cancel: Message) -> None:
        """The caller gives up: 487, unless there is a final response. RFC 3261 §9.2."""
        if self.state in {CallState.CALLING, CallState.RINGING}:
            reason = cancel.get("Reason") or ""
            by_other = "cause=200" in reason.replace(" ", "")
            text = "answered elsewhere" if by_other else "cancelled by the caller"
            self._refuse(487, None, [], by="peer", text=text)

    def on_prack(self, incoming: Incoming) -> None:
        """The caller has our provisional response, and perhaps an answer or a further offer in it. RFC 3262 §3."""
        message = incoming.message
        expected = self._unconfirmed
        number, *rest = (message.get("RAck") or "").split()
        if expected is None or [number, *rest] != [str(expected[0]), str(self._invite_cseq()), "INVITE"]:
            self.agent.endpoint.respond(incoming, 481)
            return
        _, resender, confirmed = expected
        resender.stop()
        self._unconfirmed = None
        body = b""
        if message.body:
            try:
                body = self._on_prack_description(message.body)
            except NegotiationError:
                self.agent.endpoint.respond(incoming, 488)
                confirmed.set_result(None)
                return
        fields = [("Content-Type", _SDP)] if body else []
        self.agent.endpoint.respond(incoming, 200, fields=fields, body=body)
        confirmed.set_result(None)

    def _on_prack_description(self, description: bytes) -> bytes:
        if self.exchange.state is offeranswer.State.OFFERED:
            self.accept(description)
            return b""
        if self.exchange.on_event(offeranswer.Event.RECEIVE_OFFER) is not None:
            return b""
        return self.take_offer(description)

    def end(self, ended: Ended) -> None:
        """The call is over."""
        if self._unconfirmed is not None:
            self._unconfirmed[1].stop()
            if not self._unconfirmed[2].done():
                self._unconfirmed[2].set_result(None)
            self._unconfirmed = None
        self.agent.remove_dialog(self._early)
        super().end(ended)

    def _describe(self) -> bytes:
        """The answer to the caller's offer, or our offer; nothing once that is done."""
        if self.media is None:
            if self.offer:
                raise MisuseError("the caller offers media: give media= to answer()")
            return b""
        if self.offer and self.remote_description is None:
            self.exchange.on_event(offeranswer.Event.RECEIVE_OFFER)
            self._described = self.take_offer(self.offer)
            return self._described
        if self.offer:
            return self._described  # RFC 3261 §13.2.1: the same again
        if self.exchange.state is offeranswer.State.STABLE and self.remote_description is None:
            self.exchange.on_event(offeranswer.Event.SEND_OFFER)
            return self.media.offer()
        return b""

    async def _provisional(self, code: int, body: bytes) -> None:
        self._require_waiting()
        if not 101 <= code < 200:
            raise MisuseError(f"{code} is no provisional response: 101 to 199")
        if self._unconfirmed is not None:
            await self._unconfirmed[2]
            self._require_waiting()
        self.state = CallState.RINGING
        fields = [("Contact", self.contact()), ("Allow", self.agent.allow), *self._record_routes()]
        if body:
            fields.append(("Content-Type", _SDP))
        reliably = "100rel" in self._requires or (bool(body) and "100rel" in self.peer_supports)
        if not reliably:
            self._respond(code, None, fields, body)
            return
        self._sequence += 1
        data = self._respond(code, None, [*fields, ("Require", "100rel"), ("RSeq", str(self._sequence))], body)
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        endpoint = self.agent.endpoint
        resender = Resender(endpoint, self._incoming.flow, data, most=float("inf"), on_timeout=self._not_confirmed)
        self._unconfirmed = (self._sequence, resender, confirmed)
        await asyncio.shield(confirmed)
        if self.state is CallState.ENDED:
            raise CallEndedError("the call ended before the provisional response was acknowledged")

    def _not_confirmed(self) -> None:
        """RFC 3262 §3: no PRACK in 64·T1 refuses the call."""
        self._refuse(504, "No PRACK", [], by="network")

    def _refuse(
        self, code: int, reason: str | None, fields: list[tuple[str, str]], *, by: str, text: str | None = None
    ) -> None:
        self._require_waiting()
        self._respond(code, reason, fields, b"")
        self._early.on_event(Event.REFUSAL)
        self.end(Ended(by, code, text or reason or ""))  # type: ignore[arg-type]

    def _respond(self, code: int, reason: str | None, fields: Sequence[tuple[str, str]], body: bytes) -> bytes:
        data = self.agent.endpoint.respond(self._incoming, code, reason, to_tag=self._tag, fields=fields, body=body)
        if data is None:
            raise NoAnswerError("the caller waits no longer")
        return data

    def _record_routes(self) -> list[tuple[str, str]]:
        """Copied into every response that makes a dialog. RFC 3261 §12.1.1."""
        return [("Record-Route", value) for value in self.request_message.get_all("Record-Route")]

    def _invite_cseq(self) -> int:
        return self.request_message.cseq.number

    def _require_waiting(self) -> None:
        if self.state is CallState.ENDED:
            raise CallEndedError("the caller has hung up")
        if self.state is CallState.UP:
            raise MisuseError("the call is answered already")
