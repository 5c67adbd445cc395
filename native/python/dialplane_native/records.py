"""Shapes of what :mod:`dialplane_native.server` takes and gives. Apart, so that a worker need not import ``typing``."""

from typing import TypeAlias, TypedDict

Credentials: TypeAlias = tuple[str, str]
"""Key of a subscriber's digests: user name and realm, as the client sends them. RFC 7616 §3.4.2."""

Account: TypeAlias = tuple[str, str]
"""An address-of-record taken apart: user name and domain. RFC 3261 §10."""

IdRange: TypeAlias = tuple[int, int]
"""First and last ``id`` of rows to delete, both included."""

Binding: TypeAlias = tuple[
    int,  # id: record_id(username, domain) plus the place of the binding in its record, 0 to 255
    str,  # ruid: unique, the same for a binding as long as it lives (refreshes keep it)
    str,  # username
    str,  # domain
    str,  # contact: the URI of the Contact header field
    str | None,  # params: its other parameters as they came, with their semicolons, without q and expires
    str | None,  # received: "sip:HOST:PORT;transport=udp" the REGISTER came from, when requests must go back there
    str | None,  # path: value of the Path header fields, RFC 3327
    int,  # expires: when the binding ends, seconds since 1970
    float,  # q: -1.0 when the Contact has none (Kamailio's convention)
    str,  # callid
    int,  # cseq
    int,  # last_modified: seconds since 1970
    str,  # user_agent
    str | None,  # socket: "udp:HOST:PORT" of the listener that received the REGISTER
    str | None,  # instance: "+sip.instance" of params, RFC 5626
    int,  # reg_id: "reg-id" of params, 0 when there is none
]
"""One binding (RFC 3261 §10) in the order of the columns that the database mirror writes."""


SqlValue: TypeAlias = int | float | str | bytes | None
"""What SQLite keeps in a column."""


class WorkerCounters(TypedDict):
    """The mapped page of one worker."""

    worker: int
    """Index, 0 to N-1."""
    pid: int
    started: float
    """When this process began to count, seconds since 1970."""
    values: dict[str, int]
    """Name as in ``counter_names()`` → count since the start of the process."""
