"""What one side can do with a stream, and what both have agreed on: the words of ``negotiation``."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from dialplane.sdp.crypto import Crypto
    from dialplane.sdp.description import Attribute, Media
    from dialplane.sdp.formats import Format


class Direction(enum.Enum):
    """RFC 8866 §6.7, seen from whoever wrote it."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether whoever wrote it sends."""
        return self in {Direction.SENDRECV, Direction.SENDONLY}

    @property
    def receives(self) -> bool:
        """Whether whoever wrote it receives."""
        return self in {Direction.SENDRECV, Direction.RECVONLY}

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        """The direction of these two."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    def reversed(self) -> Direction:
        """The same from the other side."""
        return Direction.of(sends=self.receives, receives=self.sends)

    def __and__(self, other: Direction) -> Direction:
        return Direction.of(sends=self.sends and other.sends, receives=self.receives and other.receives)

    @property
    def held(self) -> Direction:
        """What puts a stream of this direction on hold, RFC 3264 §8.4: nothing is received any more."""
        return self & Direction.SENDONLY


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """What we can do, and want, for one media line."""

    label: str
    """Name by which the same stream is known in later offers; its media line stays where it is."""
    kind: str
    """``audio``, ``video``."""
    port: int
    """Where we receive RTP."""
    address: str | None = None
    """Where we receive, if it is not the session's address."""
    formats: tuple[Format, ...] = ()
    """In order of preference. A payload type in it is a wish: the number of an offer goes before."""
    direction: Direction = Direction.SENDRECV
    protocols: tuple[str, ...] = ("RTP/AVP",)
    """What is taken; the first is offered. The feedback profiles (RFC 4585, RFC 5124) are taken with the plain ones."""
    ptime: int | None = None
    """Milliseconds in a packet that we would like to receive."""
    rtcp_port: int | None = None
    """Where we receive RTCP, if it is not the port above (RFC 3605)."""
    rtcp_mux: bool = False
    """Whether we can do RTP and RTCP on one port (RFC 5761)."""
    crypto: tuple[Crypto, ...] = ()
    """Our keys, one for each suite we can do."""
    attributes: tuple[Attribute, ...] = ()
    """Further attributes, such as candidates, written as they are."""


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one media line after an answer."""

    label: str | None
    """The stream of ours, or None: the line is refused."""
    kind: str
    protocol: str = ""
    direction: Direction = Direction.INACTIVE
    """Ours."""
    remote: tuple[str, int] | None = None
    """Where to send RTP; None if nothing may be sent (refused, or the address 0.0.0.0)."""
    remote_rtcp: tuple[str, int] | None = None
    send: tuple[Format, ...] = ()
    """What the other side takes, with its payload types, best first."""
    receive: tuple[Format, ...] = ()
    """What we take, with our payload types."""
    ptime: int | None = None
    """What the other side would like to receive, in milliseconds."""
    maxptime: int | None = None
    rtcp_mux: bool = False
    send_crypto: Crypto | None = None
    receive_crypto: Crypto | None = None
    theirs: Media | None = None
    """The other side's media description, with everything in it."""

    @property
    def is_accepted(self) -> bool:
        """Whether there is a stream."""
        return self.label is not None
