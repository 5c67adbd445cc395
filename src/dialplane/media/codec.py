"""Codecs: samples to payloads and back. Samples are signed 16-bit, mono, in the byte order of this machine.

A codec that keeps a state between packets (G.722, Opus) makes a new one for each stream and direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dialplane.media import g711
from dialplane.sdp import Format

if TYPE_CHECKING:
    from collections.abc import Callable


class Codec(Protocol):
    """One stream in one direction."""

    @property
    def sample_rate(self) -> int:
        """Samples a second; the clock rate of the timestamps may be another (G.722)."""

    def encode(self, samples: bytes) -> bytes:
        """A payload."""

    def decode(self, payload: bytes) -> bytes:
        """Samples of a payload; what is damaged gives silence."""


class _Pcmu:
    sample_rate = 8000
    encode = staticmethod(g711.encode_ulaw)
    decode = staticmethod(g711.decode_ulaw)


class _Pcma:
    sample_rate = 8000
    encode = staticmethod(g711.encode_alaw)
    decode = staticmethod(g711.decode_alaw)


CODECS: dict[str, tuple[Format, Callable[[], Codec]]] = {
    "PCMU": (Format("PCMU", 8000, payload_type=0), _Pcmu),
    "PCMA": (Format("PCMA", 8000, payload_type=8), _Pcma),
}
"""By the name of their encoding, with the format as it is offered."""


def codec_for(format_: Format) -> Codec:
    """A codec for one stream of this format; ``KeyError`` if we have none."""
    for offered, make in CODECS.values():
        if offered.matches(format_):
            return make()
    raise KeyError(format_.encoding)
