from typing_extensions import Buffer, disjoint_base

@disjoint_base
class Encoder:
    """One stream of samples."""

    def __init__(self) -> None: ...
    def encode(self, samples: Buffer, /) -> bytes:
        """Codes, one octet for two samples."""

@disjoint_base
class Decoder:
    """One stream of codes."""

    def __init__(self) -> None: ...
    def decode(self, codes: Buffer, /) -> bytes:
        """Two samples for each octet."""
