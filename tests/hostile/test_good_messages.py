"""The other side of the coin: every well-formed message passes through the live proxy, its octets untouched.

Allowed to change: our Via on top, received and rport of the sender's Via, Max-Forwards; nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme

from tests.interop import names, subject
from tests.interop.capture import Capture, Datagram, capturing
from tests.interop.endpoint import Endpoint
from tests.interop.message import Message, parse
from tests.interop.namespace import HOSTS, namespace
from tests.interop.subject import Rule, Setup

from . import corpus
from .arena import SENDER, TARGET
from .hop import listening

NEXT_HOP = (HOSTS["bob"], 5060)
_SECURE_HOPS = ("ss1.example.com", "pb.example.com")
"""Hosts of the Route values with sips."""
OWN = (TARGET[0], "2001:db8::1")
FORWARD_ALL = Setup(
    bans=False,
    host=TARGET[0],
    also=OWN[1:],
    domains=("dialplane.invalid",),
    trusted=("192.0.2.0/24",),
    rules=(Rule(forward=f"sip:{NEXT_HOP[0]}:{NEXT_HOP[1]}"),),
)


@dataclass(frozen=True)
class Head:
    """A message cut into its lines, each with the folds that belong to it, and its body."""

    start: bytes
    lines: tuple[bytes, ...]
    body: bytes

    @classmethod
    def of(cls, message: bytes) -> Head:
        """Cuts; nothing is changed, so that ``bytes`` is the way back."""
        head, _, body = message.partition(b"\r\n\r\n")
        start, *lines = re.split(rb"\r\n(?![ \t])", head)
        return cls(start, tuple(lines), body)

    def __bytes__(self) -> bytes:
        return b"\r\n".join((self.start, *self.lines)) + b"\r\n\r\n" + self.body

    def first(self, *names: bytes) -> int | None:
        """Place of the first line with one of these names."""
        for place, line in enumerate(self.lines):
            if line.partition(b":")[0].strip().lower() in names:
                return place
        return None

    def without(self, place: int | None) -> Head:
        """A copy that lacks a line."""
        if place is None:
            return self
        return replace(self, lines=self.lines[:place] + self.lines[place + 1 :])

    def having(self, place: int, line: bytes) -> Head:
        """A copy with another line in this place."""
        return replace(self, lines=(*self.lines[:place], line, *self.lines[place + 1 :]))


VIA, MAX_FORWARDS, CONTENT_LENGTH = (b"via", b"v"), (b"max-forwards",), (b"content-length", b"l")


def plain_via(line: bytes) -> bytes:
    """The first value of a Via line without received, rport and blanks; what follows it as it is."""
    value, comma, rest = line.partition(b",")
    return re.sub(rb"(?i);(received|rport)(=[^;]*)?(?=;|$)", b"", re.sub(rb"\s", b"", value)) + comma + rest


def differences(sent: bytes, forwarded: bytes) -> list[str]:
    """What changed that must not."""
    before, after = Head.of(sent), Head.of(forwarded)
    own = after.first(*VIA)
    if own is None or not any(address.encode() in after.lines[own] for address in OWN):
        return ["no Via of the proxy on top"]
    after = after.without(own)
    top_before, top_after = before.first(*VIA), after.first(*VIA)
    assert top_before is not None, "a good message has a Via"
    assert top_after is not None
    found = []
    if plain_via(before.lines[top_before]) != plain_via(after.lines[top_after]):
        found.append(f"the sender's Via {before.lines[top_before]!r} became {after.lines[top_after]!r}")
    after = after.having(top_after, before.lines[top_before])
    hops_before, hops_after = before.first(*MAX_FORWARDS), after.first(*MAX_FORWARDS)
    if hops_after is None:
        found.append("no Max-Forwards")
    elif hops_before is None:
        after = after.without(hops_after)
    else:
        expected = re.sub(rb"\d+", lambda digits: b"%d" % (int(digits[0]) - 1), before.lines[hops_before], count=1)
        if after.lines[hops_after] != expected:
            found.append(f"{before.lines[hops_before]!r} became {after.lines[hops_after]!r}")
        after = after.having(hops_after, before.lines[hops_before])
    if before.first(*CONTENT_LENGTH) is None and (added := after.first(*CONTENT_LENGTH)) is not None:
        # Without it, nobody could tell on a connection where the message ends (RFC 3261 §20.14).
        after = after.without(added)
    if bytes(before) != bytes(after):
        pairs = zip((before.start, *before.lines, before.body), (after.start, *after.lines, after.body), strict=False)
        found += [f"{one!r} became {other!r}" for one, other in pairs if one != other] or ["lines were added or lost"]
    return found


def strictly_routed(message: Message) -> bool:
    """Whether the first Route value lacks lr, so that the request URI must change (RFC 3261 §16.6 step 6)."""
    routes = message.all("route")
    return bool(routes) and not re.search(r";\s*lr\b", routes[0], re.IGNORECASE)


def next_transport(message: Message) -> str:
    """Transport that the first Route value asks for."""
    route = (message.all("route") or [""])[0]
    if found := re.search(r";\s*transport=(\w+)", route, re.IGNORECASE):
        return found[1].lower()
    return "tls" if "sips:" in route.lower() else "udp"


def good_messages(*, responses: bool) -> list[object]:
    """The corpus."""
    files = sorted((corpus.SHARED / "messages").glob("*.sip"))
    octets = {path.stem: path.read_bytes() for path in files}
    return [
        pytest.param(message, id=name)
        for name, message in octets.items()
        if message.startswith(b"SIP/2.0 ") == responses
    ]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Capture, Endpoint]]:
    """A proxy that forwards everything, in a world where every name leads to the next hop."""
    folder: Path = tmp_path_factory.mktemp("good")
    authority = trustme.CA()
    trusted, chain, key = (folder / name for name in ("authority.pem", "chain.pem", "key.pem"))
    authority.cert_pem.write_to_path(trusted)
    issued = authority.issue_cert(*_SECURE_HOPS, TARGET[0])
    issued.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    plain = [NEXT_HOP, ("127.0.0.1", 5060), ("127.0.0.1", 5065)]
    streams = replace(FORWARD_ALL, transports=("udp", "tcp", "tls"), certificate=(chain, key), authorities=trusted)
    with (
        namespace(),
        capturing() as capture,
        names.answering(NEXT_HOP[0]),
        listening(capture, plain, [(NEXT_HOP[0], 5061)], chain, key),
        subject.serving(FORWARD_ALL if subject.NAME == "kamailio" else streams, folder),
        Endpoint("sender", server=TARGET) as sender,
        Endpoint("bob", server=TARGET),
    ):
        yield capture, sender


def forwarded(capture: Capture, sender: Endpoint, octets: bytes) -> bytes:
    """What leaves the proxy when this comes in, known by its Call-ID: answers to others may still come."""
    head = Head.of(octets)
    place = head.first(b"call-id", b"i")
    assert place is not None, "a good message has a Call-ID"
    call_id = head.lines[place].partition(b":")[2].strip()

    def belongs(one: Datagram) -> bool:
        return one.source[0] in OWN and one.destination[1] != 53 and one.is_sip and call_id in one.payload

    mark = capture.mark()
    sender.send(octets)
    sent = capture.wait_until(belongs, since=mark)
    if sent is None:
        # As any client over UDP does (RFC 3261 §17.1.2.2): the first worker that is asked may still be starting.
        sender.send(octets)
        sent = capture.wait_until(belongs, since=mark)
    assert sent is not None, "nothing was forwarded"
    if sent.destination == SENDER:
        pytest.fail(f"answered instead of forwarded:\n{sent.payload.decode('latin-1')}", pytrace=False)
    return sent.payload


def refusal(message: Message) -> int | None:
    """What a proxy must answer to a message that is good but may not be forwarded (RFC 3261 §16.3)."""
    if [hops for hops in message.all("max-forwards") if int(hops) == 0]:
        return 483
    if message.all("proxy-require"):
        return 420
    # Only a client opens a WebSocket connection (RFC 7118 §2.1): there is no way to that next hop.
    return 503 if next_transport(message) == "ws" else None


@pytest.mark.parametrize("octets", good_messages(responses=False))
def test_request(proxy: tuple[Capture, Endpoint], octets: bytes) -> None:
    """Forwarded with every other octet as it was; or refused where the RFC says so, and then not forwarded."""
    capture, sender = proxy
    message = parse(octets)
    if (status := refusal(message)) is not None:
        mark = capture.mark()
        sender.send(octets)
        sent = capture.wait_until(lambda one: one.source == TARGET and one.destination[1] != 53, since=mark)
        assert sent is not None
        assert parse(sent.payload).status == status
        return
    left = forwarded(capture, sender, octets)
    if strictly_routed(message):
        # The request URI and the Route values have changed places; nothing else may have changed.
        octets, left = (re.sub(rb"\A([A-Z]+) \S+ ", rb"\1 ", text) for text in (octets, left))
        octets, left = (re.sub(rb"\r\nRoute:.*(\r\n[ \t].*)*(?=\r\n)", b"", text) for text in (octets, left))
    if found := differences(octets, left):
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("octets", good_messages(responses=True))
def test_response(proxy: tuple[Capture, Endpoint], octets: bytes) -> None:
    """A response to a request that came through the proxy: it loses the proxy's Via and nothing else.

    The request is made up from the response's own Via, From, To, Call-ID and CSeq lines. Over UDP, so Via says so.
    """
    capture, sender = proxy
    over_udp = re.sub(rb"(?i)(SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*)(TCP|TLS|WSS?|SCTP)\b", rb"\1UDP", octets)
    head = Head.of(over_udp)
    place = head.first(*VIA)
    assert place is not None
    kept = [line for line in head.lines if line.partition(b":")[0].strip().lower() in _COPIED]
    method = parse(octets)["cseq"].split()[1].encode()
    request = Head(method + b" sip:somebody@example.invalid SIP/2.0", (*kept, b"Max-Forwards: 70"), b"")
    seen = Head.of(forwarded(capture, sender, bytes(request)))
    own = seen.first(*VIA)
    assert own is not None
    below = seen.without(own)
    theirs = below.first(*VIA)
    assert theirs is not None
    answer = head.having(place, below.lines[theirs])
    with_ours = replace(answer, lines=(*answer.lines[:place], seen.lines[own], *answer.lines[place:]))
    mark = capture.mark()
    with Endpoint("bob", 5061, server=TARGET) as bob:
        bob.send(bytes(with_ours))
        back = capture.wait_until(lambda one: one.source == TARGET and one.destination[0] == SENDER[0], since=mark)
    assert back is not None, "the response was not forwarded"
    assert back.payload == bytes(answer)


_COPIED = {b"via", b"v", b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq"}
