"""The subject, a sender nobody knows, and a recorder that sees every datagram: what one case makes the subject do."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.interop import subject
from tests.interop.capture import Capture, Datagram, capturing
from tests.interop.endpoint import Endpoint
from tests.interop.ladder import draw
from tests.interop.namespace import HOSTS, namespace
from tests.interop.subject import Server, Setup, User

from .corpus import DROP, Case

TARGET = (HOSTS["target"], 5060)
SENDER = (HOSTS["sender"], 5060)
HEALTHY = 0.5
"""Seconds within which a good request is answered, whatever came before it."""
CHALLENGE = 96
"""Octets by which a challenge may be longer than a request that is shorter than any challenge."""
MAPPED = 24
"""Octets by which the answer to STUN Binding, which is an address, is longer than the shortest request."""
_DNS = 53

OPEN = Setup(
    bans=False,
    host=TARGET[0],
    domains=(
        "example.com",
        "example.org",
        "example.net",
        "company.com",
        "chair-dnrc.example.com",
        "registrar.example.com",
        "host.example.net",
        "[2001:db8::10]",
    ),
    users=(User("alice", "wonderland", "example.com"),),
    trusted=(),
    call_auth=False,
    transports=("udp",) if subject.NAME == "kamailio" else ("udp", "tcp", "ws"),
)
"""Registrations need credentials, calls to our users do not, nobody is relayed."""
CLOSED = replace(OPEN, call_auth=True)
"""As a server comes: whoever says that he is one of our users has to prove it for calls too."""


STUN = re.compile(rb"\x01[\x01\x11]..\x21\x12\xa4\x42", re.DOTALL)
"""How a response to STUN Binding begins: type, length, magic cookie. RFC 5389 §6."""


def status(answer: bytes) -> str:
    """See :attr:`Outcome.statuses`."""
    if STUN.match(answer):
        return "stun"
    return answer.split(b" ")[1].decode() if answer.startswith(b"SIP/2.0 ") else "junk"


@dataclass
class Outcome:
    """What came of one case."""

    case: Case
    answers: list[bytes]
    elsewhere: list[Datagram]
    """To anybody but the sender."""
    questions: int
    """To a name server."""

    @property
    def statuses(self) -> list[str]:
        """Of the final responses; ``stun`` for one to STUN Binding, ``junk`` for what is no response."""
        found = [status(answer) for answer in self.answers]
        return [status for status in found if not (len(status) == 3 and status.startswith("1"))]

    @property
    def allowance(self) -> int:
        """Octets by which the answers may be longer than the requests: a challenge goes out whole (SECURITY.md)."""
        found = [status(answer) for answer in self.answers]
        return CHALLENGE * (found.count("401") + found.count("407")) + MAPPED * found.count("stun")

    @property
    def octets_in(self) -> int:
        """Sent to the subject."""
        return sum(len(one) for one in self.case.datagrams)

    @property
    def octets_out(self) -> int:
        """Sent by the subject, to whomever, name servers aside."""
        return sum(len(one) for one in self.answers) + sum(len(one.payload) for one in self.elsewhere)

    def problems(self) -> list[str]:
        """Everything that must not have happened."""
        found = []
        statuses = self.statuses or [DROP]
        if not set(statuses) <= self.case.allowed:
            found.append(f"answered {', '.join(statuses)}; allowed: {', '.join(sorted(self.case.allowed))}")
        if len(statuses) > len(self.case.datagrams):
            found.append(f"{len(statuses)} final responses to {len(self.case.datagrams)} requests")
        if self.answers and not self.case.answerable:
            found.append("a response or an ACK was answered")
        if self.elsewhere:
            found.append(f"sent to {sorted({one.destination for one in self.elsewhere})}")
        if self.octets_out > self.octets_in + self.allowance:
            found.append(f"{self.octets_out} octets out for {self.octets_in} in")
        return found


@dataclass
class Arena:
    """A running subject under attack."""

    server: Server
    capture: Capture
    attacker: socket.socket
    peer: Endpoint
    processes: dict[str, list[int]]

    @property
    def challenges_calls(self) -> bool:
        """Whether 407 may be the answer to any request that could be served."""
        return self.server.setup.call_auth

    def run(self, case: Case) -> Outcome:
        """Sends a case; returns when the subject has answered good requests that came after it."""
        mark = self.capture.mark()
        for datagram in case.datagrams:
            self.attacker.sendto(datagram, TARGET)
        health = self.check_health()
        sent = [one for one in self.capture.datagrams(since=mark) if one.source[0] == TARGET[0]]
        sent = [one for one in sent if one.payload not in health and one.destination[0] != TARGET[0]]
        mine = [one for one in sent if one.destination[0] == SENDER[0]]
        others = [one for one in sent if one.destination[0] != SENDER[0]]
        return Outcome(
            case,
            [one.payload for one in mine],
            [one for one in others if one.destination[1] != _DNS],
            sum(one.destination[1] == _DNS for one in others),
        )

    def check_health(self) -> Sequence[bytes]:
        """A good OPTIONS and a good INVITE, each answered in time, by processes that are the same as ever."""
        mark = self.capture.mark()
        answers = []
        for method, uri, statuses in (
            ("OPTIONS", f"sip:{TARGET[0]}", {200}),
            ("INVITE", "sip:nobody@example.com", {404, 480}),
        ):
            asked = self.peer.request(method, uri, from_uri="sip:health@example.edu", contact=self.peer.contact)
            start = time.monotonic()
            answer = self.peer.ask(asked, seconds=HEALTHY)
            took = time.monotonic() - start
            assert answer.status in statuses, f"a good {method} got\n{answer.text()}"
            assert took <= HEALTHY, f"a good {method} waited {took:.3f} s"
            recorded = self.capture.wait_until(lambda one, raw=answer.raw: one.payload == raw, since=mark)  # type: ignore[misc]
            assert recorded is not None, "the recorder lost a datagram"
            answers.append(answer.raw)
        now = self.server.processes()
        assert now == self.processes, f"processes changed from {self.processes} to {now}\n{self.server.log()[-3000:]}"
        return answers

    def explain(self, outcome: Outcome, problems: Sequence[str]) -> str:
        """For the one who has to find out why."""
        lines = [f"{outcome.case.corpus}/{outcome.case.name}: {problem}" for problem in problems]
        lines += [f"    ({outcome.case.why})", "--- sent"]
        lines += [one[:1500].decode("latin-1") for one in outcome.case.datagrams]
        lines += ["--- received", *(one[:1500].decode("latin-1") for one in outcome.answers)]
        if outcome.elsewhere:
            lines += ["--- elsewhere", draw(outcome.elsewhere)]
        return "\n".join(lines)


def settled(server: Server) -> dict[str, list[int]]:
    """The processes, once none has been added for a while: the first answer may come before the last has started."""
    seen: list[dict[str, list[int]]] = []
    while len(seen) < 8 or any(one != seen[-1] for one in seen[-8:]):
        seen.append(server.processes())
        assert len(seen) < 200, "the processes do not settle"
        time.sleep(0.05)
    return seen[-1]


@contextmanager
def arena(setup: Setup, folder: Path) -> Iterator[Arena]:
    """Makes the namespace, starts the subject in it; at the end looks for bindings that nobody was entitled to."""
    with namespace(), capturing() as capture, subject.serving(setup, folder) as server:
        attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        attacker.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        attacker.bind(SENDER)
        with attacker, Endpoint("alice", server=TARGET) as peer:
            made = Arena(server, capture, attacker, peer, settled(server))
            yield made
            made.check_health()
            strays = [
                one
                for one in capture.datagrams()
                if one.source[0] == TARGET[0]
                and one.destination[0] not in {SENDER[0], peer.address[0], TARGET[0]}
                and one.destination[1] != _DNS
            ]
            assert not strays, f"sent to strangers:\n{draw(strays)}"
            assert server.locations() == {}, "bindings appeared"
