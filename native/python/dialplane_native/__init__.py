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

from dialplane_native._native import (
    CSeq,
    Editor,
    Framer,
    Header,
    Limits,
    Message,
    NameAddr,
    Rejection,
    Request,
    Response,
    Uri,
    Via,
    __version__,
    list_errors,
    parse,
    validate,
)
from dialplane_native.errors import (
    BuildError,
    DialplaneError,
    FieldError,
    MissingFieldError,
    ParseError,
    StoreError,
    UriError,
)

__all__ = [
    "BuildError",
    "CSeq",
    "DialplaneError",
    "Editor",
    "FieldError",
    "Framer",
    "Header",
    "Limits",
    "Message",
    "MissingFieldError",
    "NameAddr",
    "ParseError",
    "Rejection",
    "Request",
    "Response",
    "StoreError",
    "Uri",
    "UriError",
    "Via",
    "__version__",
    "list_errors",
    "parse",
    "validate",
]
