from typing_extensions import Buffer

def others(pieces: list[bytes], count: int) -> list[bytes]:
    """For each of the pieces the sum of all the others, ``count`` samples long; a short piece ends in silence."""

def scale(samples: Buffer, gain: float) -> bytes:
    """The samples, louder or quieter."""
