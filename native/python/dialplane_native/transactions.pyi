"""The four machines of RFC 3261 §17 for a user agent: no sockets, no clock.

Time is seconds of one clock that never goes back, such as ``loop.time()``. A flow is any object that stands for the way
a message came or goes; it is handed back as it was given. Each call gives what is to be done; do it in that order.
"""

from typing import Any, Literal, Self, TypeAlias, final

from dialplane_native._native import Message
from dialplane_native.values import _Headers

__all__ = ["Failure", "Incoming", "Reply", "Send", "Transactions"]

_Action: TypeAlias = Send | Incoming | Reply | Failure

@final
class Send:
    """Octets to send by a flow: a retransmission, 100 (Trying), the ACK for a final response other than 2xx."""

    @property
    def flow(self) -> Any: ...
    @property
    def data(self) -> bytes: ...

@final
class Incoming:
    """A request for the transaction user, once: retransmissions are absorbed."""

    @property
    def id(self) -> int | None:
        """Its server transaction; ``None`` for ACK, which has none."""
    @property
    def message(self) -> Message: ...
    @property
    def flow(self) -> Any: ...
    @property
    def is_merged(self) -> bool:
        """The same request came by another way before: to be answered with 482. RFC 3261 §8.2.2.2."""
    @property
    def invite(self) -> int | None:
        """The server transaction that a CANCEL, or the ACK to a final response, belongs to. RFC 3261 §9.2."""

@final
class Reply:
    """A response for the transaction user."""

    @property
    def id(self) -> int | None:
        """Its client transaction; ``None`` when it belongs to none, as a late 2xx to an INVITE."""
    @property
    def owner(self) -> Any:
        """What the request was given as owner."""
    @property
    def message(self) -> Message: ...
    @property
    def flow(self) -> Any: ...

@final
class Failure:
    """A transaction ended without what it waited for. RFC 3261 §8.1.3.1."""

    @property
    def id(self) -> int: ...
    @property
    def owner(self) -> Any: ...
    @property
    def kind(self) -> Literal["timeout", "transport", "no-ack"]:
        """No final response in time; the message could not be sent; the final response was not acknowledged."""

@final
class Transactions:
    """Transactions of one user agent.

    ``secret`` (16 octets) makes branches that nobody can guess. ``t1``, ``t2`` and ``t4`` are those of RFC 3261 Table 4;
    ``most`` bounds how many there are at one time: beyond it :class:`OverflowError` is raised.
    """

    def __new__(
        cls, *, now: float, secret: bytes, t1: float = 0.5, t2: float = 4.0, t4: float = 5.0, most: int = 1_000_000
    ) -> Self: ...
    def request(self, now: float, data: bytes, *, via: str, flow: Any, reliable: bool, owner: Any) -> tuple[int, bytes]:
        """Begins a client transaction for a request without Via; gives its id and the octets to send by ``flow``.

        ``via`` is a Via value without branch: ``SIP/2.0/UDP 192.0.2.1:5060;rport``. Raises :class:`BuildError` when the
        request is not one that may be sent.
        """
    def stamp(self, data: bytes, via: str, /) -> bytes:
        """Puts a Via with a branch of its own into a request that has none, without a transaction: for ACK to a 2xx."""
    def cancel(self, now: float, id: int, /, *, lines: bytes | None = None, owner: Any = None) -> bytes | None:  # noqa: A002
        """Begins the CANCEL of an INVITE and gives the octets to send (RFC 3261 §9.1).

        ``None`` while the INVITE has no provisional response, once it has a final one, and when it was cancelled
        before. ``lines`` are whole header lines, such as a Reason.
        """
    def respond(
        self,
        now: float,
        id: int,  # noqa: A002
        status: int,
        reason: str | bytes | None = None,
        *,
        to_tag: str | None = None,
        headers: _Headers | None = None,
        body: str | bytes | None = None,
    ) -> bytes | None:
        """Answers a request and gives the octets to send by the flow that it came by.

        ``None`` when the transaction has ended or has its final response. A 2xx to INVITE is sent again until its ACK
        comes by the caller (RFC 3261 §13.3.1.4), everything else by the transaction.
        """
    def receive(
        self,
        now: float,
        message: Message,
        /,
        *,
        flow: Any,
        reliable: bool,
        source: tuple[str, int] | None = None,
    ) -> list[_Action]:
        """Takes a message that has come. ``source``, an IP address and port, is noted in the Via of responses.

        A request that :func:`dialplane_native.validate` refuses is answered here; a response that it refuses is dropped.
        """
    def expire(self, now: float, /) -> list[_Action]:
        """Fires the timers that are due."""
    def fail(self, now: float, flow: Any, /) -> list[_Action]:
        """What could not be sent, or a flow that is gone: every transaction of it hears of it."""
    def abandon(self, id: int, /) -> None:  # noqa: A002
        """Ends an INVITE client transaction without a word: nobody waits for its response any more."""
    @property
    def next_deadline(self) -> float | None:
        """When :meth:`expire` should be called next; it may then find nothing. ``None``: when something has begun."""
    def describe(self) -> list[str]:
        """Each transaction in words: its machine, state and next timer."""
    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...
