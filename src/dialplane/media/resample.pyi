from typing import Self

from typing_extensions import Buffer, disjoint_base

@disjoint_base
class Resampler:
    """Samples of one rate to samples of another, piece by piece; the delay of the filter is taken out."""

    def __new__(cls, rate: int, to_rate: int) -> Self: ...
    def convert(self, samples: Buffer) -> bytes:
        """What can be made of these samples and of those before."""

    def flush(self) -> bytes:
        """The rest: as if silence followed."""
