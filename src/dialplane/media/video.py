"""Video as RTP: passed on without being decoded, and recorded to a file.

A file ending in ``.h264`` gets the byte stream of H.264; any other gets the packets as they came, in the format of
``rtpdump`` (rtptools), which Wireshark opens.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dialplane.errors import DataError, WriteError
from dialplane.media import h264, rtp
from dialplane.sdp import Format

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from typing import BinaryIO

    from dialplane.media.transport import Received, Transport
    from dialplane.media.wire import Outbox
    from dialplane.sdp import Agreed

FORMATS = {
    "H264": Format(
        "H264", 90000, parameters="packetization-mode=1;profile-level-id=42e01f", payload_type=102, any_parameters=True
    ),
    "VP8": Format("VP8", 90000, payload_type=103, any_parameters=True),
    "VP9": Format("VP9", 90000, payload_type=104, any_parameters=True),
    "AV1": Format("AV1", 90000, payload_type=105, any_parameters=True),
    "H265": Format("H265", 90000, payload_type=106, any_parameters=True),
}
"""What can be passed on."""
PERIOD = 0.01
ROOM = 1 << 21
"""Receive buffer: what comes in 10 ms at most is a large picture in one burst, and each packet counts 2,304 octets."""
HELD = 64
"""Packets that a missing one may hold up."""


class InOrder:
    """Packets in the order of their numbers; a missing one is given up when too many wait behind it."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._waiting: dict[int, Received] = {}

    def put(self, packet: Received) -> Iterator[Received]:
        """Those that can go on now."""
        if self._next is None:
            self._next = packet.sequence
        ahead = (packet.sequence - self._next) % 65536
        if ahead >= 32768:
            return  # too late
        self._waiting[packet.sequence] = packet
        if len(self._waiting) > HELD or ahead > 8 * HELD:
            start = self._next
            self._next = min(self._waiting, key=lambda number: (number - start) % 65536)
        while self._next in self._waiting:
            yield self._waiting.pop(self._next)
            self._next = (self._next + 1) % 65536


class Sink(Protocol):
    """Where packets are recorded."""

    def write(self, packet: Received, format_: Format) -> None:
        """The next packet, in order."""

    def close(self) -> None:
        """Ends the file."""


def _open(path: str | PathLike[str]) -> BinaryIO:
    try:
        return Path(path).open("wb")
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {error.strerror}") from None


class H264Recording:
    """The byte stream of H.264."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._file = _open(path)
        self._depacketizer = h264.Depacketizer()
        self._began = False

    def write(self, packet: Received, format_: Format) -> None:
        """Adds what this packet completes."""
        if format_.encoding.upper() != "H264" or self._file.closed:
            return
        if not self._began:
            self._began = True
            self._file.write(h264.parameter_sets(format_.parameter_values))
        self._file.write(self._depacketizer.take(packet.sequence, packet.payload))

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


class PacketRecording:
    """Packets as they are, with the time at which they came: the format of ``rtpdump``."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._file = _open(path)
        self._file.write(b"#!rtpplay1.0 0.0.0.0/0\n" + struct.pack("!IIIHH", int(time.time()), 0, 0, 0, 0))
        self._start: float | None = None

    def write(self, packet: Received, _format: Format) -> None:
        """Adds a packet."""
        if self._file.closed:
            return
        if self._start is None:
            self._start = packet.arrival
        octets = rtp.build(
            packet.payload_type, packet.marker, packet.sequence, packet.timestamp, packet.ssrc, packet.payload
        )
        milliseconds = max(0, int((packet.arrival - self._start) * 1000))
        self._file.write(struct.pack("!HHI", len(octets) + 8, len(octets), milliseconds) + octets)

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


class _Shift(NamedTuple):
    """What is added to the numbers of a source that is passed on."""

    ssrc: int
    sequence: int
    timestamp: int


class VideoStream:
    """Both directions of a video line."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.format: Format | None = None
        """What we would send."""
        self.sinks: list[Sink] = []
        self.to: VideoStream | None = None
        """Where received packets are passed on to; the stream itself for an echo."""
        self._receive: dict[int, Format] = {}
        self._send: tuple[Format, ...] = ()
        self._sends = self._receives = False
        self._order = InOrder()
        self._shift: _Shift | None = None
        self._last: tuple[int, int] | None = None

    def agree(self, agreed: Agreed) -> None:
        """What holds from now on."""
        self._sends = agreed.direction.sends and agreed.remote is not None
        self._receives = agreed.direction.receives
        self._send = agreed.send
        # With what the other side says of its own format: the parameter sets are in there.
        self._receive = {
            ours.payload_type or 0: next((theirs for theirs in agreed.send if theirs.matches(ours)), ours)
            for ours in agreed.receive
        }
        self.format = agreed.send[0] if agreed.send else None

    def turn(self, now: float, outbox: Outbox) -> None:
        """Takes what has come."""
        for packet in self.transport.receive(now, time.time()):
            format_ = self._receive.get(packet.payload_type)
            if format_ is None or not self._receives:
                continue
            if self.to is not None:
                self.to.pass_on(packet, format_, now, outbox)
            for ordered in self._order.put(packet) if self.sinks else ():
                for sink in self.sinks:
                    sink.write(ordered, format_)
        self.transport.control(now, outbox)

    def pass_on(self, packet: Received, format_: Format, now: float, outbox: Outbox) -> None:
        """Sends a packet of another stream: as our own source, with gaps and times as they came."""
        # Whether the two can decode each other's profile is theirs to agree on.
        ours = next((one for one in self._send if one.encoding.lower() == format_.encoding.lower()), None)
        if ours is None or ours.payload_type is None or not self._sends:
            return
        shift = self._shift
        if shift is None or shift.ssrc != packet.ssrc:
            sequence, timestamp = self._last or (self.transport.first_sequence, self.transport.timestamp_offset)
            shift = self._shift = _Shift(
                packet.ssrc, sequence + 1 - packet.sequence, timestamp + ours.clock_rate // 30 - packet.timestamp
            )
        sequence, timestamp = packet.sequence + shift.sequence, packet.timestamp + shift.timestamp
        self._last = (sequence % 65536, timestamp % 2**32)
        self.transport.send_as(
            outbox, ours.payload_type, (sequence % 65536, timestamp % 2**32), packet.payload, now, marker=packet.marker
        )

    def record(self, path: str | PathLike[str]) -> Sink:
        """Records what comes from now on; see the module."""
        sink: Sink
        if Path(path).suffix.lower() == ".h264":
            if self.format is not None and self.format.encoding.upper() != "H264":
                raise DataError(f"{path}: the video of this call is {self.format.encoding}, not H264: name it .rtpdump")
            sink = H264Recording(path)
        else:
            sink = PacketRecording(path)
        self.sinks.append(sink)
        return sink

    def close(self) -> None:
        """Ends the recordings."""
        for sink in self.sinks:
            sink.close()
