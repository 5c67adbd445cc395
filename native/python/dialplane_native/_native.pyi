"""The extension module. Import from ``dialplane_native`` and ``dialplane_native.server``, not from here."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Final, Literal, Self, TypeAlias, TypeVar, final, overload

from typing_extensions import Buffer

from dialplane_native import server as server
from dialplane_native import transactions as transactions
from dialplane_native.errors import ParseError
from dialplane_native.essentials import Essentials

__all__ = [
    "Batch",
    "Batches",
    "CSeq",
    "Editor",
    "Framer",
    "Header",
    "Limits",
    "Message",
    "NameAddr",
    "Packet",
    "Rejection",
    "Request",
    "Response",
    "Statistics",
    "Uri",
    "Via",
    "__version__",
    "_restore",
    "count",
    "list_errors",
    "parse",
    "parse_many",
    "server",
    "transactions",
    "validate",
]

_T = TypeVar("_T")
_Value: TypeAlias = str | bytes | int | Uri | NameAddr | Via | CSeq
"""What may be written as the value of a header field."""
_Headers: TypeAlias = Mapping[str, _Value] | Sequence[tuple[str, _Value] | Header]
_Params: TypeAlias = Mapping[str, str | bytes | int | None]
"""Names of parameters and their values; ``None`` for one without a value."""

__version__: Final[str]

# A capsule for extensions in Cython and C; dp_import of dialplane_python.h takes what it holds.
_C_API: Final[object]

def parse(data: Buffer, /, *, stream: bool = False, limits: Limits | None = None) -> Message:
    """Parses one message.

    Nothing is copied. ``bytes`` are kept; the buffer of any other object (``bytearray``, ``memoryview``, ``mmap``) is
    held, so that it can neither be resized nor closed, for as long as the message or a value of it lives. Who writes
    into it meanwhile changes what they show: give ``bytes(data)`` if the buffer is used again.

    With ``stream``, ``data`` is the beginning of a stream: Content-Length is required and what follows the message is
    not looked at (RFC 3261 §18.3). For a stream that comes in pieces, use a :class:`Framer`.

    Raises :class:`ParseError` when ``data`` is not SIP. What is wrong but leaves the header fields readable is in
    :attr:`Message.fault` instead; :func:`validate` says what a server answers to it.
    """

def parse_many(
    source: str | PathLike[str] | Buffer,
    /,
    *,
    ends: Sequence[int] | None = None,
    size: int = 1024,
    limits: Limits | None = None,
) -> Batches:
    """Parses a capture in batches of up to ``size`` messages.

    A path is mapped, not read; a buffer is held as by :func:`parse`. It is a pcap or pcapng capture, or, with ``ends``,
    frames laid end to end: ``ends`` says where each of them ends. Anything else raises :class:`CaptureError`.

    Of a capture are read: Ethernet (also with VLAN tags and PPPoE), Linux cooked v1 and v2, loopback and raw IP; IPv4
    and IPv6; UDP, also in fragments; TCP, put in order and cut into messages. Packets that are no SIP are passed over
    and counted. Frames of which the capture does not hold all octets are counted and not read.

    Python's lock is released while a batch is made. Threads may share the iterator, each batch goes to one of them.
    """

def count(
    source: str | PathLike[str] | Buffer,
    /,
    *,
    ends: Sequence[int] | None = None,
    threads: int = 1,
    limits: Limits | None = None,
) -> Statistics:
    """Counts the messages of a capture by method and status, without making an object for any of them.

    ``source`` and ``ends`` as for :func:`parse_many`. Python's lock is released. The capture is cut by one thread at a
    time and its messages are read by ``threads``.
    """

def validate(message: Message, /, *, limits: Limits | None = None) -> Rejection | None:
    """Whether a message may be worked with: ``None``, or the first reason against it. RFC 3261 §8.2, §16.3."""

def list_errors() -> list[tuple[str, str, int | None]]:
    """Every error that can be raised about SIP or the store: name of the class, kind, status."""

def _restore(bytes: bytes) -> Message: ...  # noqa: A002 - for pickle

@final
class Limits:
    """How much a message may hold. The defaults are those of the server."""

    def __new__(
        cls,
        *,
        message: int = 65536,
        fields: int = 256,
        field: int = 16384,
        via: int = 64,
        route: int = 32,
        contacts: int = 64,
        stream_without_length: bool = False,
    ) -> Self: ...
    @property
    def message(self) -> int:
        """Octets of a whole message."""
    @property
    def fields(self) -> int:
        """Header fields."""
    @property
    def field(self) -> int:
        """Octets of one header field with its name and folds."""
    @property
    def via(self) -> int:
        """Via values; looked at by :func:`validate`."""
    @property
    def route(self) -> int:
        """Route values; looked at by :func:`validate`."""
    @property
    def contacts(self) -> int:
        """Contact values; looked at by :func:`validate`."""
    @property
    def stream_without_length(self) -> bool:
        """Read a stream message without Content-Length as one without a body, as RFC 2543 clients send it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Rejection:
    """Why a message is refused, and with which status. Made by :func:`validate`."""

    __match_args__ = ("status", "header", "reason")
    @property
    def status(self) -> int:
        """The status to answer a request with."""
    @property
    def header(self) -> str | None:
        """The header at fault; ``None`` for the start line, the body or the message as a whole."""
    @property
    def reason(self) -> str:
        """What is wrong, fit for a reason phrase."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

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

@final
class Message:
    """A parsed message: made by :func:`parse` or a :class:`Framer`. It never changes; :meth:`edit` gives an editor.

    Values are made when they are asked for. A header field that cannot be read raises :class:`FieldError` then, one
    that every message must have and this one has not :class:`MissingFieldError`; the others stay readable.

    Text is UTF-8; octets that are none come as surrogate escapes (PEP 383). ``raw`` is what was received, always.
    """

    @property
    def raw(self) -> bytes:
        """The octets of the message, without what came behind its body."""
    @property
    def start_line(self) -> str:
        """The start line without its CRLF."""
    @property
    def is_request(self) -> bool:
        """Whether it is a request."""
    @property
    def method(self) -> str | None:
        """The method of a request; ``None`` for a response."""
    @property
    def uri(self) -> Uri | None:
        """The Request-URI; ``None`` for a response. Raises :class:`UriError` when it cannot be read."""
    @property
    def uri_text(self) -> str | None:
        """The Request-URI as text, whether it can be read or not; ``None`` for a response."""
    @property
    def status(self) -> int | None:
        """The status code of a response, 0 when it is no legal one; ``None`` for a request."""
    @property
    def reason(self) -> str | None:
        """The reason phrase of a response; ``None`` for a request."""
    @property
    def body(self) -> bytes:
        """The body."""
    @property
    def fault(self) -> ParseError | None:
        """What is wrong with the framing although the fields are readable; :func:`validate` says what to answer."""
    @property
    def call_id(self) -> str:
        """Call-ID. RFC 3261 §20.8."""
    @property
    def cseq(self) -> CSeq:
        """CSeq. RFC 3261 §20.16."""
    @property
    def via(self) -> list[Via]:
        """All Via values, top first. RFC 3261 §20.42."""
    @property
    def top_via(self) -> Via:
        """The top Via; the others are not looked at."""
    @property
    def from_(self) -> NameAddr:
        """From. RFC 3261 §20.20."""
    @property
    def to(self) -> NameAddr:
        """To. RFC 3261 §20.39."""
    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact values; empty when there are none, or only ``*``. RFC 3261 §20.10."""
    @property
    def contact(self) -> NameAddr | None:
        """The first Contact value; ``None`` when there is none, or only ``*``."""
    @property
    def is_contact_star(self) -> bool:
        """Whether Contact is the ``*`` of a REGISTER that removes all bindings. RFC 3261 §10.2.2."""
    @property
    def route(self) -> list[NameAddr]:
        """All Route values, top first. RFC 3261 §20.34."""
    @property
    def record_route(self) -> list[NameAddr]:
        """All Record-Route values, top first. RFC 3261 §20.30."""
    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, at most 255; ``None`` when absent. RFC 3261 §20.22."""
    @property
    def content_length(self) -> int | None:
        """Content-Length; ``None`` when absent. RFC 3261 §20.14."""
    @property
    def expires(self) -> int | None:
        """Expires in seconds; ``None`` when absent. RFC 3261 §20.19."""
    def essentials(self) -> Essentials:
        """What every message must have, in one tuple: quicker than one value after the other. RFC 3261 §8.1.1.

        Raises :class:`FieldError` when one of them cannot be read.
        """
    @property
    def headers(self) -> list[Header]:
        """All header fields in order."""
    @overload
    def get(self, name: str, default: None = None, /) -> str | None:
        """The value of the first field of that name (any case, long or compact), or ``default``."""
    @overload
    def get(self, name: str, default: _T, /) -> str | _T: ...
    def get_all(self, name: str, /) -> list[str]:
        """The values of all fields of that name, in order."""
    def elements(self, name: str, /) -> list[str]:
        """The elements of a list header such as Supported or Allow, over all its fields.

        Commas in quotes and angle brackets do not separate. For other headers, the value of each field.
        """
    def address(self, name: str, /) -> NameAddr:
        """The value of a header that holds one address, such as Reply-To or Refer-To."""
    def addresses(self, name: str, /) -> list[NameAddr]:
        """The addresses of a list header such as Path or P-Asserted-Identity."""
    def edit(self) -> Editor:
        """An editor that begins with this message; the message itself never changes."""
    def response(
        self,
        status: int,
        reason: str | bytes | None = None,
        *,
        to_tag: str | None = None,
        source: tuple[str, int] | None = None,
        headers: _Headers | None = None,
        body: str | bytes | None = None,
    ) -> bytes:
        """A response to this request as octets. RFC 3261 §8.2.6.

        Via, From, To, Call-ID and CSeq are copied, also those that cannot be read; ``to_tag`` goes to the To if it has
        no tag yet and the status is not 100. ``source``, the address the request came from, is noted in the top Via
        (RFC 3261 §18.2.1, RFC 3581 §4).
        """
    def __getitem__(self, name: str, /) -> str:
        """The value of the first field of that name (any case, long or compact).

        Raises :class:`MissingFieldError`, which is a :class:`KeyError`.
        """
    def __contains__(self, name: str, /) -> bool: ...
    def __len__(self) -> int:
        """Octets of the message."""
    def __bool__(self) -> Literal[True]: ...
    def __bytes__(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Editor:
    """Changes a copy of a message. Made by :meth:`Message.edit`; ``bytes(editor)`` is the changed message.

    Each change sees those before it. Octets that no change names stay as they were received. A change that raises has
    not happened. Values hold no CR, LF or NUL; otherwise they are not looked at, so that tests can write nonsense.
    """

    def set(self, name: str, value: _Value, /) -> Self:
        """Gives the first field of that name this value and removes the others; adds the field if there is none."""
    def add(self, name: str, value: _Value, /) -> Self:
        """Adds a field: behind the last one of that name, or behind all fields."""
    def prepend(self, name: str, value: _Value, /) -> Self:
        """Adds a field: before the first one of that name, or before all fields. For Via, Route and Record-Route."""
    def remove(self, name: str, /) -> Self:
        """Removes all fields of that name."""
    def pop(self, name: str, /) -> str | None:
        """Takes out the first element of a list header such as Route, or the first field of another, and returns it.

        ``None`` when there is none.
        """
    def replace_uri(self, uri: Uri | str | bytes, /) -> Self:
        """Puts another Request-URI into the request line. RFC 3261 §16.6 step 2."""
    def replace_status(self, status: int, reason: str | bytes | None = None, /) -> Self:
        """Puts another status and reason phrase into the status line."""
    def push_via(self, via: Via | str | bytes, /) -> Self:
        """Puts a Via on top. RFC 3261 §16.6 step 8."""
    def pop_via(self) -> Via:
        """Takes the top Via off and returns it. RFC 3261 §16.7 step 3."""
    def decrement_max_forwards(self) -> int:
        """Counts Max-Forwards down and returns what it is then; adds it with 70 when absent. RFC 3261 §16.6 step 3.

        Raises :class:`BuildError` (status 483) when it is 0.
        """
    def set_body(self, body: str | bytes, content_type: str | None = None, /) -> Self:
        """Replaces the body and sets Content-Length, and Content-Type if one is given."""
    def message(self) -> Message:
        """The changed message, parsed."""
    def __len__(self) -> int:
        """Octets of the changed message."""
    def __bool__(self) -> Literal[True]: ...
    def __bytes__(self) -> bytes: ...

@final
class Request:
    """A request of our own. RFC 3261 §8.1.1.

    What every request must have is a named argument; ``via`` and ``contact`` may be lists. With a number for ``cseq``,
    the method is added. Content-Length is written from the body. What :func:`validate` would refuse raises
    :class:`BuildError`.
    """

    def __new__(
        cls,
        method: str | bytes,
        uri: Uri | str | bytes,
        *,
        via: Via | str | bytes | list[Via | str | bytes] | tuple[Via | str | bytes, ...],
        from_: NameAddr | str | bytes,
        to: NameAddr | str | bytes,
        call_id: str | bytes,
        cseq: int | CSeq | str | bytes,
        max_forwards: int = 70,
        contact: NameAddr
        | str
        | bytes
        | list[NameAddr | str | bytes]
        | tuple[NameAddr | str | bytes, ...]
        | None = None,
        headers: _Headers | None = None,
        body: str | bytes | None = None,
    ) -> Self: ...
    @property
    def raw(self) -> bytes:
        """The request as octets."""
    def message(self) -> Message:
        """The request, parsed."""
    def __bytes__(self) -> bytes: ...

@final
class Response:
    """A response from its parts. To answer a request, :meth:`Message.response` is shorter. RFC 3261 §8.2.6."""

    def __new__(
        cls,
        status: int,
        reason_phrase: str | bytes | None = None,
        *,
        via: Via | str | bytes | list[Via | str | bytes] | tuple[Via | str | bytes, ...],
        from_: NameAddr | str | bytes,
        to: NameAddr | str | bytes,
        call_id: str | bytes,
        cseq: CSeq | str | bytes,
        contact: NameAddr
        | str
        | bytes
        | list[NameAddr | str | bytes]
        | tuple[NameAddr | str | bytes, ...]
        | None = None,
        headers: _Headers | None = None,
        body: str | bytes | None = None,
    ) -> Self: ...
    @property
    def raw(self) -> bytes:
        """The response as octets."""
    def message(self) -> Message:
        """The response, parsed."""
    def __bytes__(self) -> bytes: ...

@final
class Framer:
    """Cuts a stream (TCP, TLS) into messages, however it comes in pieces. RFC 3261 §7.5, §18.3.

    Not for several threads at once.
    """

    def __new__(cls, *, limits: Limits | None = None) -> Self: ...
    def feed(self, data: Buffer, /) -> list[Message]:
        """Takes the next octets of the stream and returns the messages that they complete.

        When the stream cannot be cut any further, the messages before the fault are returned first; this call, if there
        are none, and every later one raises :class:`ParseError`: close the connection.
        """
    def take_keep_alives(self) -> int:
        """Keep-alives (CRLF CRLF) received since the last call; each is to be answered with CRLF (RFC 5626 §4.4.1)."""
    @property
    def buffered(self) -> int:
        """Octets received that are not yet part of a message."""

_Column: TypeAlias = Literal[
    "method",
    "status",
    "uri",
    "branch",
    "from_uri",
    "from_tag",
    "to_uri",
    "to_tag",
    "call_id",
    "cseq",
    "cseq_method",
    "max_forwards",
    "number",
    "time",
    "source",
    "destination",
    "transport",
]

@final
class Batches:
    """Made by :func:`parse_many`. Threads may share it."""

    def __iter__(self) -> Iterator[Batch]: ...
    def __next__(self) -> Batch: ...
    @property
    def refused(self) -> int:
        """Packets so far that were no SIP and are in no batch."""
    @property
    def capture(self) -> dict[str, int]:
        """What the capture held so far, as in :attr:`Statistics.capture`; empty for frames."""

@final
class Batch:
    """Messages that were parsed together: a sequence of :class:`Packet`."""

    def columns(self, *names: _Column) -> tuple[list[Any], ...]:
        """Values of all messages as lists, one for each name; ``None`` where a message has none that can be read.

        The names are those of :class:`Essentials`, and ``number``, ``time``, ``source``, ``destination`` and
        ``transport`` of :class:`Packet`.
        """
    def header(self, name: str, /) -> list[str | None]:
        """The value of the first field of that name in each message; ``None`` where there is none."""
    def __len__(self) -> int: ...
    def __getitem__(self, at: int, /) -> Packet: ...
    def __iter__(self) -> Iterator[Packet]: ...

@final
class Packet:
    """One SIP message of a capture or a buffer of frames."""

    @property
    def message(self) -> Message:
        """The message, parsed."""
    @property
    def raw(self) -> bytes:
        """The octets of the datagram, or of the message of a stream."""
    @property
    def number(self) -> int:
        """Which frame of its source completed it, counted from 0. Wireshark counts from 1."""
    @property
    def time(self) -> float | None:
        """When it was captured, seconds since 1970; ``None`` for a frame."""
    @property
    def time_ns(self) -> int | None:
        """When it was captured, nanoseconds since 1970; ``None`` for a frame."""
    @property
    def source(self) -> tuple[str, int] | None:
        """IP address and port it came from; ``None`` for a frame."""
    @property
    def destination(self) -> tuple[str, int] | None:
        """IP address and port it went to; ``None`` for a frame."""
    @property
    def transport(self) -> str | None:
        """``UDP`` or ``TCP``; ``None`` for a frame."""

@final
class Statistics:
    """What :func:`count` has counted."""

    @property
    def messages(self) -> int:
        """Requests and responses."""
    @property
    def requests(self) -> dict[str, int]:
        """Requests by method."""
    @property
    def responses(self) -> dict[int, int]:
        """Responses by status code; 0 for one that is no legal one."""
    @property
    def answers(self) -> dict[tuple[str | None, int], int]:
        """Responses by the method of their CSeq, ``None`` when that cannot be read, and status code."""
    @property
    def faulty(self) -> int:
        """Messages with a :attr:`Message.fault`; they are counted above as well."""
    @property
    def refused(self) -> int:
        """Packets that were no SIP."""
    @property
    def capture(self) -> dict[str, int]:
        """What the capture held; empty for frames.

        ``frames``, of them ``other_frames`` (neither UDP nor TCP over IP) and ``cut_frames`` (not all octets captured);
        UDP ``datagrams``, of them ``other_datagrams`` (certainly no SIP); TCP ``segments``; IP ``fragments``, and
        ``joined_datagrams`` and ``lost_datagrams`` that they belong to; ``gaps`` in TCP streams that nothing filled;
        ``is_truncated``, 1 when the capture ends within a frame.
        """
