from typing_extensions import Buffer

class Resampler:
    """Samples of one rate to samples of another, piece by piece; the delay of the filter is taken out."""

    def __init__(self, rate: int, to_rate: int) -> None: ...
    def convert(self, samples: Buffer) -> bytes:
        """What can be made of these samples and of those before."""

    def flush(self) -> bytes:
        """The rest: as if silence followed."""
