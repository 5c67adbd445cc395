from typing_extensions import Buffer

def power(samples: Buffer, frequency: float, rate: float = 8000.0) -> float:
    """Mean square of the component at ``frequency`` Hz; A² / 2 for a sine of amplitude A."""

def share(samples: Buffer, frequency: float, rate: float = 8000.0) -> float:
    """Part of the energy of ``samples`` that lies at ``frequency``: 1 for a pure tone, near 0 for anything else."""

def sine(frequencies: tuple[float, ...], amplitude: float, rate: float, start: int, count: int) -> bytes:
    """Sines at the same time, ``amplitude`` each: the samples from number ``start``."""

def pair(samples: Buffer, rate: float = 8000.0) -> int:
    """Number of the DTMF digit in these samples, row by row from 0, or -1: two tones and nearly nothing else."""
