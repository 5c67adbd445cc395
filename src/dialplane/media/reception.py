"""What is known of one source of RTP: RFC 3550 §6.4.1, Appendices A.1 (sequence), A.3 (loss) and A.8 (jitter)."""

from __future__ import annotations

import msgspec

MAX_DROPOUT = 3000
MAX_MISORDER = 100
MIN_SEQUENTIAL = 2
_MODULUS = 1 << 16


class ReportBlock(msgspec.Struct, frozen=True):
    """A report block of RTCP, RFC 3550 §6.4.1."""

    ssrc: int
    fraction_lost: int
    """Of 256, since the last report."""
    lost: int
    """Since the beginning, may be negative (duplicates)."""
    highest: int
    """Extended highest sequence number."""
    jitter: int
    """In units of the timestamp."""
    last_report: int
    """Middle 32 bits of the NTP time in the last sender report, 0 if there was none."""
    delay: int
    """Since that report, in 1/65536 seconds."""


class Reception:
    """Counts and jitter of one source."""

    def __init__(self, ssrc: int, sequence: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.jitter = 0.0
        """In units of the timestamp."""
        self._transit: float | None = None
        self._timestamp: int | None = None
        self._begin(sequence)
        self._highest = (sequence - 1) % _MODULUS
        self._probation = MIN_SEQUENTIAL
        self._sender_report = (0, 0.0)

    def _begin(self, sequence: int) -> None:
        self._base = self._highest = sequence
        self._bad: int | None = None
        self._cycles = 0
        self.received = 0
        self._received_before = self._expected_before = 0

    @property
    def is_valid(self) -> bool:
        """Whether enough packets in order have come to take it for a source."""
        return self._probation == 0

    @property
    def highest(self) -> int:
        """Extended highest sequence number."""
        return self._cycles + self._highest

    @property
    def expected(self) -> int:
        """Packets that should have come."""
        return self.highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that have not come; duplicates count against it."""
        return self.expected - self.received if self.is_valid else 0

    def sequence(self, sequence: int) -> bool:
        """Takes the sequence number of a packet (A.1); False: the packet is not to be used."""
        delta = (sequence - self._highest) % _MODULUS
        if self._probation:
            if sequence == (self._highest + 1) % _MODULUS:
                self._probation -= 1
                self._highest = sequence
                if self._probation == 0:
                    self._begin(sequence)
                    self.received = 1
                    return True
            else:
                self._probation = MIN_SEQUENTIAL - 1
                self._highest = sequence
            return False
        if delta < MAX_DROPOUT:
            if sequence < self._highest:
                self._cycles += _MODULUS
            self._highest = sequence
        elif delta <= _MODULUS - MAX_MISORDER:
            if sequence != self._bad:
                self._bad = (sequence + 1) % _MODULUS
                return False
            # Two in order: the other side has started again without telling.
            self._begin(sequence)
        self.received += 1
        return True

    def timing(self, timestamp: int, arrival: float) -> None:
        """Takes the timestamp of a packet and when it came, in seconds (A.8).

        Packets of one timestamp (an event, a picture) are sent at different times; only the first tells something.
        """
        if timestamp == self._timestamp:
            return
        self._timestamp = timestamp
        transit = arrival * self.clock_rate - timestamp
        if self._transit is not None:
            # Timestamps wrap; the difference of two packets does not.
            difference = abs((transit - self._transit + 2**31) % 2**32 - 2**31)
            self.jitter += (difference - self.jitter) / 16
        self._transit = transit

    def sender_report(self, middle: int, arrival: float) -> None:
        """A sender report of this source came: the middle of its NTP time, and when."""
        self._sender_report = (middle, arrival)

    def report(self, now: float) -> ReportBlock:
        """The block for the next report; the fraction counts from here again (A.3)."""
        expected, received = self.expected - self._expected_before, self.received - self._received_before
        self._expected_before, self._received_before = self.expected, self.received
        gone = expected - received
        middle, arrival = self._sender_report
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min(255, (gone << 8) // expected) if expected > 0 and gone > 0 else 0,
            lost=max(-0x800000, min(0x7FFFFF, self.lost)),
            highest=self.highest & 0xFFFFFFFF,
            jitter=int(self.jitter) & 0xFFFFFFFF,
            last_report=middle,
            delay=min(0xFFFFFFFF, int((now - arrival) * 65536)) if middle else 0,
        )
