"""The other end of calls and messages: our callees. RFC 3261 §13.3, §15.1.2.

Whatever comes must have been sent by us, and must come as it was sent; the server may only have changed its head.
"""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING

from dialplane.bench.call import Invite, description
from dialplane.bench.exchange import Text
from dialplane.ua.draft import ALLOW
from dialplane.ua.resend import Resender

if TYPE_CHECKING:
    from dialplane.bench.desk import Desk
    from dialplane.bench.line import Line
    from dialplane_native.transactions import Incoming


class State(enum.Enum):
    """Of a call at our callee."""

    RINGING = "180 is sent"
    ANSWERED = "200 is sent again until its ACK comes"
    UP = "acknowledged"
    OVER = "ended"


class Event(enum.Enum):
    """What happens to it."""

    ANSWER = "it has rung long enough"
    ACK = "ACK to the 200"
    BYE = "BYE"
    CANCEL = "CANCEL"
    SILENCE = "no ACK within 64·T1"


TABLE: dict[tuple[State, Event], State] = {
    (State.RINGING, Event.ANSWER): State.ANSWERED,
    (State.RINGING, Event.ACK): State.RINGING,  # of nothing that was sent
    (State.RINGING, Event.BYE): State.OVER,  # §15: the caller may end an early dialog so
    (State.RINGING, Event.CANCEL): State.OVER,
    (State.RINGING, Event.SILENCE): State.RINGING,
    (State.ANSWERED, Event.ANSWER): State.ANSWERED,
    (State.ANSWERED, Event.ACK): State.UP,
    (State.ANSWERED, Event.BYE): State.OVER,  # has overtaken the ACK
    (State.ANSWERED, Event.CANCEL): State.ANSWERED,  # too late: §9.2
    (State.ANSWERED, Event.SILENCE): State.OVER,  # §13.3.1.4
    (State.UP, Event.ANSWER): State.UP,
    (State.UP, Event.ACK): State.UP,  # again, with a 200 that came again
    (State.UP, Event.BYE): State.OVER,
    (State.UP, Event.CANCEL): State.UP,
    (State.UP, Event.SILENCE): State.UP,
    (State.OVER, Event.ANSWER): State.OVER,
    (State.OVER, Event.ACK): State.OVER,
    (State.OVER, Event.BYE): State.OVER,
    (State.OVER, Event.CANCEL): State.OVER,
    (State.OVER, Event.SILENCE): State.OVER,
}


class Callee:
    """One call at its callee."""

    __slots__ = ("_callees", "_line", "_resender", "incoming", "key", "state")

    def __init__(self, callees: Callees, line: Line, incoming: Incoming, key: tuple[str, str]) -> None:
        self._callees, self._line, self.incoming, self.key = callees, line, incoming, key
        self._resender: Resender | None = None
        self.state = State.RINGING

    def on_event(self, event: Event) -> State:
        """One step of the table, and what it brings."""
        before, self.state = self.state, TABLE[self.state, event]
        if self.state is before:
            return before
        if self.state is State.ANSWERED:
            self._answer()
        elif self._resender is not None:
            self._resender.stop()
        if self.state is State.OVER:
            self._callees.calls.pop(self.key, None)
            if before is State.RINGING:
                self._line.respond(self.incoming, 487, to_tag=self.key[1])
        return before

    def _answer(self) -> None:
        callees, message = self._callees, self.incoming.message
        flow = self.incoming.flow
        fields = [("Record-Route", value) for value in message.get_all("Record-Route")]
        fields += [("Contact", contact(self.incoming)), ("Content-Type", "application/sdp")]
        data = self._line.respond(self.incoming, 200, to_tag=self.key[1], fields=fields, body=callees.answer)
        if data is not None:
            self._resender = Resender(self._line, flow, data, most=4.0, on_timeout=self._unheard, on_again=self._again)

    def _again(self) -> None:
        self._callees.desk.tally.resent += 1

    def _unheard(self) -> None:
        self.on_event(Event.SILENCE)
        self._callees.desk.tally.tell("a 200 to INVITE had no ACK")


