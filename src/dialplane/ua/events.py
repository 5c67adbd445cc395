"""What a call tells its program, in the order in which it happens."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec


class Ringing(msgspec.Struct, frozen=True):
    """The other side is alerting, or there is other news of the way: 181, 182, 183."""

    code: int
    reason: str


class EarlyMedia(msgspec.Struct, frozen=True):
    """A description came before the answer: announcements and ringing tones may be heard. RFC 3960."""

    description: bytes


class Answered(msgspec.Struct, frozen=True):
    """The call is up."""


class Held(msgspec.Struct, frozen=True):
    """The peer has put the call on hold."""


class Resumed(msgspec.Struct, frozen=True):
    """The peer talks again."""


class Renegotiated(msgspec.Struct, frozen=True):
    """The peer has changed the session; its description is what it offered or answered."""

    description: bytes


class Digit(msgspec.Struct, frozen=True):
    """A DTMF digit in an INFO request; those of RFC 4733 come by the media."""

    digit: str
    milliseconds: int


class Transferred(msgspec.Struct, frozen=True):
    """News of a transfer that we asked for: the status of the call to the new target. RFC 3515 §2.4.4."""

    code: int
    reason: str


class Redirected(msgspec.Struct, frozen=True):
    """The call is tried at another address, as a 3xx asked."""

    uri: str


class Ended(msgspec.Struct, frozen=True):
    """The call is over; the last event."""

    by: Literal["us", "peer", "network"]
    code: int | None = None
    """The status that ended it, when it never was up; the cause of a Reason header otherwise (RFC 3326)."""
    reason: str = ""


CallEvent: TypeAlias = (
    Ringing | EarlyMedia | Answered | Held | Resumed | Renegotiated | Digit | Transferred | Redirected | Ended
)
