"""Who has offered and who owes an answer. RFC 3264 §4, RFC 3261 §14, RFC 3311 §5, RFC 6337.

Without input or output: the table says what each event does in each state, or why it must not be.
"""

from __future__ import annotations

import enum
from typing import Literal, TypeAlias


class State(enum.Enum):
    """Of one session."""

    STABLE = "no offer is open"
    OFFERED = "we wait for an answer"
    ASKED = "we owe an answer"


class Event(enum.Enum):
    """What happens to it."""

    SEND_OFFER = "we offer"
    RECEIVE_ANSWER = "the peer answers"
    RECEIVE_OFFER = "the peer offers"
    SEND_ANSWER = "we answer"
    REFUSE = "the request that carried the offer was refused, by either side"


Refusal: TypeAlias = Literal["glare", "pending", "misplaced"]
"""``glare``: to be answered 491; ``pending``: 500 with Retry-After; ``misplaced``: no such thing can be now."""

TABLE: dict[tuple[State, Event], State | Refusal] = {
    (State.STABLE, Event.SEND_OFFER): State.OFFERED,
    (State.STABLE, Event.RECEIVE_ANSWER): "misplaced",
    (State.STABLE, Event.RECEIVE_OFFER): State.ASKED,
    (State.STABLE, Event.SEND_ANSWER): "misplaced",
    (State.STABLE, Event.REFUSE): State.STABLE,  # of a request without an offer
    (State.OFFERED, Event.SEND_OFFER): "pending",
    (State.OFFERED, Event.RECEIVE_ANSWER): State.STABLE,
    (State.OFFERED, Event.RECEIVE_OFFER): "glare",  # §14.2: 491
    (State.OFFERED, Event.SEND_ANSWER): "misplaced",
    (State.OFFERED, Event.REFUSE): State.STABLE,  # §14.1: as if it had never been
    (State.ASKED, Event.SEND_OFFER): "pending",
    (State.ASKED, Event.RECEIVE_ANSWER): "misplaced",
    (State.ASKED, Event.RECEIVE_OFFER): "pending",  # §14.2: 500 with Retry-After
    (State.ASKED, Event.SEND_ANSWER): State.STABLE,
    (State.ASKED, Event.REFUSE): State.STABLE,
}


class OfferAnswer:
    """The exchange of one session."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = State.STABLE

    def on_event(self, event: Event) -> Refusal | None:
        """One step of the table; what must not be changes nothing."""
        after = TABLE[self.state, event]
        if isinstance(after, str):
            return after
        self.state = after
        return None
