"""Sound files for softphones that have no sound card, and what of a tone has arrived."""

from __future__ import annotations

import math
import struct
import wave
from array import array
from pathlib import Path

from dialplane.media.tone import share

RATE = 8000


def write_tone(path: Path, frequency: float, *, seconds: int = 60) -> None:
    """A WAV file with a sine, 16 bits, mono."""
    period = [int(9000 * math.sin(2 * math.pi * frequency * sample / RATE)) for sample in range(RATE)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{RATE}h", *period) * seconds)


def seconds_of_tone(path: Path, frequency: float) -> float:
    """How much of a recording is this tone, in windows of 100 ms: those of whose energy it is nearly all."""
    samples, rate = _read(path)
    window = rate // 10
    pieces = [samples[start : start + window] for start in range(0, len(samples) - window + 1, window)]
    return sum(0.1 for piece in pieces if max(piece) > 500 and share(piece.tobytes(), frequency, rate) > 0.8)


def _read(path: Path) -> tuple[array[int], int]:
    """Samples of a WAV file; its header may still say that it is empty, when the writer was ended."""
    data = path.read_bytes()
    channels, rate = struct.unpack_from("<HI", data, 22)
    assert channels == 1, path
    start = data.index(b"data") + 8
    samples = array("h")
    samples.frombytes(data[start : start + (len(data) - start) // 2 * 2])
    return samples, rate
