"""What a media line has seen so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from dialplane.media.audio import AudioStream
    from dialplane.media.transport import Transport


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the beginning; times in seconds."""

    kind: str
    codec: str | None = None
    remote: tuple[str, int] | None = None
    """Where RTP goes."""
    relearned: bool = False
    """Whether that is not what the session description said: the other side is behind a NAT."""
    secure: bool = False
    packets_sent: int = 0
    octets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    """On the way to us; negative if more came twice than were lost."""
    jitter: float = 0.0
    """RFC 3550 Appendix A.8."""
    delay: float = 0.0
    """How long the jitter buffer holds a packet that came without jitter."""
    late: int = 0
    concealed: int = 0
    dropped: int = 0
    foreign: int = 0
    """Packets from somebody else."""
    broken: int = 0
    unauthentic: int = 0
    round_trip: float | None = None
    """From the last report of the other side."""
    remote_lost: int | None = None
    """What the other side has lost of what we sent."""
    remote_jitter: float | None = None

    @property
    def loss(self) -> float:
        """Part of the packets that got lost on the way to us."""
        expected = self.packets_received + self.packets_lost
        return max(0, self.packets_lost) / expected if expected > 0 else 0.0


def statistics_of(
    kind: str, transport: Transport, audio: AudioStream | None, codec: str | None, rate: int
) -> Statistics:
    """The statistics of one line."""
    reception, report = transport.reception, transport.remote_report
    buffer = audio.buffer if audio else None
    return Statistics(
        kind=kind,
        codec=codec,
        remote=transport.remote,
        relearned=transport.relearned,
        secure=transport.protection is not None,
        packets_sent=transport.packets_sent,
        octets_sent=transport.octets_sent,
        packets_received=reception.received if reception else 0,
        packets_lost=reception.lost if reception else 0,
        jitter=reception.jitter / reception.clock_rate if reception else 0.0,
        delay=buffer.delay if buffer else 0.0,
        late=buffer.counts.late if buffer else 0,
        concealed=buffer.counts.concealed if buffer else 0,
        dropped=buffer.counts.dropped if buffer else 0,
        foreign=transport.dropped_foreign,
        broken=transport.dropped_broken,
        unauthentic=transport.protection.refused if transport.protection else 0,
        round_trip=transport.round_trip,
        remote_lost=report.lost if report else None,
        remote_jitter=report.jitter / rate if report else None,
    )
