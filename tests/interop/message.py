"""Just enough SIP for the tests' own side: text to message and back, header by header, and a client's digest.

Deliberately not dialplane's parser: the two must not be able to share a mistake.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

_numbers = itertools.count(1)
_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
}
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


@dataclass(frozen=True)
class Message:
    """Start line, header fields in order, body."""

    start: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    raw: bytes = field(default=b"", compare=False)

    @property
    def status(self) -> int | None:
        """The status of a response."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else None

    @property
    def method(self) -> str:
        """The request's method, or for a response the method in its CSeq."""
        return self["cseq"].split()[1] if self.status else self.start.split(" ")[0]

    @property
    def uri(self) -> str:
        """The request URI."""
        return self.start.split(" ")[1]

    def __getitem__(self, name: str) -> str:
        values = self.all(name)
        assert values, f"no {name} in\n{self.text()}"
        return values[0]

    def all(self, name: str) -> list[str]:
        """Every value of a header, one for each field, compact names too; in lists, one for each element."""
        found = [value for key, value in self.fields if _COMPACT.get(key.lower(), key.lower()) == name.lower()]
        if name.lower() in {"via", "route", "record-route", "contact", "path", "service-route"}:
            return [part for value in found for part in split_list(value)]
        return found

    def branch(self) -> str:
        """The branch of the top Via."""
        found = re.search(r";\s*branch=([^;,\s]+)", self["via"])
        assert found, self["via"]
        return found[1]

    def with_fields(self, *fields: tuple[str, str]) -> Message:
        """A copy in which these replace every field of the same name; new names go before Content-Length."""
        names = {name.lower() for name, _ in fields}
        kept = [(name, value) for name, value in self.fields if name.lower() not in names]
        place = next((index for index, (name, _) in enumerate(kept) if name.lower() == "content-length"), len(kept))
        return replace(self, fields=(*kept[:place], *fields, *kept[place:]))

    def without(self, name: str) -> Message:
        """A copy that lacks a header."""
        return replace(self, fields=tuple(one for one in self.fields if one[0].lower() != name.lower()))

    def encode(self) -> bytes:
        """The octets."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.fields)
        return f"{self.start}\r\n{head}\r\n".encode("utf-8", "surrogateescape") + self.body

    def text(self) -> str:
        """For people."""
        return (self.raw or self.encode()).decode("utf-8", "backslashreplace")


def parse(data: bytes) -> Message:
    """A message as it was received; folded lines are joined."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "surrogateescape")).split("\r\n")
    fields = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
    return Message(lines[0], fields, body, data)


def split_list(value: str) -> list[str]:
    """Elements of a comma-separated header; commas in quotes and in angle brackets do not count."""
    return [part.strip() for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<])+', value) if part.strip()]


def unique(prefix: str) -> str:
    """A value that no other message of this run has."""
    return f"{prefix}{next(_numbers):x}"


def request(
    method: str,
    uri: str,
    *,
    source: tuple[str, int],
    from_uri: str,
    to_uri: str | None = None,
    call_id: str | None = None,
    cseq: int = 1,
    contact: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
    body: str = "",
    content_type: str = "application/sdp",
) -> Message:
    """A request as RFC 3261 §8.1.1 wants it; ``fields`` come in addition, or replace."""
    octets = body.encode()
    basic = [
        ("Via", f"SIP/2.0/UDP {source[0]}:{source[1]};branch={unique('z9hG4bKt')};rport"),
        ("Max-Forwards", "70"),
        ("From", f"<{from_uri}>;tag={unique('f')}"),
        ("To", f"<{to_uri or uri}>"),
        ("Call-ID", call_id or unique("call-")),
        ("CSeq", f"{cseq} {method}"),
    ]
    if contact is not None:
        basic.append(("Contact", contact))
    if body:
        basic.append(("Content-Type", content_type))
    basic.append(("Content-Length", str(len(octets))))
    return Message(f"{method} {uri} SIP/2.0", tuple(basic), octets).with_fields(*fields)


def response(
    to: Message, status: int, reason: str = "Whatever", *, tag: str = "", fields: Sequence[tuple[str, str]] = ()
) -> Message:
    """A response by RFC 3261 §8.2.6: Via, From, Call-ID and CSeq as they came, To with a tag."""
    copied = []
    for name, value in to.fields:
        key = _COMPACT.get(name.lower(), name.lower())
        if key in {"via", "from", "to", "call-id", "cseq", "record-route"}:
            new_tag = f";tag={tag}" if key == "to" and tag and ";tag=" not in value else ""
            copied.append((name, value + new_tag))
    return Message(f"SIP/2.0 {status} {reason}", (*copied, *fields, ("Content-Length", "0")))


def challenge_of(answer: Message, algorithm: str | None = None) -> dict[str, str]:
    """Parameters of the challenge with this algorithm, or of the first, in a 401 or 407."""
    name = "www-authenticate" if answer.status == 401 else "proxy-authenticate"
    challenges = [dict(re.findall(r'(\w+)\s*=\s*"?([^",]*)"?', value.partition(" ")[2])) for value in answer.all(name)]
    assert challenges, f"no challenge in\n{answer.text()}"
    for challenge in challenges:
        if algorithm is None or challenge.get("algorithm", "MD5").upper() == algorithm:
            return challenge
    raise AssertionError(f"no challenge with {algorithm} in\n{answer.text()}")


def credentials(
    challenge: dict[str, str], *, user: str, password: str, method: str, uri: str, nc: int = 1, cnonce: str = "c0ffee"
) -> str:
    """The value of an Authorization field, RFC 7616 §3.4."""
    algorithm = challenge.get("algorithm", "MD5")
    name = _HASHES[algorithm.upper()]

    def digest(*parts: str) -> str:
        return hashlib.new(name, ":".join(parts).encode()).hexdigest()

    secret, question = digest(user, challenge["realm"], password), digest(method, uri)
    parameters = {"username": user, "realm": challenge["realm"], "nonce": challenge["nonce"], "uri": uri}
    bare = {}
    if "algorithm" in challenge:
        bare["algorithm"] = algorithm
    if "auth" in challenge.get("qop", ""):
        bare |= {"qop": "auth", "nc": f"{nc:08x}"}
        parameters["cnonce"] = cnonce
        parameters["response"] = digest(secret, challenge["nonce"], f"{nc:08x}", cnonce, "auth", question)
    else:
        parameters["response"] = digest(secret, challenge["nonce"], question)
    if "opaque" in challenge:
        parameters["opaque"] = challenge["opaque"]
    return "Digest " + ", ".join(
        [*(f'{key}="{value}"' for key, value in parameters.items()), *(f"{key}={value}" for key, value in bare.items())]
    )