def contact(incoming: Incoming) -> str:
    """Where the callee of a request is reached: by the flow that it came by."""
    uri = incoming.message.uri
    return f"<sip:{(uri.user if uri is not None else None) or 'callee'}@{incoming.flow.contact_host}>"


class Callees:
    """All calls at the callees of one process."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.calls: dict[tuple[str, str], Callee] = {}
        """By Call-ID and our tag."""
        self.answer = b""

    def describe(self, host: str) -> None:
        """The session description of every answer."""
        self.answer = description(host, 40002)

    def on_request(self, line: Line, incoming: Incoming) -> None:
        """Whatever comes."""
        essentials = incoming.message.essentials()
        method = essentials.method
        if method == "INVITE" and essentials.to_tag is None:
            self._invite(line, incoming, essentials.call_id)
            return
        key = (essentials.call_id, essentials.to_tag or "")
        call = self.calls.get(key)
        if method == "ACK":
            if call is not None:
                call.on_event(Event.ACK)
        elif method == "BYE":
            line.respond(incoming, 200 if call is not None else 481)
            if call is not None:
                call.on_event(Event.BYE)
            else:
                self.desk.tally.strays += 1
        elif method == "CANCEL":
            self._cancel(line, incoming)
        elif method == "MESSAGE":
            self._message(line, incoming, essentials.call_id)
        elif method in {"OPTIONS", "NOTIFY"}:  # a ping of the server, or news that nobody asked for
            line.respond(incoming, 200, to_tag=self.desk.word(), fields=[("Allow", ALLOW)])
        else:
            self.desk.tally.strays += 1
            line.respond(incoming, 405, to_tag=self.desk.word(), fields=[("Allow", ALLOW)])

    def _invite(self, line: Line, incoming: Incoming, call_id: str) -> None:
        sent = self.desk.expected.get(call_id)
        tag = self.desk.word()
        if incoming.is_merged:
            line.respond(incoming, 482, to_tag=tag)
            return
        if not isinstance(sent, Invite):
            self.desk.tally.strays += 1
            line.respond(incoming, 480, to_tag=tag)
            return
        if not self._is_unchanged(incoming, sent.draft.body):
            line.respond(incoming, 488, to_tag=tag)
            return
        sent.arrived = True
        call = self.calls[call_id, tag] = Callee(self, line, incoming, (call_id, tag))
        fields = [("Record-Route", value) for value in incoming.message.get_all("Record-Route")]
        fields.append(("Contact", contact(incoming)))
        line.respond(incoming, 180, to_tag=tag, fields=fields)
        ring = self.desk.plan.ring
        if ring > 0:
            asyncio.get_running_loop().call_later(ring, call.on_event, Event.ANSWER)
        else:
            call.on_event(Event.ANSWER)

    def _message(self, line: Line, incoming: Incoming, call_id: str) -> None:
        sent = self.desk.expected.get(call_id)
        if not isinstance(sent, Text):
            self.desk.tally.strays += 1
            line.respond(incoming, 480, to_tag=self.desk.word())
        elif self._is_unchanged(incoming, sent.draft.body):
            sent.arrived = True
            line.respond(incoming, 200, to_tag=self.desk.word())
        else:
            line.respond(incoming, 488, to_tag=self.desk.word())

    def _is_unchanged(self, incoming: Incoming, body: bytes) -> bool:
        if incoming.message.body == body:
            return True
        self.desk.tally.tell(f"{incoming.message.method}: the body came changed")
        return False

    def _cancel(self, line: Line, incoming: Incoming) -> None:
        line.respond(incoming, 200 if incoming.invite is not None else 481, to_tag=self.desk.word())
        for call in list(self.calls.values()):
            if call.incoming.id == incoming.invite:
                call.on_event(Event.CANCEL)
