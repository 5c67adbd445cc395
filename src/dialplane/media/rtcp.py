"""RTCP: RFC 3550 §6, read and written, and when the next report is due (§6.2, Appendix A.7). No clock, no socket."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from dialplane.media.reception import ReportBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION, BYE = 200, 201, 202, 203
CNAME = 1
MINIMUM_INTERVAL = 5.0
_COMPENSATION = 1.21828
"""e - 3/2, A.7."""
_NTP_EPOCH = 2208988800
_BLOCK = struct.Struct("!IIIIII")


class SenderReport(msgspec.Struct, frozen=True):
    """§6.4.1: what a sender has sent, and blocks on those whom it receives."""

    ssrc: int
    ntp: int
    """64 bits: seconds since 1900 and their fraction."""
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(msgspec.Struct, frozen=True):
    """§6.4.2."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


class SourceDescription(msgspec.Struct, frozen=True):
    """§6.5: the items of each source, by their type."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]


class Bye(msgspec.Struct, frozen=True):
    """§6.6."""

    sources: tuple[int, ...]
    reason: bytes = b""


class Other(msgspec.Struct, frozen=True):
    """A packet of another type, as it is: feedback (RFC 4585), APP, extended reports."""

    packet_type: int
    octets: bytes


Packet = SenderReport | ReceiverReport | SourceDescription | Bye | Other


def ntp(seconds: float) -> int:
    """The 64 bits of NTP for seconds since 1970."""
    return int((seconds + _NTP_EPOCH) * 2**32) & 0xFFFFFFFFFFFFFFFF


def middle(ntp_time: int) -> int:
    """The 32 bits in the middle, by which reports refer to it."""
    return ntp_time >> 16 & 0xFFFFFFFF


def parse(octets: bytes) -> list[Packet] | None:
    """The packets of a compound packet; None if it is none (A.2)."""
    if len(octets) < 8 or octets[0] >> 6 != 2 or octets[1] not in {SENDER_REPORT, RECEIVER_REPORT}:
        return None
    found: list[Packet] = []
    place = 0
    while place < len(octets):
        if len(octets) - place < 4 or octets[place] >> 6 != 2:
            return None
        size = 4 * (struct.unpack_from("!H", octets, place + 2)[0] + 1)
        body = octets[place + 4 : place + size]
        if len(body) != size - 4:
            return None
        if octets[place] & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                return None
            body = body[: -body[-1]]
        packet = _packet(octets[place + 1], octets[place] & 0x1F, body)
        if packet is None:
            return None
        found.append(packet)
        place += size
    return found


def _packet(packet_type: int, count: int, body: bytes) -> Packet | None:
    read = {
        SENDER_REPORT: _sender_report,
        RECEIVER_REPORT: _receiver_report,
        DESCRIPTION: _description,
        BYE: _bye,
    }.get(packet_type)
    return Other(packet_type, body) if read is None else read(count, body)


def _sender_report(count: int, body: bytes) -> SenderReport | None:
    if len(body) < 24 + 24 * count:
        return None
    ssrc, ntp_time, timestamp, packets, sent = struct.unpack_from("!IQIII", body)
    return SenderReport(ssrc, ntp_time, timestamp, packets, sent, _blocks(body, 24, count))


def _receiver_report(count: int, body: bytes) -> ReceiverReport | None:
    if len(body) < 4 + 24 * count:
        return None
    return ReceiverReport(int.from_bytes(body[:4], "big"), _blocks(body, 4, count))


def _bye(count: int, body: bytes) -> Bye | None:
    if len(body) < 4 * count:
        return None
    reason = body[4 * count :]
    return Bye(struct.unpack_from(f"!{count}I", body), reason[1 : 1 + reason[0]] if reason else b"")


def _blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    found = []
    for place in range(start, start + 24 * count, 24):
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(body, place)
        lost = loss & 0xFFFFFF
        found.append(
            ReportBlock(ssrc, loss >> 24, lost - 0x1000000 if lost & 0x800000 else lost, highest, jitter, last, delay)
        )
    return tuple(found)


def _description(count: int, body: bytes) -> SourceDescription | None:
    chunks, place = [], 0
    for _ in range(count):
        if place + 4 > len(body):
            return None
        ssrc = int.from_bytes(body[place : place + 4], "big")
        place += 4
        items = []
        while place < len(body) and body[place]:
            if place + 2 > len(body) or place + 2 + body[place + 1] > len(body):
                return None
            items.append((body[place], body[place + 2 : place + 2 + body[place + 1]]))
            place += 2 + body[place + 1]
        place += 4 - place % 4
        chunks.append((ssrc, tuple(items)))
    return SourceDescription(tuple(chunks))


def build(packets: Sequence[Packet]) -> bytes:
    """A compound packet. §6.1: a report comes first, a description with the CNAME follows."""
    return b"".join(map(_octets, packets))


def _octets(packet: Packet) -> bytes:
    if isinstance(packet, SenderReport):
        head = struct.pack("!IQIII", packet.ssrc, packet.ntp, packet.timestamp, packet.packets, packet.octets)
        return _framed(SENDER_REPORT, len(packet.blocks), head + _build_blocks(packet.blocks))
    if isinstance(packet, ReceiverReport):
        body = packet.ssrc.to_bytes(4, "big") + _build_blocks(packet.blocks)
        return _framed(RECEIVER_REPORT, len(packet.blocks), body)
    if isinstance(packet, SourceDescription):
        body = b""
        for ssrc, items in packet.chunks:
            body += ssrc.to_bytes(4, "big") + b"".join(bytes([kind, len(text)]) + text for kind, text in items)
            body += bytes(4 - len(body) % 4)
        return _framed(DESCRIPTION, len(packet.chunks), body)
    if isinstance(packet, Bye):
        body = struct.pack(f"!{len(packet.sources)}I", *packet.sources)
        if packet.reason:
            body += bytes([len(packet.reason)]) + packet.reason
        return _framed(BYE, len(packet.sources), body + bytes(-len(body) % 4))
    return _framed(packet.packet_type, 0, packet.octets)


def _build_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | block.lost & 0xFFFFFF,
            block.highest,
            block.jitter,
            block.last_report,
            block.delay,
        )
        for block in blocks
    )


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body


def round_trip(block: ReportBlock, arrival: int) -> float | None:
    """Seconds there and back (§6.4.1); ``arrival`` is the middle of the NTP time at which the block came."""
    if not block.last_report:
        return None
    seconds = ((arrival - block.last_report - block.delay + 2**31) % 2**32 - 2**31) / 65536
    return max(0.0, seconds)


def interval(chance: float, *, first: bool) -> float:
    """Seconds to the next report of a session of two; ``chance`` lies between 0 and 1 (§6.2, §6.3.1).

    With two members, the share of the bandwidth that is left for RTCP would allow more, so the minimum decides.
    """
    return (MINIMUM_INTERVAL / 2 if first else MINIMUM_INTERVAL) * (chance + 0.5) / _COMPENSATION
