"""What a call needs of its media: descriptions offered, answered and accepted. RFC 3264.

:class:`Media` is what ``dialplane.media`` implements. :class:`Description` is for whoever brings session
descriptions of his own, as bytes.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from dialplane.ua.errors import NegotiationError

Direction: TypeAlias = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

_DIRECTION = re.compile(rb"^a=(sendrecv|sendonly|recvonly|inactive)\r?$", re.MULTILINE)
_VERSION = re.compile(rb"^(o=\S+ \S+ )(\d+)", re.MULTILINE)
_REVERSED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


@runtime_checkable
class Media(Protocol):
    """The media of one call."""

    def offer(self) -> bytes:
        """A session description to offer; another one after :meth:`hold`."""
        ...

    def answer(self, offer: bytes, /) -> bytes:
        """The answer to an offer. Raises an error when nothing of it can be accepted: 488."""
        ...

    def accept(self, answer: bytes, /) -> None:
        """Takes the answer to the last offer. Raises an error when it does not fit."""
        ...

    def hold(self, on: bool, /) -> None:  # noqa: FBT001 - positional, and only on or off
        """From now on, offers and answers ask the peer to be silent, or no longer."""
        ...

    def close(self) -> None:
        """The call is over."""
        ...


def direction_of(description: bytes) -> Direction:
    """The direction of the first stream that has one. RFC 8866 §6.7."""
    found = _DIRECTION.search(description)
    return found[1].decode() if found else "sendrecv"  # type: ignore[return-value]


def with_direction(description: bytes, direction: Direction) -> bytes:
    """The same streams in another direction."""
    line = b"a=" + direction.encode()
    if _DIRECTION.search(description):
        return _DIRECTION.sub(lambda found: line + (b"\r" if found[0].endswith(b"\r") else b""), description)
    lines = description.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    streams = [at for at, one in enumerate(lines) if one.startswith(b"m=")]
    for at in reversed([*streams[1:], len(lines)] if streams else []):
        lines.insert(at, line)
    return b"\r\n".join(lines) + b"\r\n"


class Description:
    """A session description of the program's own, the same for offer and answer."""

    def __init__(self, description: bytes) -> None:
        self._description = description
        self._held = False
        self.remote: bytes | None = None
        """What the peer described last."""

    def offer(self) -> bytes:
        """The description, with its direction and a version of its own (RFC 3264 §8)."""
        return self._next("sendonly" if self._held else "sendrecv")

    def answer(self, offer: bytes, /) -> bytes:
        """The description, in a direction that fits the offer. RFC 3264 §6.1."""
        if not re.search(rb"^m=", offer, re.MULTILINE):
            raise NegotiationError("the peer offers no stream at all")
        self.remote = offer
        wanted = _REVERSED[direction_of(offer)]
        if self._held:
            wanted = "sendonly" if wanted in {"sendrecv", "sendonly"} else "inactive"
        return self._next(wanted)

    def accept(self, answer: bytes, /) -> None:
        """Takes note of the answer."""
        self.remote = answer

    def hold(self, on: bool, /) -> None:  # noqa: FBT001 - as in Media
        """Sends only."""
        self._held = on

    def close(self) -> None:
        """Nothing to close."""

    def _next(self, direction: Direction) -> bytes:
        found = _DIRECTION.search(self._description)
        if found is not None and found[1] == direction.encode() and len(_DIRECTION.findall(self._description)) == 1:
            return self._description
        changed = with_direction(self._description, direction)
        if direction_of(self._description) != direction or changed != self._description:
            changed = _VERSION.sub(lambda found: found[1] + str(int(found[2]) + 1).encode(), changed, count=1)
        self._description = changed
        return changed


def media_of(media: Media | bytes | str | None) -> Media | None:
    """Media as the user gave it."""
    if isinstance(media, str):
        media = media.encode()
    return Description(media) if isinstance(media, bytes) else media
