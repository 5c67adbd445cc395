"""The typed values of header fields; all of it is in :mod:`dialplane_native` too."""

from dialplane_native._native import CSeq, Header, NameAddr, Uri, Via

__all__ = ["CSeq", "Header", "NameAddr", "Uri", "Via"]
