"""One media line of an offer, of an answer, and what the two make together: RFC 3264 §5.1, §6.1, §7.

Payload types: each side sends with the numbers of the other (§5.1). A number that we have given to a format
keeps it for the whole session (§8.3.2), so they are remembered in the ``Slot`` of the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dialplane.sdp.crypto import SUITES, Crypto, parse_crypto
from dialplane.sdp.description import Attribute, Connection, Media
from dialplane.sdp.errors import NegotiationError
from dialplane.sdp.formats import STATIC, STATIC_NUMBERS, Format, formats_of
from dialplane.sdp.stream import Agreed, Direction, Stream

if TYPE_CHECKING:
    from dialplane.sdp.description import Description

_DIRECTIONS = {direction.value: direction for direction in Direction}
_DYNAMIC = (*range(96, 128), *range(35, 64))
"""RFC 3551 §6, and what RFC 5761 §4 leaves free below when those are used up."""


class Slot:
    """One media line in the course of a session."""

    __slots__ = ("crypto", "kind", "label", "numbers", "receive", "refused")

    def __init__(self, label: str | None, kind: str) -> None:
        self.label = label
        self.kind = kind
        self.refused = Media(kind=kind, port=0, formats=("0",))
        """How the line is written when there is no stream: type, protocol and formats of the last one."""
        self.numbers: dict[int, Format] = {}
        self.receive: tuple[Format, ...] = ()
        self.crypto: tuple[Crypto, ...] = ()

    def copy(self) -> Slot:
        """A slot of its own with the same values."""
        twin = Slot(self.label, self.kind)
        twin.refused = self.refused
        twin.numbers, twin.receive, twin.crypto = dict(self.numbers), self.receive, self.crypto
        return twin

    def numbered(self, wanted: Format, number: int | None) -> Format:
        """The format with the number that we receive it by; ``number`` is the one of the offer that we answer."""
        static = STATIC_NUMBERS.get((wanted.encoding.lower(), wanted.clock_rate, wanted.channels))
        known = [taken for taken, format_ in self.numbers.items() if format_.matches(wanted)]
        for wish in (number, *known, static, wanted.payload_type, *_DYNAMIC):
            if wish is None or (wish in STATIC and wish != static):
                continue
            holder = self.numbers.get(wish)
            if holder is None or holder.matches(wanted):
                found = msgspec.structs.replace(wanted, payload_type=wish)
                self.numbers[wish] = found
                return found
        raise NegotiationError("no payload type is free any more")


def direction_of(description: Description, media: Media) -> Direction:
    """The last direction attribute of the stream, else of the session, else both ways; 0.0.0.0 receives nothing."""
    found = Direction.SENDRECV
    for section in (description.session, media):
        for type_, value in section.lines:
            if type_ == "a":
                found = _DIRECTIONS.get(value, found)
    connection = description.connection(media)
    return found.held if connection is not None and connection.is_hold else found


def offer_media(slot: Slot, stream: Stream | None) -> Media:
    """Our line in an offer; without a stream, the line of one that is no longer there."""
    if stream is None:
        return slot.refused
    if not stream.formats:
        raise NegotiationError(f"the stream {stream.label!r} has no format to offer")
    slot.kind = stream.kind
    slot.receive = tuple(slot.numbered(wanted, None) for wanted in stream.formats)
    protocol = stream.protocols[0]
    slot.crypto = stream.crypto if "SAVP" in protocol else ()
    if "SAVP" in protocol and not slot.crypto:
        raise NegotiationError(f"the stream {stream.label!r} is to be {protocol} and has no key")
    line = _line(slot, stream, protocol, stream.direction, mux=stream.rtcp_mux)
    slot.refused = refuse(line)
    return line


def answer_media(slot: Slot, offered: Description, media: Media, stream: Stream) -> Media | None:
    """Our line in an answer, or None if this stream cannot take what is offered."""
    if media.is_rejected or not _takes(stream, media.protocol):
        return None
    common = []
    listed = formats_of(media)
    for theirs in listed:
        ours = next((ours for ours in stream.formats if ours.matches(theirs)), None)
        if ours is not None and ours.any_parameters:
            common.append((msgspec.structs.replace(ours, parameters=theirs.parameters, any_parameters=False), theirs))
        elif ours is not None:
            common.append((ours, theirs))
    only_auxiliary = all(theirs.is_auxiliary for theirs in listed)
    if not common or (all(theirs.is_auxiliary for _, theirs in common) and not only_auxiliary):
        return None
    crypto: tuple[Crypto, ...] = ()
    if "SAVP" in media.protocol:
        crypto = _chosen_crypto(media, stream)
        if not crypto:
            return None
    slot.label, slot.kind, slot.crypto = stream.label, media.kind, crypto
    slot.receive = tuple(slot.numbered(ours, theirs.payload_type) for ours, theirs in common)
    direction = direction_of(offered, media).reversed() & stream.direction
    mux = stream.rtcp_mux and media.attribute("rtcp-mux") is not None
    return _line(slot, stream, media.protocol, direction, mux=mux)


def refuse(media: Media) -> Media:
    """A line that is not taken, or no longer there: port 0, and what makes the line whole (§6, §8.2)."""
    return Media(kind=media.kind, port=0, protocol=media.protocol, formats=media.formats)


def agree(slot: Slot, remote: Description, theirs: Media, ours: Media, *, is_offerer: bool) -> Agreed:
    """What holds for one line."""
    if theirs.is_rejected or ours.is_rejected or slot.label is None:
        return Agreed(label=None, kind=ours.kind, theirs=theirs)
    send = tuple(format_ for format_ in formats_of(theirs) if any(format_.matches(receive) for receive in slot.receive))
    if not send:
        raise NegotiationError(f"the answer for {ours.kind} has none of the formats that were offered")
    send_crypto, receive_crypto = _agreed_crypto(slot, theirs, is_offerer=is_offerer)
    mux = ours.attribute("rtcp-mux") is not None and theirs.attribute("rtcp-mux") is not None
    connection = remote.connection(theirs)
    to = None if connection is None or connection.is_hold else (connection.address, theirs.port)
    ptime, maxptime = _milliseconds(theirs, "ptime"), _milliseconds(theirs, "maxptime")
    return Agreed(
        label=slot.label,
        kind=ours.kind,
        protocol=ours.protocol,
        direction=_written(ours) & direction_of(remote, theirs).reversed(),
        remote=to,
        remote_rtcp=to if mux or to is None else _rtcp(theirs, to),
        send=send,
        receive=slot.receive,
        ptime=ptime,
        maxptime=maxptime,
        rtcp_mux=mux,
        send_crypto=send_crypto,
        receive_crypto=receive_crypto,
        theirs=theirs,
    )


def _written(media: Media) -> Direction:
    return next(_DIRECTIONS[value] for type_, value in media.lines if type_ == "a" and value in _DIRECTIONS)


def _takes(stream: Stream, protocol: str) -> bool:
    plain = protocol.removesuffix("F") if protocol in {"RTP/AVPF", "RTP/SAVPF"} else protocol
    return protocol in stream.protocols or plain in stream.protocols


def _line(slot: Slot, stream: Stream, protocol: str, direction: Direction, *, mux: bool) -> Media:
    attributes: list[Attribute] = []
    for format_ in slot.receive:
        attributes += format_.attributes()
    if stream.ptime is not None:
        attributes.append(Attribute("ptime", str(stream.ptime)))
    attributes += [Attribute("crypto", crypto.value) for crypto in slot.crypto]
    if stream.rtcp_port is not None and stream.rtcp_port != stream.port + 1:
        attributes.append(Attribute("rtcp", str(stream.rtcp_port)))
    if mux:
        attributes.append(Attribute("rtcp-mux"))
    attributes += stream.attributes
    attributes.append(Attribute(direction.value))
    lines = [] if stream.address is None else [Connection.of(stream.address).line()]
    lines += [attribute.line() for attribute in attributes]
    return Media(
        kind=stream.kind,
        port=stream.port,
        protocol=protocol,
        formats=tuple(str(format_.payload_type) for format_ in slot.receive),
        lines=tuple(lines),
    )


def _chosen_crypto(media: Media, stream: Stream) -> tuple[Crypto, ...]:
    # RFC 4568 §5.1.2: the first that is valid and that we can do, under its own tag.
    for offered in map(parse_crypto, media.attribute_values("crypto")):
        for ours in stream.crypto:
            if offered is not None and ours.suite == offered.suite:
                return (Crypto(offered.tag, ours.suite, ours.key),)
    return ()


def _agreed_crypto(slot: Slot, theirs: Media, *, is_offerer: bool) -> tuple[Crypto | None, Crypto | None]:
    if not slot.crypto:
        return None, None
    lines = [crypto for crypto in map(parse_crypto, theirs.attribute_values("crypto")) if crypto is not None]
    for ours in slot.crypto:
        for line in lines:
            if (line.tag, line.suite) == (ours.tag, ours.suite):
                return ours, line
    whose = "answer" if is_offerer else "offer"
    raise NegotiationError(f"the {whose} has no key for any of the suites {', '.join(SUITES)} (RFC 4568 §5.1.3)")


def _milliseconds(media: Media, name: str) -> int | None:
    # Some write ptime with a fraction.
    text = (media.attribute(name) or "").strip().partition(".")[0]
    return int(text) if text.isdecimal() and 0 < int(text[:6]) <= 1000 else None


def _rtcp(media: Media, to: tuple[str, int]) -> tuple[str, int]:
    """RFC 3605: ``a=rtcp:port [nettype addrtype address]``; without it, the next port."""
    port, *address = (media.attribute("rtcp") or "").split()[:4] or [""]
    if port.isdecimal() and 0 < int(port[:6]) <= 65535:
        return (address[2] if len(address) == 3 else to[0], int(port))
    return (to[0], min(to[1] + 1, 65535))
