"""One user at work: his line, his credentials, his registration, and the requests that he sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialplane.ua.digest import Wallet
from dialplane.ua.draft import Draft, new_call_id, new_tag

if TYPE_CHECKING:
    from dialplane.bench.line import Line
    from dialplane.bench.users import User

_AGENT = ("User-Agent", "dialplane-bench")


class Subscriber:
    """A user and what he remembers."""

    __slots__ = ("_cseq", "_registration", "_word", "aor", "domain", "is_registered", "line", "name", "wallet")

    def __init__(self, user: User, line: Line, algorithm: str | None) -> None:
        self.line = line
        self.aor, self.name, self.domain = user.aor, user.name, user.domain
        self.wallet = Wallet(user.name, user.password, algorithm=algorithm)
        self.is_registered = False
        self._registration = (new_call_id(), new_tag())
        self._cseq = 0
        self._word = 0

    @property
    def contact_uri(self) -> str:
        """Where he is reached."""
        return f"sip:{self.name}@{self.line.flow.contact_host}"

    def next_cseq(self, used: int) -> int:
        """A CSeq above all that he has used. RFC 3261 §8.1.3.5."""
        self._cseq = max(self._cseq, used) + 1
        return self._cseq

    def register(self, expires: int) -> Draft:
        """REGISTER; all of them are in one Call-ID. RFC 3261 §10.2."""
        call_id, tag = self._registration
        return Draft(
            method="REGISTER",
            uri=f"sip:{self.domain}",
            from_=f"<{self.aor}>;tag={tag}",
            to=f"<{self.aor}>",
            call_id=call_id,
            cseq=self.next_cseq(0),
            contact=f"<{self.contact_uri}>",
            fields=[("Expires", str(expires)), _AGENT],
        )

    def request(self, method: str, uri: str, word: str, body: bytes = b"", content_type: str = "") -> Draft:
        """A request outside dialogs; ``word`` is its own."""
        return Draft(
            method=method,
            uri=uri,
            from_=f"<{self.aor}>;tag={word}",
            to=f"<{uri}>",
            call_id=word,
            cseq=self.next_cseq(0),
            contact=f"<{self.contact_uri}>" if method == "INVITE" else None,
            fields=[_AGENT],
            body=body,
            content_type=content_type,
        )
