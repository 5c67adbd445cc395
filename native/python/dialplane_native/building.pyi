"""Writing: requests, responses, changes to a message."""

from typing import Literal, Self, final

from dialplane_native.messages import Message
from dialplane_native.values import CSeq, NameAddr, Uri, Via, _Headers, _Value

__all__ = ["Editor", "Request", "Response"]

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
