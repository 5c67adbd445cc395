"""Reading: a message, a stream of them, what is wrong with one."""

from collections.abc import Iterator
from typing import Literal, Self, TypeVar, final, overload

from typing_extensions import Buffer

from dialplane_native.building import Editor
from dialplane_native.errors import ParseError
from dialplane_native.values import CSeq, Header, NameAddr, Uri, Via, _Headers

_T = TypeVar("_T")

__all__ = ["Essentials", "Framer", "Limits", "Message", "Rejection", "essentials", "parse", "validate"]

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

def essentials(data: Buffer, /, *, limits: Limits | None = None) -> Essentials:
    """What every message must have, of the octets of one: as ``parse(data).essentials()``, without the message.

    Raises :class:`ParseError` as :func:`parse`, and :class:`FieldError` when one of the fields cannot be read.
    """

def validate(message: Message, /, *, limits: Limits | None = None) -> Rejection | None:
    """Whether a message may be worked with: ``None``, or the first reason against it. RFC 3261 §8.2, §16.3."""

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
        """What every message must have, in one go: quicker than one value after the other. RFC 3261 §8.1.1.

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
class Essentials:
    """What every message must have (RFC 3261 §8.1.1), as received: by :meth:`Message.essentials` or :func:`essentials`.

    Iterates over its values in the order of ``__match_args__``, which are the names of columns of a :class:`Batch` too.
    """

    __match_args__ = (
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
    )
    def __new__(
        cls,
        method: str | None,
        status: int | None,
        uri: str | None,
        branch: str | None,
        from_uri: str,
        from_tag: str | None,
        to_uri: str,
        to_tag: str | None,
        call_id: str,
        cseq: int,
        cseq_method: str,
        max_forwards: int | None,
    ) -> Self: ...
    @property
    def method(self) -> str | None:
        """The method of a request; ``None`` for a response."""
    @property
    def status(self) -> int | None:
        """The status code of a response; ``None`` for a request."""
    @property
    def uri(self) -> str | None:
        """The Request-URI; ``None`` for a response."""
    @property
    def branch(self) -> str | None:
        """The branch of the top Via."""
    @property
    def from_uri(self) -> str:
        """The URI of From."""
    @property
    def from_tag(self) -> str | None:
        """The tag of From."""
    @property
    def to_uri(self) -> str:
        """The URI of To."""
    @property
    def to_tag(self) -> str | None:
        """The tag of To."""
    @property
    def call_id(self) -> str:
        """Call-ID."""
    @property
    def cseq(self) -> int:
        """The number of CSeq."""
    @property
    def cseq_method(self) -> str:
        """The method of CSeq."""
    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, at most 255; ``None`` when absent."""
    def __iter__(self) -> Iterator[str | int | None]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

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
