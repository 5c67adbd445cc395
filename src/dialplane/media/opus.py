"""Opus (RFC 7587) by libopus in ``av`` (PyAV): the extra ``dialplane[opus]``. Mono, 48,000 samples a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialplane.media.srtp import MissingExtraError

if TYPE_CHECKING:
    import av

RATE = 48000


def require() -> None:
    """``MissingExtraError`` if Opus cannot be done here."""
    try:
        import av  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("Opus needs the extra: pip install 'dialplane[opus]'") from None


class Opus:
    """Encoder and decoder of one stream."""

    sample_rate = RATE

    def __init__(self) -> None:
        require()
        import av  # noqa: PLC0415 - an extra

        self._av = av
        self._encoder: av.AudioCodecContext | None = None
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.sample_rate, self._decoder.layout = RATE, "mono"
        self._time = 0

    def encode(self, samples: bytes) -> bytes:
        """A packet of 10, 20, 40 or 60 ms, the same each time."""
        count = len(samples) // 2
        if self._encoder is None:
            encoder = self._av.CodecContext.create("libopus", "w")
            encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
            encoder.bit_rate = 32000
            encoder.options = {"application": "voip", "frame_duration": str(1000 * count // RATE)}
            self._encoder = encoder
        frame = self._av.AudioFrame("s16", "mono", count)
        frame.planes[0].update(samples)
        frame.sample_rate, frame.pts = RATE, self._time
        self._time += count
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))

    def decode(self, payload: bytes) -> bytes:
        """Samples; none for what is no Opus."""
        try:
            frames = self._decoder.decode(self._av.Packet(payload))
        except self._av.FFmpegError:
            return b""
        return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)
