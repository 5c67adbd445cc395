"""The errors of ``dialplane_native``: one tree, each with a kind, the status to answer with and the place.

:func:`dialplane_native.list_errors` lists every class and kind that can be raised.
"""

__all__ = [
    "BuildError",
    "CaptureError",
    "DatabaseError",
    "DialplaneError",
    "FieldError",
    "MissingFieldError",
    "ParseError",
    "StoreError",
    "UriError",
]


class DialplaneError(Exception):
    """Anything that ``dialplane_native`` raises about SIP, the store or a database. ``str()`` is one line."""

    text: str
    """What is wrong, in words."""
    kind: str
    """What is wrong, as a name that stays the same: ``header-line``, ``missing``, ``host``."""
    status: int | None
    """The status with which a server answers a request that has this fault; ``None`` when none fits."""
    offset: int | None
    """Where, in octets from the start of what was given; ``None`` when it is not one place."""

    def __init__(self, text: str, kind: str, status: int | None = None, offset: int | None = None) -> None:
        super().__init__(text, kind, status, offset)
        self.text = text
        self.kind = kind
        self.status = status
        self.offset = offset

    def __str__(self) -> str:
        return self.text


class ParseError(DialplaneError, ValueError):
    """The octets are not a SIP message, or its framing is wrong. RFC 3261 §7, §18.3."""


class FieldError(DialplaneError, ValueError):
    """One header field cannot be read. RFC 3261 §20."""

    header: str
    """Name of the header field; empty for a value that was not part of a message."""

    def __init__(
        self, text: str, kind: str, status: int | None = None, offset: int | None = None, header: str = ""
    ) -> None:
        super().__init__(text, kind, status, offset)
        self.args = (text, kind, status, offset, header)
        self.header = header


class MissingFieldError(FieldError, KeyError):
    """There is no such header field. Also a :class:`KeyError`, for ``message["Subject"]``."""


class UriError(DialplaneError, ValueError):
    """A URI breaks its grammar. RFC 3261 §19.1.1, RFC 3966 §3."""


class BuildError(DialplaneError, ValueError):
    """What was to be written would not be legal SIP, or would break out of its line."""


class CaptureError(DialplaneError, ValueError):
    """A file or buffer is neither a pcap nor a pcapng capture."""


class DatabaseError(DialplaneError):
    """SQLite says no; :attr:`text` is what it says."""


class StoreError(DialplaneError):
    """The shared store cannot be opened or used; the text is fit for the operator."""
