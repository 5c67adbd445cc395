"""One request and its final response. Exactly one outcome each; the table says which event leads to it.

A challenge is answered and is no outcome. What comes after the patience has ended is counted, and changes nothing.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar

from dialplane_native import DialplaneError

if TYPE_CHECKING:
    from dialplane.bench.desk import Desk
    from dialplane.bench.line import Line
    from dialplane.bench.subscriber import Subscriber
    from dialplane.ua.draft import Draft
    from dialplane.ua.transport import Flow
    from dialplane_native import Message

_TRIES = 3


class State(enum.Enum):
    """Of one exchange."""

    WAITING = "waiting for a final response"
    LOST = "nobody waits any more"
    OVER = "has its outcome"


class Event(enum.Enum):
    """What happens to an exchange."""

    PROVISIONAL = "1xx"
    CHALLENGE = "401 or 407 that can be answered"
    SUCCESS = "2xx"
    REFUSAL = "another final response"
    WRONG = "a response that does not fit the request"
    SILENCE = "the patience has ended"
    FAILURE = "the connection failed, or the transaction timed out"


class Act(enum.Enum):
    """What is done about it."""

    NOTHING = "nothing"
    HEAR = "a provisional response is noted"
    AGAIN = "sent again with credentials"
    GOOD = "counted as good"
    FAILED = "counted as failed, by status"
    WRONG = "counted as wrong"
    LOST = "counted as lost"
    LATE = "counted as late, too"
    REPEATED = "counted as repeated"


TABLE: dict[tuple[State, Event], tuple[State, Act]] = {
    (State.WAITING, Event.PROVISIONAL): (State.WAITING, Act.HEAR),
    (State.WAITING, Event.CHALLENGE): (State.WAITING, Act.AGAIN),
    (State.WAITING, Event.SUCCESS): (State.OVER, Act.GOOD),
    (State.WAITING, Event.REFUSAL): (State.OVER, Act.FAILED),
    (State.WAITING, Event.WRONG): (State.OVER, Act.WRONG),
    (State.WAITING, Event.SILENCE): (State.LOST, Act.LOST),
    (State.WAITING, Event.FAILURE): (State.OVER, Act.FAILED),
    (State.LOST, Event.PROVISIONAL): (State.LOST, Act.NOTHING),
    (State.LOST, Event.CHALLENGE): (State.OVER, Act.LATE),
    (State.LOST, Event.SUCCESS): (State.OVER, Act.LATE),
    (State.LOST, Event.REFUSAL): (State.OVER, Act.LATE),
    (State.LOST, Event.WRONG): (State.OVER, Act.LATE),
    (State.LOST, Event.SILENCE): (State.LOST, Act.NOTHING),
    (State.LOST, Event.FAILURE): (State.OVER, Act.NOTHING),
    (State.OVER, Event.PROVISIONAL): (State.OVER, Act.NOTHING),  # overtaken by the final response
    (State.OVER, Event.CHALLENGE): (State.OVER, Act.REPEATED),
    (State.OVER, Event.SUCCESS): (State.OVER, Act.REPEATED),
    (State.OVER, Event.REFUSAL): (State.OVER, Act.REPEATED),
    (State.OVER, Event.WRONG): (State.OVER, Act.REPEATED),
    (State.OVER, Event.SILENCE): (State.OVER, Act.NOTHING),
    (State.OVER, Event.FAILURE): (State.OVER, Act.NOTHING),
}


class Exchange:
    """Base of all requests of the generator."""

    __slots__ = ("desk", "draft", "due", "line", "number", "state", "subscriber", "tries")
    method: ClassVar[str]

    def __init__(self, desk: Desk, subscriber: Subscriber, due: int, draft: Draft) -> None:
        self.desk, self.subscriber, self.due, self.draft = desk, subscriber, due, draft
        self.line: Line = subscriber.line
        self.state = State.WAITING
        self.tries = _TRIES
        self.number = 0

    @property
    def flow(self) -> Flow:
        """The way that its request goes."""
        return self.line.flow

    def begin(self) -> None:
        """Sends it."""
        self.desk.waiting[self] = self.desk.now() + self.desk.patience
        self._send()

    def _send(self) -> None:
        wallet = self.subscriber.wallet
        if wallet.is_used:
            self.draft.credentials = wallet.fields(self.method, self.draft.uri, self.draft.body, "")
        try:
            self.number = self.line.request(self.draft, self.flow, self)
        except OverflowError:
            self.step(Event.FAILURE, "too many transactions at one time")

    def on_reply(self, message: Message, flow: Flow) -> None:  # noqa: ARG002 - the endpoint's signature
        """A response: held against the request, then one step of the table."""
        status = message.status or 0
        try:
            fault = self._fault(message, status)
        except DialplaneError as error:
            fault = f"cannot be read: {error}"
        if fault is not None:
            self.step(Event.WRONG, f"{self.method}: {status} {message.reason}: {fault}", message)
        elif status < 200:
            self.step(Event.PROVISIONAL, "", message)
        elif status < 300:
            self.step(Event.SUCCESS, "", message)
        elif status in {401, 407} and self.tries and self.subscriber.wallet.take(message, ""):
            self.step(Event.CHALLENGE, "", message)
        else:
            self.step(Event.REFUSAL, f"{status} {message.reason}", message)

    def on_failure(self, kind: str) -> None:
        """There will be no response."""
        self.step(Event.FAILURE, "no response at all" if kind == "timeout" else "connection lost")

    def step(self, event: Event, text: str = "", message: Message | None = None) -> None:
        """One step of the table."""
        self.state, act = TABLE[self.state, event]
        if act is Act.NOTHING:
            return
        tally = self.desk.tally
        if act is Act.HEAR and message is not None:
            self.on_provisional(message)
        elif act is Act.AGAIN:
            self.tries -= 1
            tally.challenged += 1
            self.draft.cseq = self.subscriber.next_cseq(self.draft.cseq)
            self._send()
        elif act is Act.GOOD and message is not None:
            self.desk.waiting.pop(self, None)
            self.desk.note(f"{self.method} to 200", self.due)
            self.on_success(message)
        elif act is Act.LATE:
            tally.late += 1
            self.on_late(message)
        elif act is Act.REPEATED:
            tally.repeated += 1
            self.on_late(message)
        else:
            self.desk.waiting.pop(self, None)
            self._bad(act, text)

    def _bad(self, act: Act, text: str) -> None:
        tally = self.desk.tally
        if act is Act.LOST:
            tally.lost += 1
        elif act is Act.WRONG:
            tally.wrong += 1
            tally.tell(text)
        else:
            tally.failed[text] += 1
        self.on_bad()
        self.desk.closed()

    def _fault(self, message: Message, status: int) -> str | None:
        """What does not fit; the transaction has matched branch and method already."""
        essentials, draft = message.essentials(), self.draft
        if essentials.call_id != draft.call_id:
            return "another Call-ID"
        if essentials.cseq != draft.cseq:
            return f"CSeq {essentials.cseq}, not {draft.cseq}"
        if not draft.from_.endswith(f";tag={essentials.from_tag}"):
            return "another From tag"
        if essentials.to_tag is None and status > 100:
            return "no To tag"
        return self.fault(message) if 200 <= status < 300 else None

    def fault(self, message: Message) -> str | None:  # noqa: ARG002 - for those who look closer
        """What does not fit in a 2xx."""
        return None

    def on_provisional(self, message: Message) -> None:
        """A provisional response."""

    def on_success(self, message: Message) -> None:  # noqa: ARG002 - a call goes on from here
        """A 2xx in time."""
        self.desk.tally.good += 1
        self.desk.closed()

    def on_late(self, message: Message | None) -> None:
        """A final response when nobody waited any more."""

    def on_bad(self) -> None:
        """Counted as failed, lost or wrong."""


class Register(Exchange):
    """REGISTER; the 2xx must hold our binding, unless it was to go. RFC 3261 §10."""

    __slots__ = ("_expires",)
    method = "REGISTER"

    def __init__(self, desk: Desk, subscriber: Subscriber, due: int, expires: int) -> None:
        super().__init__(desk, subscriber, due, subscriber.register(expires))
        self._expires = expires

    def fault(self, message: Message) -> str | None:
        """The binding is there, for some time."""
        if not self._expires:
            return None
        for contact in message.contacts:
            if contact.uri_text == self.subscriber.contact_uri:
                seconds = contact.params.get("expires") or message.get("Expires") or "0"
                return None if seconds.isdecimal() and int(seconds) > 0 else "the binding has ended"
        return "our contact is not among the bindings"

    def on_success(self, message: Message) -> None:
        """The first of a user, or a refresh."""
        tally, subscriber = self.desk.tally, self.subscriber
        if subscriber.is_registered:
            tally.refreshed += 1
        else:
            tally.first += 1
        subscriber.is_registered = self._expires > 0
        if self.desk.plan.is_fresh:
            subscriber.wallet.forget()
        super().on_success(message)


class Options(Exchange):
    """OPTIONS. RFC 3261 §11."""

    __slots__ = ()
    method = "OPTIONS"

    def __init__(self, desk: Desk, subscriber: Subscriber, due: int, uri: str) -> None:
        super().__init__(desk, subscriber, due, subscriber.request("OPTIONS", uri, desk.word()))


class Text(Exchange):
    """MESSAGE, which must reach our callee as it was sent. RFC 3428."""

    __slots__ = ("arrived",)
    method = "MESSAGE"

    def __init__(self, desk: Desk, subscriber: Subscriber, due: int, uri: str, body: bytes) -> None:
        super().__init__(desk, subscriber, due, subscriber.request("MESSAGE", uri, desk.word(), body, "text/plain"))
        self.arrived = not desk.is_answering

    def begin(self) -> None:
        """Sends it; our callee is to see it."""
        self.desk.expected[self.draft.call_id] = self
        super().begin()

    def fault(self, message: Message) -> str | None:  # noqa: ARG002
        """It went through our callee."""
        return None if self.arrived else "answered by somebody else than our callee"

    def on_success(self, message: Message) -> None:
        """Over."""
        self.desk.expected.pop(self.draft.call_id, None)
        super().on_success(message)

    def on_bad(self) -> None:
        """Over."""
        self.desk.expected.pop(self.draft.call_id, None)
