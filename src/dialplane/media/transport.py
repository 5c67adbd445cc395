"""RTP and RTCP of one media line over its sockets: RFC 3550, symmetric (RFC 4961), on one port if agreed (RFC 5761).

Sends to where the session description says. A peer behind a NAT is somewhere else: until something has come from the
described address, the source of the first packet that makes sense is where we send (``relearned`` in the statistics).
Nobody can take the stream over later: from the described address, or the learned one, it goes on; others are dropped.
"""

from __future__ import annotations

import random
import secrets
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from dialplane.errors import SystemResourceError
from dialplane.media import rtcp, rtp
from dialplane.media.reception import Reception, ReportBlock
from dialplane.media.wire import Port

if TYPE_CHECKING:
    from dialplane.media.srtp import Protection
    from dialplane.media.wire import Outbox

Address = tuple[str, int]
PORTS = (16384, 32767)
_TRIES = 200
_random = random.SystemRandom()


class Received(NamedTuple):
    """An RTP packet that came."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    arrival: float


def open_pair(address: str, ports: tuple[int, int] = PORTS) -> tuple[socket.socket, socket.socket]:
    """Two bound UDP sockets, the first at an even port, the second at the next (RFC 3550 §11)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    first, last = ports
    even = range(first + first % 2, last, 2)
    if not even:
        raise SystemResourceError(f"ports {first} to {last} hold no pair of an even and an odd port")
    tried = _random.sample(even, min(len(even), _TRIES))
    for port in tried:
        pair = [socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) for _ in range(2)]
        try:
            pair[0].bind((address, port))
            pair[1].bind((address, port + 1))
        except OSError as error:
            for one in pair:
                one.close()
            if error.errno in {98, 13}:  # in use, or not ours to use
                continue
            raise SystemResourceError(f"{address}: cannot be used for media: {error.strerror}") from None
        return pair[0], pair[1]
    raise SystemResourceError(f"no pair of free UDP ports among {len(tried)} tried between {first} and {last}")


