"""The cases: octets, where they come from, what may happen. Manifests tell; what they leave to a proxy is said here."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_TREE = Path(__file__).parents[1] / "torture"
SHARED = Path(os.environ.get("DIALPLANE_SHARED", Path(__file__).parents[3] / "shared"))

_COLLECTED = SHARED / "torture" / "malformed" / "collected"
LARGEST_DATAGRAM = 65507
"""Octets that UDP over IPv4 can carry."""

DROP = "drop"
ANSWERED = frozenset({"100", "200", "202", "401", "403", "404", "405", "407", "480", "481", "488", "501"})
"""What a registrar and proxy may say to a request that it accepts, when it is the last to handle it."""
REFUSED = frozenset({"400", "413", "414", "416", "420", "421", "423", "483", "493", "494", "500", "503", "505", "513"})

_PROXY: dict[str, frozenset[str]] = {
    # RFC 4475: answers of an end point, to a message that a proxy passes on or cannot place.
    "invut": frozenset({"404", "480"}),
    "sdp01": frozenset({"404", "480"}),
    # RFC 4475 §3.3.1 and the stray message of its archive: none has to be answered.
    "insuf": frozenset({DROP}),
    "test": frozenset({DROP}),
}


@dataclass(frozen=True)
class Case:
    """One case."""

    corpus: str
    name: str
    datagrams: tuple[bytes, ...]
    allowed: frozenset[str]
    """Final statuses, ``drop``; 100 may always come first."""
    why: str = ""

    @property
    def id(self) -> str:
        """For pytest."""
        return self.name

    def challenged(self) -> Case:
        """The same for a server that wants credentials: where a good answer was allowed, a challenge is."""
        if self.allowed & (ANSWERED - {"401", "407"}):
            return replace(self, corpus=f"{self.corpus} closed", allowed=self.allowed | {"401", "407"})
        return replace(self, corpus=f"{self.corpus} closed")

    @property
    def answerable(self) -> bool:
        """A response or an ACK is never answered."""
        return not all(one.startswith((b"SIP/2.0 ", b"ACK ")) for one in self.datagrams)


def rfc(number: int) -> list[Case]:
    """RFC 4475 or RFC 5118."""
    folder = _TREE / f"rfc{number}"
    cases = []
    for entry in json.loads((folder / "manifest.json").read_text())["messages"]:
        file = folder / entry["file"]
        fixed = file.with_suffix(".fixed.dat")
        for path in (file, fixed) if fixed.exists() else (file,):
            # A printed Content-Length that is wrong may be refused as such; its corrected twin may not.
            wrong_length = frozenset({"400"}) if fixed.exists() and path is file else frozenset()
            name = path.name.removesuffix(".dat")
            octets = path.read_bytes()
            cases.append(
                Case(f"rfc{number}", name, (octets,), _allowed(entry, octets) | wrong_length, entry["expected"])
            )
    return cases


def _allowed(entry: dict[str, Any], octets: bytes) -> frozenset[str]:
    answers = frozenset(str(status) for status in entry["answers"]) | _PROXY.get(entry["name"], frozenset())
    match entry["parse"]:
        case "drop":
            return frozenset({DROP})
        case "either":
            return answers | ANSWERED
        case "reject":
            return answers or frozenset({DROP})
        case "accept" if answers:
            return answers
        case "accept":
            lesser = frozenset({"400"}) if entry["class"] == "invalid-liberal" else frozenset()
            return frozenset({DROP}) if octets.startswith(b"SIP/") else ANSWERED | lesser
        case other:
            raise ValueError(other)


def authored() -> list[Case]:
    """Datagrams written for this project, by class."""
    folder = _TREE / "authored"
    entries = json.loads((folder / "index.json").read_text())["messages"]
    return [
        Case(
            "authored",
            entry["file"].removesuffix(".dat"),
            ((folder / entry["file"]).read_bytes(),),
            frozenset(entry["expect"]),
            entry["why"],
        )
        for entry in entries
        if entry["transport"] == "udp"
    ]


@dataclass(frozen=True)
class Stream:
    """A case that comes on a connection of its own; its octets stay in the shared folder."""

    name: str
    transport: str
    """``tcp``, ``ws-upgrade`` or ``ws-frame-after-upgrade``."""
    path: Path
    allowed: frozenset[str]
    """Statuses, ``close`` or ``pong``."""


def streams() -> list[Stream]:
    """The authored cases for TCP and WebSocket, and those collected that no datagram can hold."""
    entries = json.loads((_TREE / "authored" / "index.json").read_text())["messages"]
    folder = SHARED / "torture" / "malformed" / "authored"
    authored = [
        Stream(
            entry["file"].removesuffix(".bin"), entry["transport"], folder / entry["file"], frozenset(entry["expect"])
        )
        for entry in entries
        if entry["transport"] != "udp"
    ]
    anything = ANSWERED | REFUSED | {"close"}
    large = [path for path in _COLLECTED.glob("*.dat") if path.stat().st_size > LARGEST_DATAGRAM]
    return authored + [Stream(path.stem, "tcp", path, anything) for path in sorted(large)]


def collected() -> list[Case]:
    """Faulty messages of other projects: any one final answer will do, or none. Used in place."""
    anything = ANSWERED | REFUSED | {DROP}
    cases = []
    for entry in json.loads((_COLLECTED / "index.json").read_text())["messages"]:
        octets = (_COLLECTED / entry["file"]).read_bytes()
        if len(octets) > LARGEST_DATAGRAM:
            continue
        allowed = frozenset({DROP}) if octets.startswith(b"SIP/2.0 ") else anything
        cases.append(
            Case("collected", entry["file"].removesuffix(".dat"), (octets,), allowed, ", ".join(entry["faults"]))
        )
    return cases


def protos(*, source: tuple[str, int], target: str) -> Iterator[Case]:
    """PROTOS c07-sip, read out of its archive: the broken INVITE, then CANCEL and ACK. Used in place (GPL-2 test data).

    ``DIALPLANE_PROTOS`` is how many cases are taken, evenly over the suite: a number, 400 by default, or ``all``.
    """
    wanted = os.environ.get("DIALPLANE_PROTOS", "400")
    with tarfile.open(SHARED / "torture" / "protos-c07" / "cases.tar.xz") as archive:
        members = sorted((member for member in archive if member.isfile()), key=lambda member: member.name)
        step = 1.0 if wanted == "all" else max(len(members) / int(wanted), 1.0)
        chosen = {members[int(index * step)].name for index in range(int(len(members) / step))}
        for member in members:
            if member.name in chosen:
                file = archive.extractfile(member)
                assert file is not None
                name = member.name.removeprefix("./")
                yield Case(
                    "protos", name, _protos_packets(file.read(), name, source, target), ANSWERED | REFUSED | {DROP}
                )


def _protos_packets(text: bytes, name: str, source: tuple[str, int], target: str) -> tuple[bytes, ...]:
    packets = []
    while text:
        length, _, text = text.partition(b" ")
        packets.append(text[: int(length)])
        text = text[int(length) :].lstrip(b"\r\n") if text[int(length) :].strip() else b""
    invite, teardown = packets
    values = {
        "To": f"bob@{target}",
        "To-Name": "bob",
        "To-Address": target,
        "To-IP": target,
        "From": f"eve@{source[0]}",
        "From-Name": "eve",
        "From-Address": source[0],
        "From-IP": source[0],
        "Local-Port": str(source[1]),
        "Branch-ID": name,
        "Call-ID": f"protos{name}",
        "CSeq": "1",
    }
    made = []
    for packet, method in ((invite, ""), (teardown, "CANCEL"), (teardown, "ACK")):
        for tag, value in (values | {"Teardown-Method": method}).items():
            packet = packet.replace(f"<{tag}>".encode(), value.encode())  # noqa: PLW2901
        body = packet.partition(b"\r\n\r\n")[2]
        made.append(packet.replace(b"<Content-Length>", str(len(body)).encode())[:LARGEST_DATAGRAM])
    return tuple(made)
