"""Codecs: samples to payloads and back. Samples are signed 16-bit, mono, in the byte order of this machine.

G.722 and Opus keep a state between packets: there is a codec for each stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from dialplane.media import g711, g722, opus
from dialplane.sdp import Format

if TYPE_CHECKING:
    from collections.abc import Callable


class Codec(Protocol):
    """One stream, both directions."""

    @property
    def sample_rate(self) -> int:
        """Samples a second; the clock rate of the timestamps may be another (G.722, RFC 3551 §4.5.2)."""

    def encode(self, samples: bytes) -> bytes:
        """A payload."""

    def decode(self, payload: bytes) -> bytes:
        """Samples of a payload; none for what is damaged."""


class _Pcmu:
    sample_rate = 8000
    encode = staticmethod(g711.encode_ulaw)
    decode = staticmethod(g711.decode_ulaw)


class _Pcma:
    sample_rate = 8000
    encode = staticmethod(g711.encode_alaw)
    decode = staticmethod(g711.decode_alaw)


class _G722:
    sample_rate = 16000

    def __init__(self) -> None:
        self.encode = g722.Encoder().encode
        self.decode = g722.Decoder().decode


class Known(NamedTuple):
    """A codec that we have."""

    format: Format
    """As it is offered."""
    make: Callable[[], Codec]
    require: Callable[[], None] = lambda: None
    """Raises ``MissingExtraError`` if it cannot be used here."""


CODECS = {
    "PCMU": Known(Format("PCMU", 8000, payload_type=0), _Pcmu),
    "PCMA": Known(Format("PCMA", 8000, payload_type=8), _Pcma),
    "G722": Known(Format("G722", 8000, payload_type=9), _G722),
    "opus": Known(Format("opus", 48000, 2, payload_type=111), opus.Opus, opus.require),
}
"""By the name of their encoding."""


def codec_for(format_: Format) -> Codec:
    """A codec for one stream of this format; ``KeyError`` if we have none."""
    for known in CODECS.values():
        if known.format.matches(format_):
            return known.make()
    raise KeyError(format_.encoding)
