from typing_extensions import Buffer

def parse(packet: Buffer) -> tuple[int, bool, int, int, int, bytes] | None:
    """Payload type, marker, sequence number, timestamp, SSRC and payload; None for what is no RTP packet."""

def build(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes, /) -> bytes:
    """A packet without contributing sources, extension and padding."""
