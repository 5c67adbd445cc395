"""RFC 4475 and RFC 5118 over TCP: the same answers as in a datagram, on the connection on which the message came.

A good OPTIONS follows on the same connection. What a message says of its length is all that a stream has to find the
end: a message that says less than it brings leaves octets that are no message, one that says more swallows what
follows, and one that says nothing cannot be told from what follows (RFC 3261 §18.3, §20.14).
"""

from __future__ import annotations

import re
import socket
import time

import pytest

from tests.interop.differs import differs

from . import corpus
from .arena import TARGET, Arena
from .corpus import DROP, Case

PATIENCE = 5.0
_RESPONSE = re.compile(rb"SIP/2\.0 (\d{3}) .*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:\s*(\d+)[ \t]*\r?$")
_SENTINEL = b"behind-the-torture"
BROKEN = frozenset({"400", "close"})
"""What becomes of a stream whose next message cannot be found."""


def asked_after(case: Case, port: int) -> tuple[set[str], bool]:
    """Final statuses and ``close``; and whether the good request that came behind was answered."""
    good = (
        f"OPTIONS sip:{TARGET[0]} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bK-sentinel;rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:a@example.edu>;tag=1\r\nTo: <sip:{TARGET[0]}>\r\n"
        f"Call-ID: {_SENTINEL.decode()}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    received, closed = b"", False
    with socket.create_connection((TARGET[0], port), timeout=PATIENCE) as connection:
        deadline = time.monotonic() + PATIENCE
        try:
            connection.sendall(case.datagrams[0] + good)
            # Another worker may have to answer one of the two, so either may be first.
            while not is_answered(received) or (not statuses(received) and DROP not in case.allowed):
                connection.settimeout(max(deadline - time.monotonic(), 0.01))
                piece = connection.recv(65536)
                closed = not piece
                if closed:
                    break
                received += piece
        except (BrokenPipeError, ConnectionResetError):
            closed = True
        except TimeoutError:
            pass
    return statuses(received) | ({"close"} if closed else set()), is_answered(received)


def statuses(received: bytes) -> set[str]:
    """Of the final responses to the message itself."""
    responses = [response for response in _RESPONSE.finditer(received) if _SENTINEL not in response[0]]
    return {response[1].decode() for response in responses if not response[1].startswith(b"1")}


def is_answered(received: bytes) -> bool:
    """Whether the good request was."""
    return any(_SENTINEL in response[0] and response[1] == b"200" for response in _RESPONSE.finditer(received))


def length(octets: bytes) -> tuple[int | None, int | None]:
    """Octets of body as the message says, and as there are; ``None`` where the head does not end."""
    head, end, body = octets.lstrip(b"\r\n").partition(b"\r\n\r\n")
    said = _LENGTH.search(head + b"\r\n")
    return (int(said[1]) if said else None), (len(body) if end else None)


@differs(kamailio="the control is set up for UDP")
@pytest.mark.parametrize("case", [*corpus.rfc(4475), *corpus.rfc(5118)], ids=lambda case: f"{case.corpus}-{case.id}")
def test_torture_on_a_connection(target: Arena, case: Case) -> None:
    found, is_served = asked_after(case, TARGET[1])
    said, present = length(case.datagrams[0])
    if said is None or said != present:
        assert found <= case.allowed | BROKEN, (case.why, found)
    elif "close" in found:
        # Who cannot be understood is told so, and left.
        assert found - {"close"} <= case.allowed & corpus.REFUSED, (case.why, found)
    else:
        assert (found or {DROP}) <= case.allowed, (case.why, found)
        assert is_served, case.why
    target.check_health()
