"""What the tables hold. Names and meaning of the columns are Kamailio's (``location`` version 9, ``subscriber`` version
7); what Kamailio does not have is added at the end.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from dialplane_native.records import Account

LOCATION_COLUMNS = (
    "id", "ruid", "username", "domain", "contact", "params", "received", "path", "expires", "q", "callid", "cseq",
    "last_modified", "user_agent", "socket", "instance", "reg_id",
)  # fmt: skip
"""The columns of a ``dialplane_native.records.Binding``, in its order. The others keep their defaults."""
TIME_COLUMNS = frozenset({"expires", "last_modified"})
USERNAME: Final = 2
DOMAIN: Final = 3
EXPIRES: Final = 8
MODIFIED: Final = 12

SUBSCRIBER_COLUMNS = ("username", "domain", "password", "ha1", "ha1b", "ha1_sha256", "ha1_sha512_256")
"""The fields of :class:`Subscriber`, in its order."""

OWN_IDS = 1 << 62
"""Rows of ``location`` with a smaller ``id`` were written by others."""
IDS_PER_ACCOUNT = 256
TABLE_VERSIONS = {"version": 1, "location": 9, "subscriber": 7}


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``subscriber``. Digests are hexadecimal; an empty text means that it is not known."""

    username: str
    domain: str
    password: str = ""
    """Only ever read: an existing Kamailio database may hold plain passwords; dialplane writes none."""
    ha1: str = ""
    """MD5 of ``username:realm:password``."""
    ha1b: str = ""
    """MD5 of ``username@domain:realm:password``."""
    ha1_sha256: str = ""
    ha1_sha512_256: str = ""

    @property
    def account(self) -> Account:
        """The address-of-record, taken apart."""
        return self.username, self.domain

    @property
    def row(self) -> tuple[str, ...]:
        """In the order of :data:`SUBSCRIBER_COLUMNS`."""
        return msgspec.structs.astuple(self)

    def realm(self, configured: str | None) -> str:
        """Realm that the digests were made with: the configured one, or the domain."""
        return configured or self.domain

    def digests(self, realm: str) -> tuple[str | None, str | None, str | None]:
        """MD5, SHA-256 and SHA-512-256 for ``realm``, as far as they are known or follow from a plain password."""
        md5, sha256, sha512_256 = self.ha1, self.ha1_sha256, self.ha1_sha512_256
        if self.password and not (md5 and sha256 and sha512_256):
            made = make_digests(self.username, realm, self.password)
            md5, sha256, sha512_256 = md5 or made[0], sha256 or made[1], sha512_256 or made[2]
        return md5.lower() or None, sha256.lower() or None, sha512_256.lower() or None


def new_subscriber(username: str, domain: str, password: str, realm: str) -> Subscriber:
    """A subscriber with every digest of ``password``, and without the password."""
    ha1, ha1_sha256, ha1_sha512_256 = make_digests(username, realm, password)
    ha1b = make_digests(f"{username}@{domain}", realm, password)[0]
    return Subscriber(
        username=username,
        domain=domain,
        ha1=ha1,
        ha1b=ha1b,
        ha1_sha256=ha1_sha256,
        ha1_sha512_256=ha1_sha512_256,
    )


def make_digests(username: str, realm: str, password: str) -> tuple[str, str, str]:
    """Hexadecimal MD5, SHA-256 and SHA-512-256 of ``username:realm:password``. RFC 7616 §3.4.2."""
    text = f"{username}:{realm}:{password}".encode()
    return (
        hashlib.md5(text, usedforsecurity=False).hexdigest(),
        hashlib.sha256(text).hexdigest(),
        hashlib.new("sha512_256", text).hexdigest(),
    )
