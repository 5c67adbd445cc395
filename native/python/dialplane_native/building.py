"""Writing: requests, responses, changes to a message; all of it is in :mod:`dialplane_native` too."""

from dialplane_native._native import Editor, Request, Response

__all__ = ["Editor", "Request", "Response"]
