"""Calls that we make. RFC 3261 §13.2; forks §13.2.2.4; CANCEL §9.1; 3xx §8.1.3.4; RFC 3262 (reliable provisionals)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from dialplane import errors
from dialplane.ua import offeranswer
from dialplane.ua.call import Call, CallState
from dialplane.ua.dialog import Dialog, Event
from dialplane.ua.draft import Draft, Fields, new_call_id, new_tag
from dialplane.ua.errors import (
    CallEndedError,
    CancelledCallError,
    NegotiationError,
    RejectedError,
    UserAgentError,
    rejected,
)
from dialplane.ua.events import EarlyMedia, Ended, Redirected, Ringing
from dialplane.ua.sessiontimer import least_of
from dialplane_native import DialplaneError

if TYPE_CHECKING:
    from collections.abc import Generator

    from dialplane.ua.agent import UserAgent
    from dialplane.ua.client import Attempt
    from dialplane.ua.media import Media
    from dialplane.ua.transport import Flow
    from dialplane_native import Message

_REDIRECTS = 5


class OutgoingCall(Call):
    """A call of ours. ``await call`` waits until it is answered and raises what stands against it.

    A task that is cancelled while it waits cancels the call, as a timeout does.
    """

    def __init__(
        self, agent: UserAgent, uri: str, media: Media | None, *, fields: Fields = (), follow_redirects: bool = True
    ) -> None:
        super().__init__(agent, media)
        self.uri = uri
        self.is_sips = uri.startswith("sips:")
        self._fields = list(fields)
        self._follow = follow_redirects
        self._call_id, self._tag = new_call_id(), new_tag()
        self._cseq = 0
        self._attempt: Attempt | None = None
        self._early: dict[str, Dialog] = {}
        self._sequence: dict[str, int] = {}
        """The last RSeq of each early dialog."""
        self._is_cancelled = False
        self._has_offered = media is not None
        self._task = agent.spawn(self._drive())

    def __await__(self) -> Generator[object, None, OutgoingCall]:
        return self._wait().__await__()

    async def _wait(self) -> OutgoingCall:
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self._call_id

    async def hang_up(self, *, reason: str | None = None) -> None:
        """Ends the call, or cancels it while it is not answered."""
        if self.state in {CallState.CALLING, CallState.RINGING}:
            self.cancel(reason=reason)
            with contextlib.suppress(UserAgentError):
                await asyncio.shield(self._task)
            return
        await super().hang_up(reason=reason)

    def cancel(self, *, reason: str | None = None) -> None:
        """Gives up at any moment. An answer that crosses the CANCEL is hung up at once. RFC 3261 §9.1, §15."""
        if self.state not in {CallState.CALLING, CallState.RINGING} or self._is_cancelled:
            return
        self._is_cancelled = True
        if self._attempt is None:
            self._task.cancel()
        else:
            self._attempt.cancel(f"Reason: {reason}\r\n".encode() if reason else b"")

    async def _drive(self) -> None:
        """From the INVITE to its end. Whatever goes wrong ends the call and is raised to whoever waits."""
        try:
            await self._try_targets()
        except UserAgentError as error:
            code = error.code if isinstance(error, RejectedError) else None
            reason = error.reason if isinstance(error, RejectedError) else str(error)
            side = {"us": "us", "peer": "peer", "network": "network"}[error.side]
            self._finish_early()
            self.end(Ended(side, code, reason))  # type: ignore[arg-type]
            raise
        except asyncio.CancelledError:
            self._finish_early()
            self.end(Ended("us", 487, "cancelled"))
            raise CancelledCallError("the call was cancelled before it was sent") from None

    async def _try_targets(self) -> None:
        targets, tried = [self.uri], set[str]()
        while True:
            uri = targets.pop(0)
            tried.add(uri)
            response = await self._invite(uri)
            status = response.status or 0
            if status < 300:
                return
            if self._is_cancelled:
                raise CancelledCallError("the call was cancelled")
            if status < 400 and self._follow and len(tried) <= _REDIRECTS:
                targets[:0] = [found for found in _targets(response) if found not in tried]
            if not targets:
                raise rejected(response, "INVITE")
            self._early.clear()
            self.tell(Redirected(targets[0]))

    async def _invite(self, uri: str) -> Message:
        """One INVITE with all its tries: credentials, another address, a longer session interval."""
        self.exchange.on_event(offeranswer.Event.REFUSE)
        offer = b""
        self.remote_description = None
        if self._has_offered and self.media is not None:
            offer = self.media.offer()
            self.exchange.on_event(offeranswer.Event.SEND_OFFER)
        response, _ = await self._client.perform(self._draft(uri, offer, 0), started=self._started)
        if response.status == 422:  # RFC 4028 §7.4
            draft = self._draft(uri, offer, least_of(response))
            response, _ = await self._client.perform(draft, started=self._started)
        return response

    def _draft(self, uri: str, offer: bytes, least: int) -> Draft:
        self._cseq += 1
        agent = self.agent
        fields = [("Allow", agent.allow), ("Supported", agent.supported), *agent.identity_fields(), *self._fields]
        if agent.session_expires:
            seconds = max(agent.session_expires, least)
            fields.append(("Session-Expires", str(seconds)))
            if least:
                fields.append(("Min-SE", str(least)))
        return agent.draft("INVITE", uri, self._call_id, self._tag, self._cseq, fields=fields, body=offer)

    def _started(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self.flow = attempt.flow
        attempt.draft.contact = self.contact(attempt.flow)
        attempt.on_provisional = self._on_provisional
        attempt.on_answer = self._on_answer
        attempt.on_late = self._on_late
        self._cseq = attempt.draft.cseq
        if self._is_cancelled:
            raise CancelledCallError("the call was cancelled")

    def _on_provisional(self, response: Message, flow: Flow) -> None:
        status = response.status or 0
        if status == 100 or self.state not in {CallState.CALLING, CallState.RINGING}:
            return
        self.learn_peer(response)
        tag = response.to.tag
        if tag and self._attempt is not None:
            dialog = self._early.get(tag)
            if dialog is None:
                dialog = self._early[tag] = Dialog.of_response(self._attempt.draft, response, self._tag)
                self.agent.add_dialog(dialog, self)
            elif not dialog.routes:
                dialog.learn(response)
            if not self._is_in_order(response, dialog, flow):
                return
        self.state = CallState.RINGING
        self.tell(Ringing(status, response.reason or ""))
        if response.body:
            self._preview(response.body)

    def _preview(self, description: bytes) -> None:
        """Early media: what may be the answer already. RFC 3261 §13.2.1, RFC 3960."""
        if self.exchange.state is not offeranswer.State.OFFERED or self.media is None:
            return
        try:
            self.media.accept(description)
        except (errors.DialplaneError, ValueError, LookupError):
            return  # the answer in the 2xx counts
        self.remote_description = description
        self.tell(EarlyMedia(description))

    def _is_in_order(self, response: Message, dialog: Dialog, flow: Flow) -> bool:
        """Acknowledges a reliable provisional response; one that is not the next is not looked at. RFC 3262 §4."""
        required = {tag.lower() for tag in response.elements("Require")}
        number = response.get("RSeq", "")
        if "100rel" not in required or not number.isdecimal():
            return True
        last = self._sequence.get(dialog.remote_tag)
        if last is not None and int(number) != last + 1:
            return False
        self._sequence[dialog.remote_tag] = int(number)
        self.agent.spawn(self._prack(response, dialog, int(number), flow))
        return True

    async def _prack(self, response: Message, dialog: Dialog, number: int, flow: Flow) -> None:
        """PRACK, with the answer when the response brought an offer."""
        body = b""
        if response.body and self.exchange.state is offeranswer.State.STABLE and self.media is not None:
            self.exchange.on_event(offeranswer.Event.RECEIVE_OFFER)
            with contextlib.suppress(NegotiationError):
                body = self.take_offer(response.body)
        elif response.body and self.exchange.state is offeranswer.State.OFFERED and self.media is not None:
            with contextlib.suppress(NegotiationError):
                self.accept(response.body)
        cseq = response.cseq
        draft = dialog.draft("PRACK", fields=[("RAck", f"{number} {cseq.number} {cseq.method}")], body=body)
        # What becomes of it shows at the INVITE.
        with contextlib.suppress(UserAgentError):
            await self._client.perform(draft, flow=self._client.flow_now(dialog.next_hop) or flow)

    def _on_answer(self, response: Message, attempt: Attempt) -> None:
        """The first 2xx. RFC 3261 §13.2.2.4."""
        tag = response.to.tag or ""
        dialog = self._early.get(tag)
        if dialog is None:
            dialog = Dialog.of_response(attempt.draft, response, self._tag)
        else:
            dialog.learn(response)
        dialog.local_cseq = max(dialog.local_cseq, attempt.draft.cseq)
        self._early.pop(tag, None)
        self._finish_early()
        self.learn_peer(response)
        try:
            self._confirm(dialog, response, attempt)
        except DialplaneError:
            self.agent.remove_dialog(dialog)
            raise

    def _confirm(self, dialog: Dialog, response: Message, attempt: Attempt) -> None:
        try:
            answer = self._agree(response.body)
        except NegotiationError:
            self.acknowledge(dialog, attempt)
            self._leave(dialog)
            raise
        self.acknowledge(dialog, attempt, answer)
        if self._is_cancelled:
            self._leave(dialog)
            raise CancelledCallError("the call was cancelled; its answer crossed the CANCEL and was hung up")
        self.is_up(dialog, attempt.flow)
        self.start_timer(response, we_asked=True)

    def _agree(self, description: bytes) -> bytes:
        """Takes the answer, or answers the offer of a peer that was asked without one."""
        if self.exchange.state is offeranswer.State.OFFERED:
            if not description and self.remote_description:
                description = self.remote_description  # a preview that the peer thinks was enough
            elif self.remote_description not in {None, description} and self.media is not None:
                self.media.offer()  # the preview was another fork's: this answer is to the same offer
            self.accept(description)
        elif not self._has_offered and self.remote_description is None:
            if self.media is None:
                raise NegotiationError("the call was answered with an offer, and it has no media: give media=")
            self.exchange.on_event(offeranswer.Event.RECEIVE_OFFER)
            return self.take_offer(description)
        return b""

    def _on_late(self, response: Message, _: Flow) -> None:
        """A further 2xx: the same again, or another fork, which is not wanted any more."""
        if not self.acknowledge_again(response) and self._attempt is not None:
            dialog = Dialog.of_response(self._attempt.draft, response, self._tag)
            self.acknowledge(dialog, self._attempt)
            self._leave(dialog)

    def _leave(self, dialog: Dialog) -> None:
        """Hangs up a dialog that nobody wants."""
        self.agent.remove_dialog(dialog)
        self.agent.spawn(self._bye(dialog))

    async def _bye(self, dialog: Dialog) -> None:
        draft = dialog.draft("BYE")
        dialog.on_event(Event.BYE)
        with contextlib.suppress(UserAgentError, CallEndedError):
            await self._client.perform(draft, flow=self._client.flow_now(dialog.next_hop) or self._only_flow(dialog))

    def _finish_early(self) -> None:
        for dialog in self._early.values():
            dialog.on_event(Event.REFUSAL)
            self.agent.remove_dialog(dialog)
        self._early.clear()


def _targets(response: Message) -> list[str]:
    """Contacts of a 3xx, best q first. RFC 3261 §8.1.3.4."""
    contacts = sorted(response.contacts, key=lambda contact: -(1.0 if contact.q is None else contact.q))
    return [contact.uri_text.partition("?")[0] for contact in contacts]
