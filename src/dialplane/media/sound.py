"""What is played and where it goes: WAV files, tones, iterators; recordings. Samples as in ``codec``."""

from __future__ import annotations

import asyncio
import sys
import wave
from collections import deque
from typing import TYPE_CHECKING, Protocol

import msgspec

from dialplane.errors import MissingFileError, WriteError
from dialplane.media.resample import Resampler
from dialplane.media.tone import sine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

_LITTLE = sys.byteorder == "little"


class Source(Protocol):
    """Where samples come from."""

    def read(self, count: int) -> bytes:
        """So many samples; fewer at the end, none behind it."""


class Tone(msgspec.Struct, frozen=True):
    """Sines at the same time, for a while; a pause for no frequencies."""

    frequencies: tuple[float, ...]
    seconds: float | None = None
    """None: for ever."""
    amplitude: float = 8000.0
    """Of each; together they must not exceed 32767."""

    def source(self, rate: int) -> Source:
        """The samples at this rate."""
        return _ToneSource(self, rate)


class _ToneSource:
    def __init__(self, tone: Tone, rate: int) -> None:
        self._tone, self._rate, self._place = tone, rate, 0
        self._total = None if tone.seconds is None else round(tone.seconds * rate)

    def read(self, count: int) -> bytes:
        if self._total is not None:
            count = min(count, self._total - self._place)
        samples = sine(self._tone.frequencies, self._tone.amplitude, self._rate, self._place, count)
        self._place += count
        return samples


class Sequence:
    """One source after another, at will for ever."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = iter(sources)
        self._now: Source | None = next(self._sources, None)

    def read(self, count: int) -> bytes:
        """So many samples; fewer at the end of the last."""
        found = b""
        while self._now is not None and len(found) < 2 * count:
            more = self._now.read(count - len(found) // 2)
            found += more
            if not more:
                self._now = next(self._sources, None)
        return found


class IteratorSource:
    """Samples from an iterator of pieces of any length."""

    def __init__(self, pieces: Iterable[bytes], *, rate: int, to_rate: int) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._resampler = None if rate == to_rate else Resampler(rate, to_rate)
        self._held = b""
        self._ended = False

    def read(self, count: int) -> bytes:
        """So many samples; fewer at the end."""
        while len(self._held) < 2 * count and not self._ended:
            piece = next(self._pieces, None)
            if piece is None:
                self._ended = True
                self._held += self._resampler.flush() if self._resampler else b""
            else:
                self._held += self._resampler.convert(piece) if self._resampler else bytes(piece)
        found, self._held = self._held[: 2 * count], self._held[2 * count :]
        return found


class Feed:
    """Samples that come as they come: silence while there are none, until the end."""

    def __init__(self, *, rate: int, to_rate: int) -> None:
        self._resampler = None if rate == to_rate else Resampler(rate, to_rate)
        self._held = b""
        self._ended = False
        self._room = asyncio.Event()
        self._most = 2 * to_rate

    async def put(self, samples: bytes) -> None:
        """Adds sound; waits while there is more than a second of it."""
        self._held += self._resampler.convert(samples) if self._resampler else samples
        if len(self._held) > self._most:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """Nothing more will come."""
        self._held += self._resampler.flush() if self._resampler else b""
        self._ended = True

    def read(self, count: int) -> bytes:
        """So many samples; fewer at the end."""
        found, self._held = self._held[: 2 * count], self._held[2 * count :]
        if len(self._held) <= self._most:
            self._room.set()
        return found if self._ended else found.ljust(2 * count, b"\0")


def wav_source(path: str | PathLike[str], rate: int) -> Source:
    """The first channel of a WAV file with 16-bit samples, at this rate."""
    try:
        file = wave.open(str(path), "rb")  # noqa: SIM115 - closed by the generator below
    except FileNotFoundError:
        raise MissingFileError(f"{path}: there is no such file") from None
    except (OSError, EOFError, wave.Error) as error:
        raise MissingFileError(f"{path}: cannot be played: {error}") from None
    if file.getsampwidth() != 2:
        bits = 8 * file.getsampwidth()
        file.close()
        raise MissingFileError(f"{path}: has samples of {bits} bits, and only 16 can be played")

    def pieces() -> Iterator[bytes]:
        channels = file.getnchannels()
        with file:
            while piece := file.readframes(4096):
                samples = memoryview(piece).cast("h")[::channels].tobytes() if channels > 1 else piece
                yield samples if _LITTLE else _swapped(samples)

    return IteratorSource(pieces(), rate=file.getframerate(), to_rate=rate)


def _swapped(samples: bytes) -> bytes:
    out = bytearray(samples)
    out[::2], out[1::2] = samples[1::2], samples[::2]
    return bytes(out)


class Pipe:
    """Sound that is written on one side and read on the other, at once: echo, conferences. Silence when it is empty."""

    def __init__(self, *, most: int = 5) -> None:
        self._pieces: deque[bytes] = deque(maxlen=most)

    def write(self, samples: bytes, _rate: int) -> None:
        """Puts sound in; the oldest falls out if nobody reads."""
        self._pieces.append(samples)

    def read(self, count: int) -> bytes:
        """The oldest piece, cut or filled with silence to so many samples."""
        piece = self._pieces.popleft() if self._pieces else b""
        return piece[: 2 * count].ljust(2 * count, b"\0")


class Recording:
    """A WAV file that grows, at the rate of the first sound; its header is right after each second."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = path
        try:
            self._file: wave.Wave_write | None = wave.open(str(path), "wb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise WriteError(f"{path}: cannot be written: {error.strerror}") from None
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(8000)
        self._rate = 0
        self._resampler: tuple[int, Resampler] | None = None
        self._held: list[bytes] = []
        self._size = 0

    def write(self, samples: bytes, rate: int) -> None:
        """Adds sound."""
        if self._file is None:
            return
        if not self._rate:
            self._rate = rate
            self._file.setframerate(rate)
        if rate != self._rate:
            # The codec has changed in the middle of the call; the file has not.
            if self._resampler is None or self._resampler[0] != rate:
                self._resampler = (rate, Resampler(rate, self._rate))
            samples = self._resampler[1].convert(samples)
        self._held.append(samples)
        self._size += len(samples)
        if self._size >= 2 * self._rate:
            self._flush()

    def _flush(self) -> None:
        if self._file is None:
            return
        piece = b"".join(self._held)
        self._held, self._size = [], 0
        self._file.writeframes(piece if _LITTLE else _swapped(piece))

    def close(self) -> None:
        """Ends the file."""
        self._flush()
        if self._file is not None:
            self._file.close()
            self._file = None
