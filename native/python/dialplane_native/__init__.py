r"""SIP parser, message edits and builders, and the engine of the dialplane server.

>>> from dialplane_native import parse
>>> message = parse(
...     b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"
...     b"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKhjhs8ass877\r\n"
...     b"Max-Forwards: 70\r\n"
...     b"To: <sip:bob@biloxi.com>\r\n"
...     b"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
...     b"Call-ID: a84b4c76e66710\r\n"
...     b"CSeq: 63104 OPTIONS\r\n"
...     b"\r\n"
... )
>>> message.method, message.uri.user, message.from_.tag, message.top_via.host
('OPTIONS', 'bob', '1928301774', 'pc33.atlanta.com')
>>> message.response(200, to_tag="314159").splitlines()[0]
b'SIP/2.0 200 OK'
"""

from pathlib import Path

from dialplane_native._native import (
    Batch,
    Batches,
    CSeq,
    Editor,
    Essentials,
    Framer,
    Header,
    Limits,
    Message,
    NameAddr,
    Packet,
    Rejection,
    Request,
    Response,
    Statistics,
    Uri,
    Via,
    __version__,
    count,
    essentials,
    list_errors,
    parse,
    parse_many,
    validate,
)
from dialplane_native.errors import (
    BuildError,
    CaptureError,
    DatabaseError,
    DialplaneError,
    FieldError,
    MissingFieldError,
    ParseError,
    StoreError,
    UriError,
)

__all__ = [
    "Batch",
    "Batches",
    "BuildError",
    "CSeq",
    "CaptureError",
    "DatabaseError",
    "DialplaneError",
    "Editor",
    "Essentials",
    "FieldError",
    "Framer",
    "Header",
    "Limits",
    "Message",
    "MissingFieldError",
    "NameAddr",
    "Packet",
    "ParseError",
    "Rejection",
    "Request",
    "Response",
    "Statistics",
    "StoreError",
    "Uri",
    "UriError",
    "Via",
    "__version__",
    "count",
    "essentials",
    "get_include",
    "list_errors",
    "parse",
    "parse_many",
    "validate",
]


def get_include() -> str:
    """The folder of ``dialplane.h`` and ``dialplane_python.h``, for extensions in Cython and C."""
    return str(Path(__file__).with_name("include"))
