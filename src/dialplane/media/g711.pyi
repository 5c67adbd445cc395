from typing_extensions import Buffer

def encode_ulaw(samples: Buffer, /) -> bytes:
    """Codes of ``samples`` (signed 16-bit, byte order of this machine), one octet each."""

def encode_alaw(samples: Buffer, /) -> bytes:
    """Codes of ``samples`` (signed 16-bit, byte order of this machine), one octet each."""

def decode_ulaw(codes: Buffer, /) -> bytes:
    """Samples of ``codes``, two octets each."""

def decode_alaw(codes: Buffer, /) -> bytes:
    """Samples of ``codes``, two octets each."""