class Transport:
    """The sockets of a media line, and what RTP and RTCP know of both directions."""

    def __init__(
        self,
        address: str,
        *,
        ports: tuple[int, int] = PORTS,
        cname: str,
        symmetric: bool = True,
        room: int | None = None,
    ) -> None:
        """``room`` is the receive buffer in octets: a picture comes in a burst."""
        sockets = open_pair(address, ports)
        if room is not None:
            sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.rtp = Port(sockets[0])
        self.rtcp = Port(sockets[1])
        self.port: int = sockets[0].getsockname()[1]
        self._cname = cname.encode()
        self._symmetric = symmetric
        self.ssrc = secrets.randbits(32)
        self.first_sequence = self._sequence = secrets.randbits(15)
        self.timestamp_offset = secrets.randbits(32)
        self.protection: Protection | None = None
        self.reception: Reception | None = None
        self._candidate: Reception | None = None
        self._clock_rate = 8000
        self._signalled: Address | None = None
        self._heard = False
        self._mux = False
        self.packets_sent = self.octets_sent = 0
        self._timestamp_sent = 0
        self._sent_at = 0.0
        self._report_at: float | None = None
        self.relearned = False
        self.dropped_foreign = self.dropped_broken = 0
        self.remote_report: ReportBlock | None = None
        self.round_trip: float | None = None
        self.remote_left = False

    def direct(self, remote: Address | None, remote_rtcp: Address | None, *, mux: bool, clock_rate: int) -> None:
        """What has been agreed on: where to send, and by which clock timestamps run."""
        self._mux, self._clock_rate = mux, clock_rate
        if remote != self._signalled:
            # A new description: whoever sends from elsewhere has to be learned again.
            self._signalled, self._heard, self.relearned = remote, False, False
            self.rtp.direct(remote)
        self.rtcp.direct(None if mux else remote_rtcp)

    @property
    def remote(self) -> Address | None:
        """Where RTP goes."""
        return self.rtp.remote

    def receive(self, now: float, wall: float) -> list[Received]:
        """The RTP packets that have come; RTCP among them is taken in."""
        found = []
        for octets, arrival, source in self.rtp.receive():
            if len(octets) > 1 and 192 <= octets[1] <= 223:  # RFC 5761 §4
                if self._mux and self._is_peer(source):
                    self._take_rtcp(octets, arrival, now, wall)
                continue
            packet = self._take_rtp(octets, arrival, source)
            if packet is not None:
                found.append(packet)
        return found

    def _take_rtp(self, octets: bytes, arrival: float, source: Address | None) -> Received | None:
        if source == self.rtp.remote:
            source = None  # learned from a packet before this one
        if source is not None and not self._may_learn(source):
            self.dropped_foreign += 1
            return None
        if self.protection is not None:
            plain = self.protection.unprotect(octets)
            if plain is None:
                return None
            octets = plain
        parsed = rtp.parse(octets)
        if parsed is None:
            self.dropped_broken += 1
            return None
        if source is None:
            self._heard = True
        elif source == self._signalled:
            self.rtp.direct(source)
            self._heard, self.relearned = True, False
        elif not self.relearned:
            self.rtp.direct(source)
            if not self._mux and self.rtcp.remote is not None:
                self.rtcp.direct((source[0], source[1] + 1))
            self.relearned = True
        packet = Received(*parsed, arrival)
        return packet if self._known(packet) else None

    def _may_learn(self, source: Address) -> bool:
        if self._signalled is None:
            return False
        return source == self._signalled or (self._symmetric and not self._heard and not self.relearned)

    def _is_peer(self, source: Address | None) -> bool:
        # A NAT may give RTCP another port, hardly another host.
        return source is None or (self.rtp.remote is not None and source[0] == self.rtp.remote[0])

    def _known(self, packet: Received) -> bool:
        reception = self.reception
        if reception is None or reception.ssrc != packet.ssrc:
            # Another source takes over once it has proved itself (A.1). Our own SSRC is no other's loop: echo services
            # send packets back as they are.
            reception = self._candidate
            if reception is None or reception.ssrc != packet.ssrc:
                reception = self._candidate = Reception(packet.ssrc, packet.sequence, self._clock_rate)
            if not reception.sequence(packet.sequence):
                return False
            self.reception, self._candidate = reception, None
        elif not reception.sequence(packet.sequence):
            return False
        reception.timing(packet.timestamp, packet.arrival)
        return True

    def send(
        self, outbox: Outbox, payload_type: int, timestamp: int, payload: bytes, now: float, *, marker: bool
    ) -> None:
        """An RTP packet; ``timestamp`` counts from 0."""
        stamp = (timestamp + self.timestamp_offset) & 0xFFFFFFFF
        self.send_as(outbox, payload_type, (self._sequence, stamp), payload, now, marker=marker)
        self._sequence = (self._sequence + 1) & 0xFFFF

    def send_as(
        self,
        outbox: Outbox,
        payload_type: int,
        numbers: tuple[int, int],
        payload: bytes,
        now: float,
        *,
        marker: bool,
    ) -> None:
        """An RTP packet with this sequence number and timestamp."""
        if self.rtp.remote is None:
            return
        sequence, stamp = numbers
        packet = rtp.build(payload_type, marker, sequence, stamp, self.ssrc, payload)
        self.packets_sent += 1
        self.octets_sent += len(payload)
        self._timestamp_sent, self._sent_at = stamp, now
        outbox.put(self.rtp, packet if self.protection is None else self.protection.protect(packet))

    def control(self, now: float, outbox: Outbox) -> None:
        """Takes in what RTCP has come, and sends a report when it is due."""
        if self._report_at is None:
            self._report_at = now + rtcp.interval(_random.random(), first=True)
        if now < self._report_at:
            return
        self._report_at = now + rtcp.interval(_random.random(), first=False)
        self.read_reports(now)
        self._send_rtcp(outbox, self._report(now))

    def read_reports(self, now: float) -> None:
        """Takes in what RTCP has come on its own port."""
        wall = time.time()
        for octets, arrival, source in self.rtcp.receive():
            if self._is_peer(source):
                self._take_rtcp(octets, arrival, now, wall)

    def bye(self, now: float, outbox: Outbox) -> None:
        """Says that we leave (§6.6), if anything was sent."""
        if self.packets_sent:
            self._send_rtcp(outbox, [*self._report(now), rtcp.Bye((self.ssrc,))])

    def close(self) -> None:
        """Gives the sockets back."""
        self.rtp.close()
        self.rtcp.close()

    def _report(self, now: float) -> list[rtcp.Packet]:
        blocks = (self.reception.report(now),) if self.reception is not None and self.reception.is_valid else ()
        report: rtcp.Packet = rtcp.ReceiverReport(self.ssrc, blocks)
        if self.packets_sent:
            # The timestamp that a packet sent now would have.
            ticks = int((now - self._sent_at) * self._clock_rate)
            report = rtcp.SenderReport(
                ssrc=self.ssrc,
                ntp=rtcp.ntp(time.time()),
                timestamp=(self._timestamp_sent + ticks) & 0xFFFFFFFF,
                packets=self.packets_sent & 0xFFFFFFFF,
                octets=self.octets_sent & 0xFFFFFFFF,
                blocks=blocks,
            )
        return [report, rtcp.SourceDescription(((self.ssrc, ((rtcp.CNAME, self._cname),)),))]

    def _send_rtcp(self, outbox: Outbox, packets: list[rtcp.Packet]) -> None:
        octets = rtcp.build(packets)
        if self.protection is not None:
            octets = self.protection.protect_rtcp(octets)
        outbox.put(self.rtp if self._mux else self.rtcp, octets)

    def _take_rtcp(self, octets: bytes, arrival: float, now: float, wall: float) -> None:
        if self.protection is not None:
            plain = self.protection.unprotect_rtcp(octets)
            if plain is None:
                return
            octets = plain
        packets = rtcp.parse(octets)
        if packets is None:
            self.dropped_broken += 1
            return
        came = rtcp.middle(rtcp.ntp(wall - (now - arrival)))
        for packet in packets:
            if (
                isinstance(packet, rtcp.SenderReport)
                and self.reception is not None
                and self.reception.ssrc == packet.ssrc
            ):
                self.reception.sender_report(rtcp.middle(packet.ntp), arrival)
            if isinstance(packet, rtcp.SenderReport | rtcp.ReceiverReport):
                for block in packet.blocks:
                    if block.ssrc == self.ssrc:
                        self.remote_report = block
                        self.round_trip = rtcp.round_trip(block, came)
            elif isinstance(packet, rtcp.Bye) and self.reception is not None and self.reception.ssrc in packet.sources:
                self.remote_left = True
