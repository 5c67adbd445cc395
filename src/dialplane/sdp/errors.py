"""What can be wrong with a session description, and with the moment at which it comes."""

from __future__ import annotations

from dialplane.errors import DataError, DialplaneError, ExitStatus


class SdpError(DataError):
    """Octets that are no session description: which line, and why. A SIP server answers 400."""

    def __init__(self, line: int, text: str, why: str) -> None:
        self.line = line
        """Number of the line, from 1."""
        self.text = text if len(text) <= 80 else text[:77] + "..."
        self.why = why
        super().__init__(f"line {line}: {why}: {self.text!r}" if text else f"line {line}: {why}")


class NegotiationError(DialplaneError):
    """Offer and answer do not go together. ``response`` is the SIP status for whoever sent what was refused."""

    status = ExitStatus.REFUSED
    response = 488
    """Not Acceptable Here, RFC 3261 §21.4.26."""


class GlareError(NegotiationError):
    """An offer came while ours waits for its answer, RFC 3261 §14.2."""

    response = 491


class OverlapError(NegotiationError):
    """A second offer came before the first was answered, RFC 3261 §14.2: the answer has a Retry-After."""

    response = 500


class MomentError(NegotiationError):
    """Our own side asked for what the state does not allow: an answer without an offer, a second offer."""

    response = 500
