"""The extension module. Import from ``dialplane_native`` and its other modules, not from here."""

from typing import Final

from dialplane_native import server as server
from dialplane_native import transactions as transactions
from dialplane_native.building import Editor, Request, Response
from dialplane_native.capture import Batch, Batches, Packet, Statistics, count, parse_many
from dialplane_native.messages import Essentials, Framer, Limits, Message, Rejection, essentials, parse, validate
from dialplane_native.values import CSeq, Header, NameAddr, Uri, Via

__all__ = [
    "Batch",
    "Batches",
    "CSeq",
    "Editor",
    "Essentials",
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
    "essentials",
    "list_errors",
    "parse",
    "parse_many",
    "server",
    "transactions",
    "validate",
]

__version__: Final[str]

# A capsule for extensions in Cython and C; dp_import of dialplane_python.h takes what it holds.
_C_API: Final[object]

def list_errors() -> list[tuple[str, str, int | None]]:
    """Every error that can be raised about SIP or the store: name of the class, kind, status."""

def _restore(bytes: bytes) -> Message: ...  # noqa: A002 - for pickle
