"""A session description as it was written: RFC 8866 §5. Octets in, octets out.

A description is its lines, in their order; what is not understood stays. ``parse`` checks what others rely on
(version, origin, media lines, addresses, the order of the sections) and nothing else, ``Description.build`` writes the
lines back. Line ends may be LF on the way in (RFC 8866 §5: "parsers SHOULD be tolerant") and are CRLF on the way out;
empty lines before and behind the description, which some telephones send, are dropped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from dialplane.sdp.errors import SdpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")

MAX_OCTETS = 65536
MAX_LINES = 4096
MAX_MEDIA = 64

_NUMBER = re.compile(r"[0-9]{1,20}\Z")
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+\Z")
_PROTOCOL = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~/]+\Z")


class Line(NamedTuple):
    """One line: its letter, and what follows the equals sign."""

    type: str
    value: str


class Attribute(NamedTuple):
    """``a=name:value``, or ``a=name``."""

    name: str
    value: str | None = None

    def line(self) -> Line:
        """The attribute as a line."""
        return Line("a", self.name if self.value is None else f"{self.name}:{self.value}")


class Origin(NamedTuple):
    """``o=``, RFC 8866 §5.2."""

    username: str
    session_id: int
    version: int
    network: str
    address_type: str
    address: str

    def line(self) -> Line:
        """The origin as a line."""
        return Line("o", " ".join(map(str, self)))


class Connection(NamedTuple):
    """``c=``, RFC 8866 §5.7; the address without the TTL and the count of a multicast group."""

    network: str
    address_type: str
    address: str

    @classmethod
    def of(cls, address: str) -> Connection:
        """The connection line for an IPv4 or IPv6 address."""
        return cls("IN", "IP6" if ":" in address else "IP4", address)

    @property
    def is_hold(self) -> bool:
        """The address of RFC 2543 hold: nothing is to be sent (RFC 3264 §8.4)."""
        return self.address in {"0.0.0.0", "::"}  # noqa: S104

    def line(self) -> Line:
        """The connection as a line."""
        return Line("c", " ".join(self))


class Section(msgspec.Struct, frozen=True):
    """Lines of the session, or of one media description without its ``m=``."""

    lines: tuple[Line, ...] = ()

    def value(self, type_: str) -> str | None:
        """Value of the first line of this type."""
        for line in self.lines:
            if line.type == type_:
                return line.value
        return None

    def values(self, type_: str) -> list[str]:
        """Values of all lines of this type."""
        return [line.value for line in self.lines if line.type == type_]

    @property
    def connection(self) -> Connection | None:
        """The first ``c=`` line."""
        value = self.value("c")
        return None if value is None else _connection(value)

    def attributes(self) -> Iterator[Attribute]:
        """All attributes, in order."""
        for line in self.lines:
            if line.type == "a":
                name, colon, value = line.value.partition(":")
                yield Attribute(name, value if colon else None)

    def attribute(self, name: str) -> str | None:
        """Value of the first attribute of this name, "" for one without a value; None if there is none."""
        # Not by attributes(): this is asked for many names in each call, and makes no object for those that differ.
        start = f"{name}:"
        for type_, value in self.lines:
            if type_ == "a" and (value == name or value.startswith(start)):
                return value[len(start) :]
        return None

    def attribute_values(self, name: str) -> list[str]:
        """Values of all attributes of this name."""
        return [attribute.value or "" for attribute in self.attributes() if attribute.name == name]


class Media(Section, frozen=True, kw_only=True):
    """A media description, RFC 8866 §5.14: its ``m=`` line, and the lines behind it."""

    kind: str
    """``audio``, ``video``, ``text``, ``application``, ``message``, ``image``."""
    port: int
    port_count: int | None = None
    protocol: str = "RTP/AVP"
    formats: tuple[str, ...] = ()
    """Payload types, for RTP."""

    @property
    def is_rejected(self) -> bool:
        """Port 0: refused, or no longer there (RFC 3264 §6, §8.2)."""
        return self.port == 0

    def media_line(self) -> Line:
        """The ``m=`` line."""
        port = str(self.port) if self.port_count is None else f"{self.port}/{self.port_count}"
        return Line("m", " ".join((self.kind, port, self.protocol, *self.formats)))


class Description(msgspec.Struct, frozen=True):
    """A session description: the session's lines and the media descriptions."""

    session: Section
    media: tuple[Media, ...] = ()

    @property
    def origin(self) -> Origin:
        """The ``o=`` line."""
        return _origin(self.session.value("o") or "")

    def connection(self, media: Media) -> Connection | None:
        """Where this stream is to be sent: its own ``c=``, else the session's."""
        return media.connection or self.session.connection

    def build(self) -> bytes:
        """The octets."""
        out = [f"{line.type}={line.value}" for line in self.session.lines]
        for media in self.media:
            line = media.media_line()
            out.append(f"{line.type}={line.value}")
            out.extend(f"{line.type}={line.value}" for line in media.lines)
        out.append("")
        return "\r\n".join(out).encode("utf-8", "surrogateescape")


