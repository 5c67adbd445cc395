"""Captures made by hand, for tests and documentation."""

from __future__ import annotations

import struct
from ipaddress import ip_address

LINK_RAW, LINK_ETHERNET = 101, 1


def ip(payload: bytes, protocol: int = 17, source: str = "192.0.2.1", destination: str = "192.0.2.2") -> bytes:
    """An IP packet."""
    one, other = ip_address(source).packed, ip_address(destination).packed
    if len(one) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + one + other + payload
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + one + other + payload


def udp(payload: bytes, source: int = 5060, destination: int = 5060) -> bytes:
    """A UDP datagram."""
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(payload: bytes, sequence: int, source: int = 5060, destination: int = 5060) -> bytes:
    """A TCP segment."""
    return struct.pack("!HHIIBBHHH", source, destination, sequence, 0, 0x50, 0x10, 65535, 0, 0) + payload


def ethernet(packet: bytes) -> bytes:
    """A frame."""
    return bytes(12) + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def pcap(frames: list[bytes], link: int = LINK_RAW, start: float = 1_700_000_000) -> bytes:
    """A capture of frames that came a millisecond after each other."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)]
    for number, frame in enumerate(frames):
        seconds, microseconds = divmod(round(start * 1_000_000) + number * 1000, 1_000_000)
        out += [struct.pack("<IIII", seconds, microseconds, len(frame), len(frame)), frame]
    return b"".join(out)
