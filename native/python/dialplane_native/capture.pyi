"""Many messages at once: captures and buffers of frames."""

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias, final

from typing_extensions import Buffer

from dialplane_native.messages import Limits, Message

__all__ = ["Batch", "Batches", "Packet", "Statistics", "count", "parse_many"]

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
