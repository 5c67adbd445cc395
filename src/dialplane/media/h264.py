"""H.264 from RTP: RFC 6184, packetization modes 0 and 1, to the byte stream of Annex B that players read."""

from __future__ import annotations

import base64
import binascii

START = b"\0\0\0\1"
_STAP_A, _FU_A = 24, 28


class Depacketizer:
    """NAL units from payloads that come in order; one with a piece missing is left out whole."""

    def __init__(self) -> None:
        self._fragments: bytearray | None = None
        self._next: int | None = None

    def take(self, sequence: int, payload: bytes) -> bytes:
        """What this payload completes, with start codes."""
        if sequence != self._next:
            self._fragments = None
        self._next = (sequence + 1) % 65536
        if len(payload) < 2:
            return b""
        kind = payload[0] & 0x1F
        if kind == _FU_A:
            return self._fragment(payload)
        self._fragments = None
        if kind == _STAP_A:
            return _aggregate(payload)
        return START + payload if 1 <= kind <= 23 else b""

    def _fragment(self, payload: bytes) -> bytes:
        """§5.8: the first piece begins the unit, the last ends it."""
        header = payload[1]
        if header & 0x80:
            self._fragments = bytearray(START + bytes([payload[0] & 0xE0 | header & 0x1F]))
        if self._fragments is None:
            return b""
        self._fragments += payload[2:]
        if not header & 0x40:
            return b""
        whole, self._fragments = bytes(self._fragments), None
        return whole


def _aggregate(payload: bytes) -> bytes:
    """§5.7.1: units one after another, each behind its size."""
    out, place = b"", 1
    while place + 2 <= len(payload):
        size = int.from_bytes(payload[place : place + 2], "big")
        unit = payload[place + 2 : place + 2 + size]
        if not size or len(unit) < size:
            break
        out += START + unit
        place += 2 + size
    return out


def parameter_sets(parameters: dict[str, str]) -> bytes:
    """Those that the session description brings (§8.2.2, ``sprop-parameter-sets``), with start codes."""
    out = b""
    for text in parameters.get("sprop-parameter-sets", "").split(","):
        try:
            unit = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return b""
        out += START + unit if unit else b""
    return out
