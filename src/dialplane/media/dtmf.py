"""Digits that come as tones in the sound: ITU-T Q.23 and Q.24, by the Goertzel filter over overlapping windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialplane.media.tone import pair

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = "123A456B789C*0#D"
"""Row by row."""
FREQUENCIES = {
    digit: (row, column)
    for (row, column), digit in zip(
        ((row, column) for row in (697.0, 770.0, 852.0, 941.0) for column in (1209.0, 1336.0, 1477.0, 1633.0)),
        KEYS,
        strict=True,
    )
}
WINDOW = 0.0256
HITS = 2
"""Windows in a row that must agree: 40 ms of tone (Q.24)."""


class Detector:
    """A listener that tells each digit once."""

    def __init__(self, on_digit: Callable[[str], None]) -> None:
        self._on_digit = on_digit
        self._held = b""
        self._last = -1
        self._hits = 0

    def write(self, samples: bytes, rate: int) -> None:
        """Listens."""
        self._held += samples
        size = 2 * int(WINDOW * rate)
        step = size // 4 * 2
        while len(self._held) >= size:
            self._decide(pair(self._held[:size], rate))
            self._held = self._held[step:]

    def _decide(self, found: int) -> None:
        self._hits = self._hits + 1 if found == self._last else 1
        self._last = found
        if found >= 0 and self._hits == HITS:
            self._on_digit(KEYS[found])
