"""The typed values of header fields."""

from collections.abc import Mapping, Sequence
from typing import Self, TypeAlias, final

__all__ = ["CSeq", "Header", "NameAddr", "Uri", "Via"]

_Value: TypeAlias = str | bytes | int | Uri | NameAddr | Via | CSeq
"""What may be written as the value of a header field."""
_Headers: TypeAlias = Mapping[str, _Value] | Sequence[tuple[str, _Value] | Header]
_Params: TypeAlias = Mapping[str, str | bytes | int | None]
"""Names of parameters and their values; ``None`` for one without a value."""

@final
class Uri:
    """A URI: sip, sips (RFC 3261 §19.1), tel (RFC 3966) or another. ``Uri("sip:alice@atlanta.com")`` parses.

    Equal as RFC 3261 §19.1.4 defines it (RFC 3966 §5 for tel), which is not always transitive.
    """

    __match_args__ = ("scheme", "user", "host", "port")
    def __new__(cls, uri: str | bytes, /) -> Self: ...
    @staticmethod
    def sip(
        host: str,
        *,
        user: str | bytes | None = None,
        port: int | None = None,
        params: _Params | None = None,
        secure: bool = False,
    ) -> Uri:
        """A sip or sips URI from its parts; what user and parameters may not hold is escaped."""
    @property
    def raw(self) -> bytes:
        """The URI as received."""
    @property
    def scheme(self) -> str:
        """The scheme in lower case."""
    @property
    def user(self) -> str | None:
        """The user part as received, escapes and all; the number of a tel URI. ``None`` when there is none."""
    @property
    def unescaped_user(self) -> str | None:
        """The user part with its escapes decoded, once. RFC 3261 §19.1.2."""
    @property
    def password(self) -> str | None:
        """The password as received. RFC 3261 §19.1.1 recommends against it."""
    @property
    def host(self) -> str | None:
        """The host as received, IPv6 in brackets; ``None`` for schemes without one."""
    @property
    def port(self) -> int | None:
        """The port, if one is written."""
    @property
    def params(self) -> dict[str, str | None]:
        """The URI parameters: names in lower case, values as received, ``None`` for those without."""
    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers part as pairs of name and value, as received. RFC 3261 §19.1.1."""
    @property
    def aor(self) -> str | None:
        """The canonical address-of-record, ``user@host``, as the registrar keys it (RFC 3261 §10.3 step 5).

        ``None`` for schemes that have none.
        """
    @property
    def opaque(self) -> str | None:
        """What follows the colon of a scheme that is neither sip, sips nor tel; ``None`` for those."""
    def __bytes__(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class NameAddr:
    """A value of From, To, Contact, Route, Record-Route and their kin. ``NameAddr('"A" <sip:a@b.c>;tag=1')`` parses.

    Equal as RFC 3261 §20.20 has it: the URIs match and so do the parameters that both have; ``tag``, ``q`` and
    ``expires`` must be in both or in none. The display name does not count.
    """

    __match_args__ = ("display", "uri", "params")
    def __new__(cls, value: str | bytes, /) -> Self: ...
    @staticmethod
    def build(uri: Uri | str | bytes, *, display: str | bytes | None = None, params: _Params | None = None) -> NameAddr:
        """An address from its parts: the display name is quoted, the URI put into angle brackets."""
    @property
    def raw(self) -> bytes:
        """The value as received, without white space at its ends."""
    @property
    def display(self) -> str | None:
        """The display name without quotes and escapes; ``None`` when there is none."""
    @property
    def uri(self) -> Uri:
        """The URI. Raises :class:`UriError` when it cannot be read."""
    @property
    def uri_text(self) -> str:
        """The URI as text, whether it can be read or not."""
    @property
    def tag(self) -> str | None:
        """The tag parameter, RFC 3261 §19.3."""
    @property
    def q(self) -> float | None:
        """The q parameter of a Contact, 0 to 1; ``None`` when it is absent or no number. RFC 3261 §20.10."""
    @property
    def expires(self) -> int | None:
        """The expires parameter of a Contact in seconds; ``None`` when it is absent or no number. RFC 3261 §20.10."""
    @property
    def params(self) -> dict[str, str | None]:
        """The parameters behind the URI: names in lower case, values without quotes, ``None`` for those without."""
    def __bytes__(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Via:
    """One Via value, RFC 3261 §20.42. ``Via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")`` parses.

    Equal when sent-protocol, sent-by and all parameters are the same.
    """

    __match_args__ = ("transport", "host", "port", "branch")
    def __new__(cls, value: str | bytes, /) -> Self: ...
    @staticmethod
    def build(
        transport: str,
        host: str,
        port: int | None = None,
        *,
        branch: str | None = None,
        rport: bool = False,
        params: _Params | None = None,
    ) -> Via:
        """A Via from its parts; the branch comes first among the parameters."""
    @property
    def raw(self) -> bytes:
        """The value as received, without white space at its ends."""
    @property
    def transport(self) -> str:
        """The transport as received: ``UDP``, ``TCP``, ``TLS``, ``WS``, …"""
    @property
    def host(self) -> str:
        """The host of sent-by as received, IPv6 in brackets."""
    @property
    def port(self) -> int | None:
        """The port of sent-by, if one is written."""
    @property
    def sent_by(self) -> str:
        """Host and port as received."""
    @property
    def branch(self) -> str | None:
        """The branch parameter."""
    @property
    def has_cookie(self) -> bool:
        """Whether the branch begins with ``z9hG4bK`` and more follows. RFC 3261 §8.1.1.7."""
    @property
    def received(self) -> str | None:
        """The received parameter."""
    @property
    def rport(self) -> int | None:
        """The value of rport; ``None`` when it has none or is absent, see :attr:`has_rport`. RFC 3581 §4."""
    @property
    def has_rport(self) -> bool:
        """Whether there is an rport parameter: the client asks for symmetric responses. RFC 3581 §3."""
    @property
    def maddr(self) -> str | None:
        """The maddr parameter."""
    @property
    def ttl(self) -> int | None:
        """The ttl parameter."""
    @property
    def params(self) -> dict[str, str | None]:
        """All parameters: names in lower case, values without quotes, ``None`` for those without a value."""
    def __bytes__(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class CSeq:
    """A CSeq value: ``CSeq(7, "INVITE")``. Equal when number and method are the same (RFC 3261 §20.16)."""

    __match_args__ = ("number", "method")
    def __new__(cls, number: int, method: str | bytes, /) -> Self: ...
    @property
    def number(self) -> int:
        """The sequence number."""
    @property
    def method(self) -> str:
        """The method as written."""
    @property
    def raw(self) -> bytes:
        """The value as written in a message."""
    def __bytes__(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Header:
    """One header field: ``Header("Subject", "lunch")``, or one of a message's.

    Equal when the names mean the same header (any case, long or compact form) and the values have the same octets,
    folds aside. RFC 3261 §7.3.1.
    """

    __match_args__ = ("name", "value")
    def __new__(cls, name: str, value: _Value, /) -> Self: ...
    @property
    def name(self) -> str:
        """The name as received."""
    @property
    def usual_name(self) -> str:
        """The name as usually written: ``Via`` for ``v`` or ``VIA``; as received for names that are in no RFC."""
    @property
    def value(self) -> str:
        """The value without white space at its ends; each fold is one blank."""
    @property
    def raw(self) -> bytes:
        """The whole line or lines as received, without the last CRLF."""
    @property
    def raw_name(self) -> bytes:
        """The name as received."""
    @property
    def raw_value(self) -> bytes:
        """The value as received, folds and all, without white space at its ends."""
    def __bytes__(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
