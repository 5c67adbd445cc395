"""One audio stream: packets to samples and back. Sound goes to listeners and comes from a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dialplane.media.codec import codec_for
from dialplane.media.events import EventReceiver, EventSender
from dialplane.media.jitter import JitterBuffer, Missing
from dialplane.media.mix import scale
from dialplane.media.resample import Resampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.media.codec import Codec
    from dialplane.media.sound import Source
    from dialplane.media.transport import Transport
    from dialplane.media.wire import Outbox
    from dialplane.sdp import Agreed, Format

_FADE = 0.7
"""Each concealed frame is so much quieter than the one before."""


class Listener(Protocol):
    """Where received sound goes."""

    def write(self, samples: bytes, rate: int) -> None:
        """One packet time of it."""


class AudioStream:
    """Both directions of an audio line."""

    def __init__(self, transport: Transport, *, ptime: int, on_digit: Callable[[str], None]) -> None:
        self.transport = transport
        self.ptime = ptime
        self.rate = 8000
        """Of the samples that listeners get and sources give."""
        self.format: Format | None = None
        """What we send."""
        self.listeners: list[Listener] = []
        self.source: Source | None = None
        self.on_end: Callable[[], None] | None = None
        """Called when the source has nothing more."""
        self.on_events_end: Callable[[], None] | None = None
        """Called when the last digit has been sent."""
        self.detector: Listener | None = None
        """Hears digits in the sound, where the other side cannot send them as events."""
        self.buffer: JitterBuffer | None = None
        self._on_digit = on_digit
        self._encoder: Codec | None = None
        self._decoders: dict[int, tuple[Format, Codec]] = {}
        self._resamplers: dict[int, Resampler] = {}
        self._event_types: set[int] = set()
        self._event_format: Format | None = None
        self._events: EventSender | None = None
        self._receiver = EventReceiver()
        self._held = b""
        self._last = b""
        self._sends = self._receives = False
        self._timestamp = 0
        self._talking = False
        self._silence = b""

    def agree(self, agreed: Agreed) -> None:
        """What holds from now on."""
        codecs = [format_ for format_ in agreed.send if not format_.is_auxiliary]
        self._sends = agreed.direction.sends and agreed.remote is not None
        self._receives = agreed.direction.receives
        if not codecs:
            self._sends = False
            return
        if self.format != codecs[0] or self._encoder is None:
            self.format, self._encoder = codecs[0], codec_for(codecs[0])
            self.rate = self._encoder.sample_rate
            self._silence, self._held, self._last = bytes(2 * self.count), b"", b""
            self.buffer = JitterBuffer(self.format.clock_rate, frame=self.ptime / 1000)
        decoders = {}
        for format_ in agreed.receive:
            if format_.is_auxiliary or format_.payload_type is None:
                continue
            known = self._decoders.get(format_.payload_type)
            decoders[format_.payload_type] = known if known and known[0] == format_ else (format_, codec_for(format_))
        self._decoders = decoders
        events = [format_ for format_ in agreed.send if format_.encoding.lower() == "telephone-event"]
        # What the other side does not list it does not send either, though we would take it.
        self._event_types = {
            format_.payload_type or 0 for format_ in agreed.receive if any(format_.matches(listed) for listed in events)
        }
        self._event_format = next((one for one in events if one.clock_rate == self.format.clock_rate), None)
        if self._events is None or not self._events.is_busy():
            self._events = EventSender(self.format.clock_rate)

    @property
    def count(self) -> int:
        """Samples in a packet time."""
        return self.rate * self.ptime // 1000

    @property
    def can_send_events(self) -> bool:
        """Whether the other side takes telephone events."""
        return self._event_format is not None

    @property
    def events(self) -> EventSender:
        """Digits that are to be sent."""
        if self._events is None:
            self._events = EventSender(8000)
        return self._events

    def turn(self, now: float, wall: float, outbox: Outbox) -> None:
        """One packet time: hears what has come, says what there is to say."""
        for packet in self.transport.receive(now, wall):
            if packet.payload_type in self._event_types:
                digit = self._receiver.take(packet.timestamp, packet.payload)
                if digit is not None:
                    self._on_digit(digit)
                if self.buffer is not None:
                    self.buffer.skip(packet.sequence)
            elif packet.payload_type in self._decoders and self.buffer is not None:
                self.buffer.put(packet.sequence, packet.timestamp, packet.arrival, packet.payload_type, packet.payload)
        if self.buffer is not None:
            heard = self._hear(now)
            if self._receives:
                if self.detector is not None and not self._event_types:
                    self.detector.write(heard, self.rate)
                for listener in self.listeners:
                    listener.write(heard, self.rate)
        self._say(now, outbox)

    def _hear(self, now: float) -> bytes:
        size = 2 * self.count
        buffer = self.buffer
        if buffer is None:
            return self._silence
        while len(self._held) < size:
            found = buffer.take(now + len(self._held) / 2 / self.rate)
            if found is Missing.LOST:
                # The last packet again, quieter each time (G.711 Appendix I in its simplest form).
                self._last = scale(self._last, _FADE) or self._silence
                self._held += self._last
            elif isinstance(found, Missing):
                self._last = b""
                self._held += self._silence
            else:
                self._last = self._decode(found.payload_type, found.payload)
                self._held += self._last or self._silence
        heard, self._held = self._held[:size], self._held[size:]
        return heard

    def _decode(self, payload_type: int, payload: bytes) -> bytes:
        known = self._decoders.get(payload_type)
        if known is None:
            return b""
        codec = known[1]
        samples = codec.decode(payload)
        if codec.sample_rate != self.rate:
            resampler = self._resamplers.setdefault(codec.sample_rate, Resampler(codec.sample_rate, self.rate))
            samples = resampler.convert(samples)
        return samples

    def _say(self, now: float, outbox: Outbox) -> None:
        format_, encoder = self.format, self._encoder
        if format_ is None or encoder is None:
            return
        ticks = format_.clock_rate * self.ptime // 1000
        timestamp, self._timestamp = self._timestamp, self._timestamp + ticks
        samples = self._next_samples()
        if not self._sends or format_.payload_type is None:
            self._talking = False
            return
        if self._event_format is not None and self._events is not None and self._events.is_busy():
            packets = self._events.step(timestamp & 0xFFFFFFFF, ticks)
            for packet in packets:
                self.transport.send(
                    outbox,
                    self._event_format.payload_type or 0,
                    packet.timestamp,
                    packet.payload,
                    now,
                    marker=packet.marker,
                )
            if not self._events.is_busy() and self.on_events_end is not None:
                self.on_events_end()
            if packets:
                self._talking = False
                return
        payload = encoder.encode(samples)
        self.transport.send(outbox, format_.payload_type, timestamp, payload, now, marker=not self._talking)
        self._talking = True

    def _next_samples(self) -> bytes:
        source = self.source
        if source is None:
            return self._silence
        samples = source.read(self.count)
        if len(samples) < len(self._silence):
            samples += self._silence[len(samples) :]
            self.source = None
            if self.on_end is not None:
                self.on_end()
        return samples