def parse(octets: bytes) -> Description:
    """The description in these octets; ``SdpError`` says which line is wrong, and why."""
    if len(octets) > MAX_OCTETS:
        raise SdpError(1, "", f"longer than {MAX_OCTETS} octets")
    lines = _lines(octets)
    _check_head(lines)
    starts = [number for number, line in enumerate(lines) if line.type == "m"]
    if len(starts) > MAX_MEDIA:
        raise SdpError(starts[MAX_MEDIA] + 1, "", f"more than {MAX_MEDIA} media descriptions")
    session = lines[: starts[0]] if starts else lines
    if not any(line.type == "t" for line in session):
        raise SdpError(len(session), "", "t= is missing before the first m=")
    _check_lines(lines)
    media = []
    ends = [*starts, len(lines)][1:]
    for start, end in zip(starts, ends, strict=True):
        kind, port, count, protocol, formats = _checked(start + 1, lines[start], _media_line)
        media.append(
            Media(
                lines=tuple(lines[start + 1 : end]),
                kind=kind,
                port=port,
                port_count=count,
                protocol=protocol,
                formats=formats,
            )
        )
    description = Description(Section(tuple(session)), tuple(media))
    if any(line.type == "c" for line in session):
        return description
    for start, stream in zip(starts, media, strict=True):
        if stream.port and not any(line.type == "c" for line in stream.lines):
            raise SdpError(start + 1, _text([lines[start]]), "no c= says where this stream goes")
    return description


def _check_head(lines: list[Line]) -> None:
    if not lines or lines[0] != ("v", "0"):
        raise SdpError(1, _text(lines[:1]), "a session description begins with v=0")
    if len(lines) < 2 or lines[1].type != "o":
        raise SdpError(2, _text(lines[1:2]), "o= is missing after v=")
    _checked(2, lines[1], _origin)
    if len(lines) < 3 or lines[2].type != "s":
        raise SdpError(3, _text(lines[2:3]), "s= is missing after o=")


def _check_lines(lines: list[Line]) -> None:
    for number, line in enumerate(lines, 1):
        if line.type == "c":
            _checked(number, line, _connection)
        elif line.type == "a" and not _TOKEN.match(line.value.partition(":")[0]):
            raise SdpError(number, _text([line]), "an attribute has a name of letters, digits and hyphens")


def _lines(octets: bytes) -> list[Line]:
    text = octets.decode("utf-8", "surrogateescape")
    rows = text.split("\n")
    while rows and not rows[-1].rstrip("\r"):
        rows.pop()
    if len(rows) > MAX_LINES:
        raise SdpError(MAX_LINES + 1, "", f"more than {MAX_LINES} lines")
    lines: list[Line] = []
    for number, row in enumerate(rows, 1):
        value = row.removesuffix("\r")
        if not (value or lines):
            continue
        if "\r" in value or "\0" in value:
            raise SdpError(number, value, "a CR or NUL inside a line")
        if len(value) < 2 or value[1] != "=" or not ("a" <= value[0] <= "z" or "A" <= value[0] <= "Z"):
            raise SdpError(number, value, "a line is a letter, an equals sign and a value")
        lines.append(Line(value[0], value[2:]))
    return lines


def _text(lines: Iterable[Line]) -> str:
    return "".join(f"{line.type}={line.value}" for line in lines)


def _checked(number: int, line: Line, read: Callable[[str], _T]) -> _T:
    try:
        return read(line.value)
    except ValueError as error:
        raise SdpError(number, _text([line]), str(error)) from None


def _origin(value: str) -> Origin:
    fields = value.split()
    if len(fields) != 6 or not (_NUMBER.match(fields[1]) and _NUMBER.match(fields[2])):
        raise ValueError("o= is a user name, two numbers, a network type, an address type and an address")
    return Origin(fields[0], int(fields[1]), int(fields[2]), *fields[3:])


def _connection(value: str) -> Connection:
    fields = value.split()
    if len(fields) != 3:
        raise ValueError("c= is a network type, an address type and an address")
    return Connection(fields[0], fields[1], fields[2].partition("/")[0])


def _media_line(value: str) -> tuple[str, int, int | None, str, tuple[str, ...]]:
    fields = value.split()
    if len(fields) < 4:
        raise ValueError("m= is a media type, a port, a protocol and at least one format")
    kind, port, protocol, *formats = fields
    number, slash, count = port.partition("/")
    if not _NUMBER.match(number) or int(number) > 65535:
        raise ValueError("the port is a number up to 65535")
    if slash and (not _NUMBER.match(count) or not 0 < int(count) <= 65535):
        raise ValueError("the number of ports is a number from 1")
    if not (_TOKEN.match(kind) and _PROTOCOL.match(protocol)):
        raise ValueError("media type and protocol are tokens")
    return kind, int(number), int(count) if slash else None, protocol, tuple(formats)
