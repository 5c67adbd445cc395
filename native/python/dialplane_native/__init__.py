"""SIP parser, message edits and builders, and the engine of the dialplane server."""

from dialplane_native._native import __version__

__all__ = ["__version__"]
