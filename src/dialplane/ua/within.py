"""Requests of the peer within a call. RFC 3261 §12.2.2, §14.2, §15.1.2; RFC 3262, 3311, 4028, 6086, 3515."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from dialplane.ua import offeranswer
from dialplane.ua.errors import NegotiationError
from dialplane.ua.events import Digit, Ended, Held, Renegotiated, Resumed
from dialplane.ua.media import direction_of
from dialplane.ua.resend import Resender
from dialplane.ua.sessiontimer import LEAST, interval_of, least_of

if TYPE_CHECKING:
    from dialplane.ua.call import Call
    from dialplane_native import Message
    from dialplane_native.transactions import Incoming

_SDP = "application/sdp"


class Within:
    """Answers what comes within one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._agent = call.agent
        self._endpoint = call.agent.endpoint
        self._waiting: dict[int, tuple[Resender, bool]] = {}
        """2xx that no ACK has come for, by CSeq, and whether they carry an offer of ours."""
        self._acknowledged = asyncio.Event()
        self._acknowledged.set()
        self._is_silent = False

    def close(self) -> None:
        """The call is over."""
        for resender, _ in self._waiting.values():
            resender.stop()
        self._waiting.clear()
        self._acknowledged.set()

    async def wait_acknowledged(self) -> None:
        """Until every 2xx of ours has its ACK, or has waited long enough."""
        await self._acknowledged.wait()

    def answered(self, incoming: Incoming, data: bytes, cseq: int, *, has_offer: bool) -> None:
        """A 2xx to INVITE was sent: again until its ACK comes (§13.3.1.4), over streams too."""
        self._acknowledged.clear()
        resender = Resender(
            self._endpoint, incoming.flow, data, most=4.0, on_timeout=lambda: self._unacknowledged(cseq)
        )
        self._waiting[cseq] = (resender, has_offer)

    def _unacknowledged(self, cseq: int) -> None:
        """§13.3.1.4: the dialog is confirmed, but the session should be ended."""
        self._waiting.pop(cseq, None)
        self._acknowledged.set()
        self._agent.spawn(self._call.hang_up(reason='SIP;cause=408;text="No ACK"'))

    def on_ack(self, message: Message) -> None:
        """The ACK to a 2xx, with the answer when the 2xx had the offer."""
        found = self._waiting.pop(message.cseq.number, None)
        if found is None:
            return
        resender, has_offer = found
        resender.stop()
        if not self._waiting:
            self._acknowledged.set()
        if has_offer:
            try:
                self._call.accept(message.body)
            except NegotiationError as error:
                self._call.exchange.on_event(offeranswer.Event.REFUSE)
                self._agent.spawn(self._call.hang_up(reason=f'SIP;cause=488;text="{error.args[0]:.60}"'))

    def on_request(self, incoming: Incoming) -> None:
        """Any other request, whose CSeq is in order."""
        message = incoming.message
        method = message.method or ""
        if method == "BYE":
            self._endpoint.respond(incoming, 200)
            self._call.end(_ended(message))
        elif method == "INVITE":
            self._on_invite(incoming)
        elif method == "UPDATE":
            self._on_update(incoming)
        elif method == "INFO":
            self._on_info(incoming)
        elif method == "REFER":
            self._agent.dispatch.on_refer(incoming, self._call)
        elif method == "NOTIFY":
            self._on_notify(incoming)
        elif method == "MESSAGE":
            self._agent.dispatch.on_message(incoming, self._call)
        elif method == "OPTIONS":
            self._endpoint.respond(incoming, 200, fields=self._agent.capabilities())
        elif method == "PRACK":
            self._endpoint.respond(incoming, 481)
        else:
            self._endpoint.respond(incoming, 405, fields=[("Allow", self._agent.allow)])

    def _on_invite(self, incoming: Incoming) -> None:
        """A re-INVITE. §14.2."""
        call, message = self._call, incoming.message
        if not self._is_interval_long_enough(incoming):
            return
        body = message.body
        if not self._may_offer(incoming, offers=bool(body)):
            return
        if body:
            answer = self._answer(incoming, body)
            if answer is None:
                return
        else:
            media = call.media
            answer = media.offer() if media is not None else b""
        if call.dialog is not None:
            call.dialog.refresh(message)
        timer = self._timer_fields(message)
        fields = [("Contact", call.contact(incoming.flow)), ("Allow", self._agent.allow)]
        fields += [("Supported", self._agent.supported), *timer]
        if answer:
            fields.append(("Content-Type", _SDP))
        data = self._endpoint.respond(incoming, 200, fields=fields, body=answer)
        if data is not None:
            self.answered(incoming, data, message.cseq.number, has_offer=not body)
        self._begin_timer(timer)
        if body:
            self._tell_change(body)

    def _on_update(self, incoming: Incoming) -> None:
        """UPDATE: a target refresh, or an offer before the call is answered. RFC 3311 §5.2."""
        call, message = self._call, incoming.message
        if not self._is_interval_long_enough(incoming):
            return
        body, answer = message.body, b""
        if body:
            if not self._may_offer(incoming, offers=True):
                return
            made = self._answer(incoming, body)
            if made is None:
                return
            answer = made
        if call.dialog is not None:
            call.dialog.refresh(message)
        timer = self._timer_fields(message)
        fields = [("Contact", call.contact(incoming.flow)), ("Allow", self._agent.allow), *timer]
        if answer:
            fields.append(("Content-Type", _SDP))
        self._endpoint.respond(incoming, 200, fields=fields, body=answer)
        self._begin_timer(timer)
        if body:
            self._tell_change(body)

    def _may_offer(self, incoming: Incoming, *, offers: bool) -> bool:
        """Whether offer and answer are in order now; refuses if not. §14.2, RFC 3311 §5.2."""
        event = offeranswer.Event.RECEIVE_OFFER if offers else offeranswer.Event.SEND_OFFER
        refusal = self._call.exchange.on_event(event)
        if refusal is None:
            return True
        if refusal == "glare" or (not offers and self._call.exchange.state is offeranswer.State.OFFERED):
            self._endpoint.respond(incoming, 491)
        else:
            self._endpoint.respond(incoming, 500, fields=[("Retry-After", str(random.randrange(11)))])
        return False

    def _answer(self, incoming: Incoming, offer: bytes) -> bytes | None:
        """The answer; 488 when there can be none, and the session goes on as it was."""
        if self._call.media is None:
            self._call.exchange.on_event(offeranswer.Event.REFUSE)
            self._endpoint.respond(incoming, 488)
            return None
        try:
            return self._call.take_offer(offer)
        except NegotiationError:
            self._endpoint.respond(incoming, 488)
            return None

    def _tell_change(self, description: bytes) -> None:
        is_silent = direction_of(description) in {"sendonly", "inactive"}
        if is_silent != self._is_silent:
            self._is_silent = is_silent
            self._call.tell(Held() if is_silent else Resumed())
        self._call.tell(Renegotiated(description))

    def _is_interval_long_enough(self, incoming: Incoming) -> bool:
        """RFC 4028 §9: 422 for a shorter one than we stand."""
        found = interval_of(incoming.message)
        if found is None or found[0] >= LEAST:
            return True
        self._endpoint.respond(incoming, 422, fields=[("Min-SE", str(LEAST))])
        return False

    def _timer_fields(self, message: Message) -> list[tuple[str, str]]:
        """Session-Expires of a 2xx of ours."""
        return timer_answer(message)

    def _begin_timer(self, fields: list[tuple[str, str]]) -> None:
        for name, value in fields:
            if name == "Session-Expires":
                seconds, _, role = value.partition(";refresher=")
                self._call.timer.start(int(seconds), is_refresher=role == "uas")

    def _on_info(self, incoming: Incoming) -> None:
        """DTMF in the two forms that are in use; an empty INFO asks whether we live. RFC 6086 §4.2.2."""
        message = incoming.message
        kind = (message.get("Content-Type") or "").partition(";")[0].strip().lower()
        digit = read_digit(kind, message.body)
        if digit is not None:
            self._endpoint.respond(incoming, 200)
            self._call.tell(digit)
        elif not message.body:
            self._endpoint.respond(incoming, 200)
        elif "Info-Package" in message:
            self._endpoint.respond(incoming, 469, "Bad Info Package", fields=[("Recv-Info", "")])
        else:
            fields = [("Accept", "application/dtmf-relay, application/dtmf")]
            self._endpoint.respond(incoming, 415, fields=fields)

    def _on_notify(self, incoming: Incoming) -> None:
        """News of a transfer; other subscriptions have dialogs of their own."""
        under_way = self._call.transfer_under_way
        if (incoming.message.get("Event") or "").partition(";")[0].strip().lower() != "refer" or under_way is None:
            self._endpoint.respond(incoming, 481)
            return
        self._endpoint.respond(incoming, 200)
        under_way.on_notify(incoming.message)


