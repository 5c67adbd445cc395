"""What can go wrong for a user agent: whose fault it is, and what to do about it.

Every error has :attr:`side`: ``us`` (the program asked for something that cannot be), ``peer`` (the other user agent or
a server said no), ``network`` (nobody was reached). ``str()`` is one line with a hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from dialplane.errors import DialplaneError, ExitStatus

if TYPE_CHECKING:
    from dialplane_native import Message

Side: TypeAlias = Literal["us", "peer", "network"]

_HINTS = {
    400: "the peer did not understand the request: look at its Warning or Reason and at the trace",
    401: "give the right user name and password",
    403: "the account may not do this: ask who runs the server",
    404: "check the address: the server knows no such user",
    407: "give the right user name and password for the proxy",
    408: "nobody answered in time: try later",
    415: "the peer takes no body of this type",
    420: "the peer lacks an extension that the request requires",
    480: "the callee is not registered or not available: try later",
    481: "the call or subscription no longer exists there",
    483: "the call goes round in a loop: check the routing",
    486: "the callee is busy: try later",
    487: "the request was cancelled",
    488: "no common codec: offer what the peer has",
    491: "both sides changed the session at the same time: try again",
    500: "the server has an internal error",
    503: "the server is overloaded or out of service: try later or another one",
    603: "the callee declined",
}


class UserAgentError(DialplaneError):
    """Anything that a user agent raises on purpose."""

    status = ExitStatus.UNAVAILABLE
    side: ClassVar[Side] = "us"


class RejectedError(UserAgentError):
    """A final response other than 2xx."""

    status = ExitStatus.REFUSED
    side = "peer"

    def __init__(self, response: Message, method: str) -> None:
        code = response.status or 0
        hint = _HINTS.get(code) or ("the peer refused" if code < 600 else "the callee wants it nowhere")
        self.response = response
        self.code = code
        self.reason = response.reason or ""
        self.method = method
        super().__init__(f"{method} was answered {code} {self.reason}: {hint}")


class AuthenticationError(RejectedError):
    """The peer asks for credentials that we do not have, or refused those that we gave."""

    status = ExitStatus.NO_USER


class NoAnswerError(UserAgentError):
    """No final response in time. To be treated as 408 (RFC 3261 §8.1.3.1)."""

    side = "network"


class UnreachableError(UserAgentError):
    """Nobody could be reached: no address for the name, connection refused, certificate not trusted."""

    side = "network"


class CallEndedError(UserAgentError):
    """The call is over, or ended while this was under way."""

    status = ExitStatus.REFUSED
    side: ClassVar[Side] = "peer"


class CancelledCallError(CallEndedError):
    """The call was cancelled before it was answered."""

    side = "us"


class NegotiationError(UserAgentError):
    """Offer and answer do not fit together. RFC 3264."""

    status = ExitStatus.REFUSED
    side = "peer"


class MisuseError(UserAgentError):
    """The program asked for something that is not possible now; the text says what is."""

    status = ExitStatus.DATA
    side = "us"


def rejected(response: Message, method: str) -> RejectedError:
    """The error for a final response."""
    kind = AuthenticationError if response.status in {401, 407} else RejectedError
    return kind(response, method)
