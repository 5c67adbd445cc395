"""A request before it is sent: what a user agent decides, as octets without Via. RFC 3261 §8.1.1.

The transaction layer puts the Via on top and refuses what may not be sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dialplane.ua.errors import MisuseError

_USUAL_HEAD = 900
"""Octets that the head of a request hardly ever has."""

Fields = Sequence[tuple[str, str]]
"""Further header fields: names and values."""

ALLOW = "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, OPTIONS, MESSAGE, NOTIFY, REFER, SUBSCRIBE"
SUPPORTED = "100rel, timer, replaces, norefersub, outbound, path, gruu"


def new_tag() -> str:
    """A tag with 64 bits of chance. RFC 3261 §19.3."""
    return secrets.token_hex(8)


def new_call_id() -> str:
    """A Call-ID that is unique everywhere. RFC 3261 §8.1.1.4."""
    return secrets.token_hex(16)


@dataclass(slots=True)
class Draft:
    """A request that may still change: its credentials and its CSeq do, when it is challenged."""

    method: str
    uri: str
    from_: str
    """Value of From, with its tag."""
    to: str
    call_id: str
    cseq: int
    routes: tuple[str, ...] = ()
    """Route values, in order."""
    contact: str | None = None
    fields: list[tuple[str, str]] = field(default_factory=list)
    credentials: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    content_type: str = "application/sdp"
    offers_keep_alives: bool = False
    """Asks the next hop whether it takes keep-alives, by ``keep`` in Via. RFC 6223 §4.3."""

    def encode(self) -> bytes:
        """The octets, with a user agent's own fields."""
        more = [f"Route: {route}" for route in self.routes]
        if self.contact is not None:
            more.append(f"Contact: {self.contact}")
        more += [f"{name}: {value}" for name, value in (*self.fields, *self.credentials)]
        if self.body:
            more.append(f"Content-Type: {self.content_type}")
        first = (
            f"{self.method} {self.uri} SIP/2.0\r\nMax-Forwards: 70\r\nFrom: {self.from_}\r\nTo: {self.to}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {self.cseq} {self.method}"
        )
        head = "\r\n".join((first, *more, f"Content-Length: {len(self.body)}"))
        breaks = 6 + len(more)
        # No value can begin a line of its own.
        if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
            raise MisuseError(f"a header field of {self.method} holds a line break")
        return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body

    def again(self, cseq: int) -> Draft:
        """The same request for another try: RFC 3261 §8.1.3.5, §22.2."""
        return replace(self, cseq=cseq, fields=list(self.fields), credentials=[])

    def is_larger_than(self, octets: int) -> bool:
        """Whether it has more octets than these; written only when that is not plain."""
        return len(self.body) + _USUAL_HEAD > octets and len(self.encode()) > octets

    @property
    def next_hop(self) -> str:
        """The URI that says where it goes: the first Route, or the request URI. RFC 3261 §8.1.2, §12.2.1.1."""
        if self.routes:
            value = self.routes[0]
            return value[value.index("<") + 1 : value.index(">")] if "<" in value else value
        return self.uri
