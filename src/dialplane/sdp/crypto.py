"""Keys for SRTP in a session description: ``a=crypto``, RFC 4568 §9; the suites of RFC 6188 and RFC 7714."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from typing import NamedTuple

import msgspec


class Suite(NamedTuple):
    """Lengths in octets."""

    key: int
    salt: int


SUITES = {
    "AEAD_AES_256_GCM": Suite(32, 12),
    "AEAD_AES_128_GCM": Suite(16, 12),
    "AES_CM_128_HMAC_SHA1_80": Suite(16, 14),
    "AES_CM_128_HMAC_SHA1_32": Suite(16, 14),
}

_CRYPTO = re.compile(r"([0-9]{1,9})\s+([A-Za-z0-9_]+)\s+inline:([^\s;|]+)((?:\|[^\s;|]+){0,2})((?:\s+\S+)*)\s*\Z")


class Crypto(msgspec.Struct, frozen=True):
    """One crypto attribute that we understand whole; its text hides the key."""

    tag: int
    suite: str
    key: bytes
    """Master key and master salt."""

    def __repr__(self) -> str:
        return f"Crypto(tag={self.tag}, suite={self.suite!r}, key=…)"

    @classmethod
    def generate(cls, tag: int, suite: str) -> Crypto:
        """A new key, by the system's source of randomness."""
        lengths = SUITES[suite]
        return cls(tag, suite, secrets.token_bytes(lengths.key + lengths.salt))

    @property
    def value(self) -> str:
        """What stands behind ``a=crypto:``."""
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


def parse_crypto(value: str) -> Crypto | None:
    """The attribute, or None if we cannot do what it says: RFC 4568 §5.1.2 passes over such a line.

    Not taken are several keys, a master key identifier and session parameters: each changes what is on the wire.
    Parameters that begin with a hyphen may be ignored (§6.3.7).
    """
    match = _CRYPTO.match(value)
    if not match or match[2] not in SUITES:
        return None
    if not all(_long_enough(field) for field in match[4].split("|")[1:]):
        return None
    if any(not parameter.startswith("-") for parameter in match[5].split()):
        return None
    try:
        # §6.1: padding characters are discarded, so they may be missing.
        key = base64.b64decode(match[3] + "=" * (-len(match[3]) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    lengths = SUITES[match[2]]
    if len(key) != lengths.key + lengths.salt:
        return None
    return Crypto(int(match[1]), match[2], key)


def _long_enough(lifetime: str) -> bool:
    # 2^20 packets are nearly six hours of 20 ms packets. An identifier has a colon and is no number.
    power, is_power, exponent = lifetime.partition("^")
    if is_power:
        return power == "2" and exponent.isdecimal() and 20 <= int(exponent[:3]) <= 48
    return lifetime.isdecimal() and len(lifetime) < 20 and 2**20 <= int(lifetime) <= 2**48
