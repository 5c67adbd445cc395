"""Many messages at once: captures and buffers of frames; all of it is in :mod:`dialplane_native` too."""

from dialplane_native._native import Batch, Batches, Packet, Statistics, count, parse_many

__all__ = ["Batch", "Batches", "Packet", "Statistics", "count", "parse_many"]
