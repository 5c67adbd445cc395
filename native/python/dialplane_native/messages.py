"""Reading: a message, a stream of them, what is wrong with one; all of it is in :mod:`dialplane_native` too."""

from dialplane_native._native import Essentials, Framer, Limits, Message, Rejection, essentials, parse, validate

__all__ = ["Essentials", "Framer", "Limits", "Message", "Rejection", "essentials", "parse", "validate"]
