"""A recording drawn as a ladder: who sent what to whom and when, then the messages in full."""

from __future__ import annotations

from collections.abc import Sequence

from .capture import Datagram
from .namespace import HOSTS

_NAMES = {address: name for name, address in HOSTS.items()}
_FULL = 12
"""Messages that are shown in full, from the end."""
_RUNGS = 60
"""Rungs that are drawn; of a longer ladder the middle is left out."""


def draw(datagrams: Sequence[Datagram]) -> str:
    """The ladder; datagrams that are not SIP are counted between the rungs, and the question "ready?" is left out."""
    datagrams = [datagram for datagram in datagrams if b"sip:ready@" not in datagram.payload]
    if not datagrams:
        return "(nothing was sent)"
    start = datagrams[0].time
    lines: list[str] = []
    other: dict[tuple[str, str], int] = {}
    for datagram in datagrams:
        ends = _end(datagram.source), _end(datagram.destination)
        if not datagram.is_sip:
            other[ends] = other.get(ends, 0) + 1
            continue
        lines += _others(other)
        lines.append(f"{datagram.time - start:9.3f}  {ends[0]:<16} → {ends[1]:<16} {_summary(datagram.payload)}")
    lines += _others(other)
    if len(lines) > _RUNGS:
        lines[_RUNGS // 2 : -_RUNGS // 2] = [f"{'':9}  … {len(lines) - _RUNGS} rungs …"]
    sip = [datagram for datagram in datagrams if datagram.is_sip]
    if len(sip) > _FULL:
        lines.append(f"(the last {_FULL} of {len(sip)} messages follow)")
    for datagram in sip[-_FULL:]:
        lines.append(f"\n--- {datagram.time - start:.3f}  {_end(datagram.source)} → {_end(datagram.destination)}")
        lines.append(datagram.payload[:4000].decode("utf-8", "backslashreplace").replace("\r\n", "\n").rstrip("\n"))
    return "\n".join(lines)


def _end(address: tuple[str, int]) -> str:
    host, port = address
    name = _NAMES.get(host, host)
    return name if port == 5060 else f"{name}:{port}"


def _others(other: dict[tuple[str, str], int]) -> list[str]:
    lines = [
        f"{'':9}  {source:<16} → {target:<16} ({count} datagrams, not SIP)" for (source, target), count in other.items()
    ]
    other.clear()
    return lines


def _summary(payload: bytes) -> str:
    head = payload.split(b"\r\n\r\n", 1)[0].decode("utf-8", "backslashreplace").split("\r\n")
    first = head[0].removesuffix(" SIP/2.0").removeprefix("SIP/2.0 ")[:60]
    cseq = next((line.partition(":")[2].strip() for line in head if line.lower().startswith("cseq")), "no CSeq")
    return f"{first:<44} {cseq[:24]}" + ("  +body" if payload.partition(b"\r\n\r\n")[2] else "")