def timer_answer(message: Message) -> list[tuple[str, str]]:
    """Session-Expires of a 2xx to a request: the client refreshes if it can, else we do. RFC 4028 §9."""
    found = interval_of(message)
    if found is None:
        return []
    supports = "timer" in {tag.lower() for tag in message.elements("Supported")}
    role = found[1] or ("uac" if supports else "uas")
    fields = [("Session-Expires", f"{max(found[0], least_of(message))};refresher={role}")]
    if role == "uac":
        fields.append(("Require", "timer"))
    return fields


def read_digit(content_type: str, body: bytes) -> Digit | None:
    """A DTMF digit in the body of an INFO request."""
    text = body.decode("ascii", "replace")
    if content_type == "application/dtmf":
        name, _, value = text.rpartition("=")
        return _digit(value.strip(), 160) if not name or name.strip().lower() == "signal" else None
    if content_type != "application/dtmf-relay":
        return None
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        values[name.strip().lower()] = value.strip()
    duration = values.get("duration", "")
    return _digit(values.get("signal", ""), int(duration[:6]) if duration.isdecimal() else 160)


def _digit(signal: str, milliseconds: int) -> Digit | None:
    names = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}
    signal = names.get(signal, signal.upper())
    return Digit(signal, milliseconds) if len(signal) == 1 and signal in "0123456789*#ABCD" else None


def _ended(bye: Message) -> Ended:
    """Why the peer has hung up. RFC 3326."""
    for value in bye.elements("Reason"):
        params = dict(part.strip().partition("=")[::2] for part in value.split(";")[1:])
        cause = params.get("cause", "")
        return Ended("peer", int(cause) if cause.isdecimal() else None, params.get("text", "").strip('"'))
    return Ended("peer")
