"""One datagram of each method from a forged address: all that comes back in 32 s of timers, and to whom.

Every case has a port of its own, so what comes back belongs to it. Sizes are those of real telephones; what the
shortest possible requests cause is in SECURITY.md and counted for each message in ``arena.py``.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.interop import subject
from tests.interop.capture import Capture, capturing
from tests.interop.endpoint import Endpoint
from tests.interop.ladder import draw
from tests.interop.message import Message, request, response
from tests.interop.namespace import HOSTS, SUBJECT, namespace
from tests.interop.subject import Setup, User

pytestmark = pytest.mark.skipif(subject.NAME == "kamailio", reason="the suite sets Kamailio up as a stateless proxy")

TIMERS = 33.0
"""Seconds: 64·T1, and a little more."""
METHODS = [
    "ACK",
    "BYE",
    "CANCEL",
    "FROB",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
]
TARGETS = {
    "a telephone that is silent": "sip:bob@example.org",
    "a telephone that answers": "sip:carol@example.org",
    "nobody": "sip:nobody@example.org",
    "our domain": "sip:example.org",
    "the server": f"sip:{SUBJECT}",
    "another domain": "sip:victim@192.0.2.32",
    "a name": "sip:victim@victim.example.com",
}
OPEN = Setup(users=(User("bob", "builder"), User("carol", "nurse")), record_route=True, bans=False)
PADDING = ("User-Agent", "Telephone/1.0 (of the size that real ones have)" + "." * 120)
BODY = "v=0\r\no=- 1 1 IN IP4 192.0.2.66\r\ns=-\r\nc=IN IP4 192.0.2.66\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"


def cases(source: str, ports: Iterator[int]) -> dict[int, tuple[str, Message]]:
    """Each method to each target, directly and by a Route, and responses, by the port it is sent from."""
    found = {}
    for method in METHODS:
        for name, uri in TARGETS.items():
            for routed in (False, True):
                port = next(ports)
                fields = [PADDING, ("Event", "presence"), ("Refer-To", "<sip:victim@192.0.2.32>")]
                fields += [("Route", f"<sip:{SUBJECT};lr>")] if routed else []
                made = request(
                    method,
                    uri,
                    source=(source, port),
                    from_uri="sip:mallory@example.net",
                    contact="<sip:victim@192.0.2.32>",
                    fields=fields,
                    body=BODY,
                )
                found[port] = f"{method} to {name}{' by a Route' if routed else ''}", made
    for status in (100, 180, 200, 302, 486):
        port = next(ports)
        forged = (
            ("Via", f"SIP/2.0/UDP {SUBJECT};branch=z9hG4bKforged"),
            ("Via", "SIP/2.0/UDP 192.0.2.32;branch=z9hG4bKb"),
        )
        asked = request("INVITE", "sip:x@y", source=(source, port), from_uri="sip:a@b").without("Via")
        found[port] = f"a response {status}", response(replace(asked, fields=(*forged, *asked.fields)), status)
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("challenges", [True, False], ids=["calls are challenged", "calls are not challenged"])
def test_amplification(tmp_path: Path, challenges: bool) -> None:
    stranger = HOSTS["stranger"]
    with ExitStack() as stack:
        stack.enter_context(namespace())
        capture = stack.enter_context(capturing())
        stack.enter_context(subject.serving(replace(OPEN, call_auth=challenges), tmp_path / "subject"))
        silent, answering = (stack.enter_context(Endpoint(name)) for name in ("bob", "carol"))
        for phone, user in zip((silent, answering), OPEN.users, strict=True):
            assert phone.register(user.name, password=user.password).status == 200
        mark = capture.mark()
        sent = cases(stranger, iter(range(20000, 30000)))
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            for port, (_, message) in sent.items():
                raw.sendto(packet(stranger, port, message.encode()), (SUBJECT, 5060))
        lift(answering, until=time.monotonic() + TIMERS)
        check(capture, mark, sent, {silent.address, answering.address})


def lift(phone: Endpoint, *, until: float) -> None:
    """Answers whatever comes for as long as the timers run; a 200 to an INVITE as often as nobody acknowledges it."""
    while (left := until - time.monotonic()) > 0:
        try:
            asked = phone.receive(seconds=left)
        except AssertionError:
            return
        if asked.status is None and asked.method != "ACK":
            fields = [("Contact", phone.contact), ("Content-Type", "application/sdp")]
            answer = response(asked, 200, "OK", tag="lifted", fields=fields)
            body = BODY.encode()
            for _ in range(11 if asked.method == "INVITE" else 1):
                phone.send(replace(answer.with_fields(("Content-Length", str(len(body)))), body=body))


def check(capture: Capture, mark: int, sent: dict[int, tuple[str, Message]], telephones: set[tuple[str, int]]) -> None:
    """Octets back for octets in, case by case and in all; and nothing for anybody who has not registered."""
    back: dict[int, list[bytes]] = {}
    others = []
    for one in capture.datagrams(since=mark):
        if one.source[0] != SUBJECT:
            continue
        if one.destination[0] == HOSTS["stranger"]:
            back.setdefault(one.destination[1], []).append(one.payload)
        elif one.destination not in telephones and one.destination[1] != 53:
            others.append(one)
    assert not others, f"sent to strangers:\n{draw(others)}"
    assert len(back) > len(sent) // 2, "hardly anything was answered"
    more = []
    for port, (name, message) in sent.items():
        answers = back.get(port, [])
        if name.startswith("INVITE to a telephone that answers"):
            # That it is lifted goes to the caller in any case, and again three times: a datagram may be lost.
            lifted = [one for one in answers if one.startswith(b"SIP/2.0 200 ")]
            assert len(lifted) <= 4
            answers = [one for one in answers if one not in lifted]
        if sum(map(len, answers)) > len(message.encode()):
            firsts = [one.split(b"\r\n")[0].decode() for one in answers]
            more.append(f"{name}: {sum(map(len, answers))} octets for {len(message.encode())}: {firsts}")
    octets_in = sum(len(message.encode()) for _, message in sent.values())
    octets_back = sum(len(one) for answers in back.values() for one in answers)
    print(f"{len(sent)} datagrams, {octets_in} octets in, {octets_back} octets back ({octets_back / octets_in:.2f})")
    assert not more, "\n".join(more)
    assert octets_back <= octets_in


def packet(source: str, port: int, payload: bytes) -> bytes:
    """An IPv4 packet with a source that need not be the sender's; the kernel adds what is left out."""
    udp = port.to_bytes(2) + (5060).to_bytes(2) + (8 + len(payload)).to_bytes(2) + b"\0\0" + payload
    head = b"\x45\0" + (20 + len(udp)).to_bytes(2) + b"\0\0\0\0\x40\x11\0\0"
    return head + socket.inet_aton(source) + socket.inet_aton(SUBJECT) + udp
