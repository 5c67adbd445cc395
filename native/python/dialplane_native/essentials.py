"""What every message must have, in one tuple."""

from typing import NamedTuple

__all__ = ["Essentials"]


class Essentials(NamedTuple):
    """What :meth:`dialplane_native.Message.essentials` gives: the fields that RFC 3261 §8.1.1 asks for, as received."""

    method: str | None
    """The method of a request; ``None`` for a response."""
    status: int | None
    """The status code of a response; ``None`` for a request."""
    uri: str | None
    """The Request-URI; ``None`` for a response."""
    branch: str | None
    """The branch of the top Via."""
    from_uri: str
    """The URI of From."""
    from_tag: str | None
    """The tag of From."""
    to_uri: str
    """The URI of To."""
    to_tag: str | None
    """The tag of To."""
    call_id: str
    """Call-ID."""
    cseq: int
    """The number of CSeq."""
    cseq_method: str
    """The method of CSeq."""
    max_forwards: int | None
    """Max-Forwards, at most 255; ``None`` when absent."""
