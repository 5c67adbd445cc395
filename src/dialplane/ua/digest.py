"""Digest, the client's side: challenges read and answered. RFC 7616, RFC 8760, RFC 3261 §22.

A challenge that was answered once is answered in advance from then on (RFC 7616 §3.6), with a nonce count that goes up,
so a request costs one round trip and not two.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane_native import Message

_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
_PARAM = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_FIELDS = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}

Qop: TypeAlias = Literal["", "auth", "auth-int"]


class Challenge(msgspec.Struct, frozen=True):
    """One challenge that we can answer."""

    field: str
    """In which header field the answer goes."""
    realm: str
    """As received, escapes and all: that is what is hashed (RFC 7616 §3.4.1)."""
    nonce: str
    algorithm: str
    """As received."""
    opaque: str | None
    qop: Qop
    stale: bool
    userhash: bool = False

    @property
    def hash(self) -> Callable[[bytes], str]:
        """The function that its algorithm names."""
        return _HASHES[self.algorithm.upper().removesuffix("-SESS")]

    @property
    def is_session(self) -> bool:
        """Whether H(A1) holds the nonces too. RFC 7616 §3.4.2."""
        return self.algorithm.upper().endswith("-SESS")


def read_challenge(value: str, field: str) -> Challenge | None:
    """The challenge in a field value; ``None`` for a scheme, algorithm or qop that we do not know."""
    scheme, _, rest = value.strip().partition(" ")
    params = {name.lower(): quoted or token for name, quoted, token in _PARAM.findall(rest)}
    algorithm = params.get("algorithm", "MD5")
    offered = [item.strip().lower() for item in params.get("qop", "").split(",") if item.strip()]
    qop: Qop = "auth" if "auth" in offered else "auth-int" if "auth-int" in offered else ""
    if (
        scheme.lower() != "digest"
        or algorithm.upper().removesuffix("-SESS") not in _HASHES
        or "nonce" not in params
        or (offered and not qop)
    ):
        return None
    return Challenge(
        field=field,
        realm=params.get("realm", ""),
        nonce=params["nonce"],
        algorithm=algorithm,
        opaque=params.get("opaque"),
        qop=qop,
        stale=params.get("stale", "").lower() == "true",
        userhash=params.get("userhash", "").lower() == "true",
    )


class Wallet:
    """One account's answers to the challenges of servers and proxies."""

    def __init__(self, username: str, password: str | None, *, algorithm: str | None = None) -> None:
        self._username, self._password = username, password
        self._algorithm = algorithm and algorithm.upper()
        self._known: dict[tuple[str, str, str], tuple[Challenge, int]] = {}

    @property
    def is_used(self) -> bool:
        """Whether anybody has asked for credentials."""
        return bool(self._known)

    def take(self, response: Message, peer: str) -> bool:
        """Takes note of the challenges in a 401 or 407. Whether it is worth trying (again).

        Of the challenges of one realm the topmost that we can answer counts (RFC 8760 §2.4). A second challenge is an
        answer to our answer: it is worth another try only when the nonce alone was too old (RFC 7616 §3.3, ``stale``).
        """
        names = _FIELDS.get(response.status or 0)
        if names is None or self._password is None:
            return False
        fresh: dict[tuple[str, str, str], Challenge] = {}
        for value in response.get_all(names[0]):
            challenge = read_challenge(value, names[1])
            if challenge is not None and self._algorithm in {None, challenge.algorithm.upper()}:
                fresh.setdefault((peer, challenge.field, challenge.realm), challenge)
        worth = False
        for key, challenge in fresh.items():
            before = self._known.get(key)
            if before is None or challenge.stale or before[1] == 0:
                worth = True
            self._known[key] = (challenge, 0)
        return worth

    def forget(self) -> None:
        """After a refusal: the next request begins without credentials."""
        self._known.clear()

    def fields(self, method: str, uri: str, body: bytes, peer: str) -> list[tuple[str, str]]:
        """Header fields with the credentials for a request to ``peer``, who has asked for them before."""
        fields = []
        for key, (challenge, count) in self._known.items():
            if key[0] != peer:
                continue
            fields.append((challenge.field, self._answer(challenge, count + 1, method, uri, body)))
            self._known[key] = (challenge, count + 1)
        return fields

    def _answer(self, challenge: Challenge, count: int, method: str, uri: str, body: bytes) -> str:
        digest = challenge.hash
        cnonce, nc = secrets.token_hex(8), f"{count:08x}"
        ha1 = digest(f"{self._username}:{_unescaped(challenge.realm)}:{self._password}".encode())
        if challenge.is_session:
            ha1 = digest(f"{ha1}:{challenge.nonce}:{cnonce}".encode())
        a2 = f"{method}:{uri}" + (f":{digest(body)}" if challenge.qop == "auth-int" else "")
        ha2 = digest(a2.encode())
        middle = f"{challenge.nonce}:{nc}:{cnonce}:{challenge.qop}" if challenge.qop else challenge.nonce
        response = digest(f"{ha1}:{middle}:{ha2}".encode())
        username = self._username
        if challenge.userhash:
            username = digest(f"{self._username}:{_unescaped(challenge.realm)}".encode())
        parts = [
            f'Digest username="{_quoted(username)}"',
            f'realm="{challenge.realm}"',
            f'nonce="{challenge.nonce}"',
            f'uri="{uri}"',
            f'response="{response}"',
            f"algorithm={challenge.algorithm}",
        ]
        if challenge.qop or challenge.is_session:
            parts.append(f'cnonce="{cnonce}"')
        if challenge.qop:
            parts += [f"qop={challenge.qop}", f"nc={nc}"]
        if challenge.opaque is not None:
            parts.append(f'opaque="{challenge.opaque}"')
        if challenge.userhash:
            parts.append("userhash=true")
        return ", ".join(parts)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
