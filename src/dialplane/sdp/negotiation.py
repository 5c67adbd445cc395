"""Offer and answer: RFC 3264, with RFC 6337. No sockets, no clock: descriptions in, descriptions out.

The state is whose offer waits for an answer. Every event in every state is in ``TABLE``; what is not allowed is an
error that leaves everything as it was::

    state         our offer    our answer  their offer   their answer  withdrawn
    stable        local offer  error       remote offer  error         error
    local offer   error        error       glare         stable        stable
    remote offer  error        stable      overlap       error         stable

What was agreed before an offer holds until its answer, and goes on to hold if the offer is refused.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from dialplane.sdp.description import Connection, Description, Line, Media, Origin, Section, parse
from dialplane.sdp.errors import GlareError, MomentError, NegotiationError, OverlapError
from dialplane.sdp.matching import Slot, agree, answer_media, offer_media, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialplane.sdp.stream import Agreed, Stream


class State(enum.Enum):
    """Whose offer waits for an answer."""

    STABLE = "stable"
    LOCAL_OFFER = "local offer"
    REMOTE_OFFER = "remote offer"


class Event(enum.Enum):
    """What can happen."""

    OFFER = "our offer"
    ANSWER = "our answer"
    RECEIVE_OFFER = "their offer"
    RECEIVE_ANSWER = "their answer"
    WITHDRAW = "withdrawn"


TABLE: dict[State, dict[Event, State | type[NegotiationError]]] = {
    State.STABLE: {
        Event.OFFER: State.LOCAL_OFFER,
        Event.ANSWER: MomentError,
        Event.RECEIVE_OFFER: State.REMOTE_OFFER,
        Event.RECEIVE_ANSWER: NegotiationError,
        Event.WITHDRAW: MomentError,
    },
    State.LOCAL_OFFER: {
        Event.OFFER: MomentError,
        Event.ANSWER: MomentError,
        Event.RECEIVE_OFFER: GlareError,
        Event.RECEIVE_ANSWER: State.STABLE,
        Event.WITHDRAW: State.STABLE,
    },
    State.REMOTE_OFFER: {
        Event.OFFER: MomentError,
        Event.ANSWER: State.STABLE,
        Event.RECEIVE_OFFER: OverlapError,
        Event.RECEIVE_ANSWER: NegotiationError,
        Event.WITHDRAW: State.STABLE,
    },
}


class Negotiation:
    """The two sides' descriptions of one session, and what they have agreed on."""

    def __init__(self, *, address: str, session_id: int, username: str = "-", name: str = "-") -> None:
        self._address = address
        self._name = name
        self._origin = Origin(username, session_id, session_id, "IN", "IP6" if ":" in address else "IP4", address)
        self._state = State.STABLE
        self._slots: list[Slot] = []
        self._pending: list[Slot] = []
        self._sent: Description | None = None
        self._offered: Description | None = None
        self._received: Description | None = None
        self._agreed: tuple[Agreed, ...] = ()

    @property
    def state(self) -> State:
        """Whose offer waits."""
        return self._state

    @property
    def agreed(self) -> tuple[Agreed, ...]:
        """What holds, one for each media line."""
        return self._agreed

    @property
    def remote(self) -> Description | None:
        """The other side's last description: its offer that waits, or the one that holds."""
        return self._offered if self._state is State.REMOTE_OFFER else self._received

    def offer(self, streams: Sequence[Stream]) -> bytes:
        """Our offer. A stream keeps its media line; one that is no longer named is offered with port 0 (§8.2)."""
        after = self._after(Event.OFFER)
        slots = [slot.copy() for slot in self._slots]
        wanted = {stream.label: stream for stream in streams}
        for stream in streams:
            if all(slot.label != stream.label for slot in slots):
                slots.append(Slot(stream.label, stream.kind))
        media = tuple(offer_media(slot, wanted.get(slot.label or "")) for slot in slots)
        description = self._describe(media, (Line("t", "0 0"),))
        self._pending, self._state = slots, after
        self._sent = description
        return description.build()

    def receive_offer(self, octets: bytes) -> Description:
        """The other side's offer; it waits for ``answer`` or ``withdraw``."""
        description = parse(octets)
        after = self._after(Event.RECEIVE_OFFER)
        if len(description.media) < len(self._slots):
            raise NegotiationError(
                f"the offer has {len(description.media)} media lines, the session {len(self._slots)}: a line may be "
                "refused, but stays (RFC 3264 §8)"
            )
        for slot, media in zip(self._slots, description.media, strict=False):
            if slot.label is not None and slot.kind != media.kind and not media.is_rejected:
                slot.label = None  # §8.3.3: a line may change its type; for us it is a new stream
                slot.kind = media.kind
        self._offered, self._state = description, after
        return description

    def answer(self, streams: Sequence[Stream]) -> bytes:
        """Our answer to the waiting offer.

        A media line goes to the stream that has had it before, else to the first that fits and is still free, else it
        is refused. If nothing at all can be taken, the whole offer is refused: ``NegotiationError``, nothing has
        changed, and the offer is withdrawn (§6.1).
        """
        after = self._after(Event.ANSWER)
        offered = self._offered
        if offered is None:  # the state says that there is one
            raise MomentError("no offer waits for an answer")
        slots = [slot.copy() for slot in self._slots]
        slots += [Slot(None, media.kind) for media in offered.media[len(slots) :]]
        free = {stream.label: stream for stream in streams}
        held = [free.pop(slot.label, None) if slot.label is not None else None for slot in slots]
        lines = []
        for place, media in enumerate(offered.media):
            line = None
            owner = held[place]
            for stream in [owner] if owner else [stream for stream in free.values() if stream.kind == media.kind]:
                line = answer_media(slots[place], offered, media, stream)
                if line:
                    free.pop(stream.label, None)
                    break
            slots[place].refused = refuse(media)
            lines.append(line or slots[place].refused)
        if all(line.is_rejected for line in lines) and not all(media.is_rejected for media in offered.media):
            self._state, self._offered = State.STABLE, None
            raise NegotiationError("no stream of the offer has a format and a protocol that we can do")
        times = tuple(line for line in offered.session.lines if line.type in "trz")
        description = self._describe(tuple(lines), times)
        self._sent, self._received, self._offered = description, offered, None
        self._slots, self._state = slots, after
        self._agreed = tuple(
            agree(slot, offered, theirs, ours, is_offerer=False)
            for slot, theirs, ours in zip(slots, offered.media, description.media, strict=True)
        )
        return description.build()

    def receive_answer(self, octets: bytes) -> tuple[Agreed, ...]:
        """The other side's answer to our offer."""
        description = parse(octets)
        after = self._after(Event.RECEIVE_ANSWER)
        sent = self._sent
        if sent is None or len(description.media) != len(sent.media):
            count = len(sent.media) if sent else 0
            raise NegotiationError(f"the answer has {len(description.media)} media lines, the offer {count}")
        for number, (ours, theirs) in enumerate(zip(sent.media, description.media, strict=True), 1):
            if ours.kind != theirs.kind:
                raise NegotiationError(f"media line {number} was offered as {ours.kind}, answered as {theirs.kind}")
        agreed = tuple(
            agree(slot, description, theirs, ours, is_offerer=True)
            for slot, theirs, ours in zip(self._pending, description.media, sent.media, strict=True)
        )
        self._agreed = agreed
        self._slots, self._pending = self._pending, []
        self._received, self._state = description, after
        return agreed

    def withdraw(self) -> None:
        """The waiting offer was refused, by either side: what was agreed before holds."""
        self._state = self._after(Event.WITHDRAW)
        self._offered = None
        # The lines of a refused offer were never agreed on (§8); numbers that it gave to formats stay given (§8.3.2).
        for slot, pending in zip(self._slots, self._pending, strict=False):
            slot.numbers.update(pending.numbers)
        self._pending = []

    def _after(self, event: Event) -> State:
        after = TABLE[self._state][event]
        if isinstance(after, State):
            return after
        raise after(f"{event.value} does not fit the state: {self._state.value}")

    def _describe(self, media: tuple[Media, ...], times: tuple[Line, ...]) -> Description:
        # §5, §8: the version tells whether anything is different from what we sent last.
        origin = self._origin if self._sent is None else self._sent.origin
        lines = (Line("v", "0"), origin.line(), Line("s", self._name), Connection.of(self._address).line(), *times)
        description = Description(Section(lines), media)
        if self._sent is None or description.build() == self._sent.build():
            return description
        origin = origin._replace(version=origin.version + 1)
        return msgspec.structs.replace(description, session=Section((lines[0], origin.line(), *lines[2:])))
