"""A conference: everybody hears all the others. One turn of the clock sums what the members have said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialplane.media.clock import Clock
from dialplane.media.mix import others
from dialplane.media.resample import Resampler

if TYPE_CHECKING:
    from dialplane.media.session import MediaSession
    from dialplane.media.wire import Outbox

PERIOD = 0.02


class Leg:
    """One member: a listener of what it says, a source of what it hears."""

    def __init__(self, rate: int) -> None:
        self._mixer_rate = rate
        self._said = b""
        self._heard = b""
        self._rate = rate
        self._up: Resampler | None = None
        self._down: Resampler | None = None

    def write(self, samples: bytes, rate: int) -> None:
        """What the member says."""
        if rate != self._rate:
            self._rate = rate
            same = rate == self._mixer_rate
            self._up = None if same else Resampler(rate, self._mixer_rate)
            self._down = None if same else Resampler(self._mixer_rate, rate)
            self._heard = b""
        self._said += self._up.convert(samples) if self._up else samples
        most = round(4 * PERIOD * self._mixer_rate) * 2
        if len(self._said) > most:
            self._said = self._said[-most:]

    def read(self, count: int) -> bytes:
        """What the member hears."""
        found, self._heard = self._heard[: 2 * count], self._heard[2 * count :]
        return found.ljust(2 * count, b"\0")

    def said(self, count: int) -> bytes:
        """What it has said since, up to so many samples."""
        found, self._said = self._said[: 2 * count], self._said[2 * count :]
        return found

    def hear(self, samples: bytes) -> None:
        """What the others have said."""
        self._heard += self._down.convert(samples) if self._down else samples
        most = round(4 * PERIOD * self._rate) * 2
        if len(self._heard) > most:
            self._heard = self._heard[-most:]


class Mixer:
    """A conference of media sessions in the running event loop."""

    def __init__(self, *, rate: int = 8000) -> None:
        self.rate = rate
        self._legs: dict[MediaSession, Leg] = {}
        self._clock = Clock.of_loop()

    def add(self, session: MediaSession) -> None:
        """Lets somebody in; they leave when their session closes, or by ``remove``."""
        leg = self._legs[session] = Leg(self.rate)
        session.join(leg, on_close=lambda: self.remove(session))
        self._clock.add(self, PERIOD)

    def remove(self, session: MediaSession) -> None:
        """Somebody leaves."""
        leg = self._legs.pop(session, None)
        if leg is not None:
            session.leave(leg)
        if not self._legs:
            self._clock.remove(self)

    @property
    def members(self) -> list[MediaSession]:
        """Who is in it."""
        return list(self._legs)

    def __len__(self) -> int:
        return len(self._legs)

    def turn(self, now: float, outbox: Outbox) -> None:  # noqa: ARG002 - a member of the clock
        """Sums one packet time."""
        count = round(PERIOD * self.rate)
        legs = list(self._legs.values())
        for leg, heard in zip(legs, others([leg.said(count) for leg in legs], count), strict=True):
            leg.hear(heard)
