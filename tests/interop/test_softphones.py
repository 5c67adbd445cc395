"""Two softphones of different makers register with digest at the subject; one calls the other, each hears the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .capture import Capture
from .differs import differs
from .namespace import HOSTS
from .softphone import KINDS
from .sound import seconds_of_tone
from .subject import Server, Setup
from .waiting import eventually

ALICE_TONE, BOB_TONE = 600.0, 1000.0
PACKETS = 100
"""RTP packets that each side must have received before one hangs up: two seconds."""


def wait_for_audio(capture: Capture, ports: dict[str, int]) -> None:
    """Until enough RTP has arrived at both."""

    def arrived() -> bool:
        datagrams = capture.datagrams()
        counts = [sum(one.destination == (HOSTS[name], port) for one in datagrams) for name, port in ports.items()]
        return min(counts) >= PACKETS

    eventually(arrived, seconds=15)


def media_ports(capture: Capture) -> dict[str, int]:
    """Where each side wants its audio, from the SDP that it sent."""
    ports = {}
    for one in capture.datagrams():
        if one.is_sip and b"\r\nm=audio " in one.payload:
            name = next((name for name in ("alice", "bob") if one.source[0] == HOSTS[name]), None)
            if name:
                ports[name] = int(one.payload.split(b"\r\nm=audio ")[1].split()[0])
    return ports


@pytest.mark.parametrize("end", ["caller hangs up", "callee hangs up"])
@pytest.mark.parametrize("record_route", [True, False], ids=["record-route", "direct"])
@pytest.mark.parametrize(("caller", "callee"), [("baresip", "linphone"), ("linphone", "baresip")])
def test_call_with_audio(
    serve: Callable[[Setup], Server],
    capture: Capture,
    tmp_path: Path,
    caller: str,
    callee: str,
    record_route: bool,
    end: str,
) -> None:
    serve(Setup(record_route=record_route))
    start_alice, start_bob = KINDS[caller], KINDS[callee]
    with (
        start_alice("alice", "wonderland", ALICE_TONE, tmp_path) as alice,
        start_bob("bob", "builder", BOB_TONE, tmp_path) as bob,
    ):
        alice.call("sip:bob@example.org")
        alice.wait_established()
        bob.wait_established()
        wait_for_audio(capture, media_ports(capture))
        (alice if end.startswith("caller") else bob).hang_up()
        alice.wait_ended()
        bob.wait_ended()
        heard = {"alice": (alice.recording(), BOB_TONE), "bob": (bob.recording(), ALICE_TONE)}
    for name, (recording, tone) in heard.items():
        assert seconds_of_tone(recording, tone) >= 1.0, f"{name} did not hear {tone} Hz in {recording}"
    if record_route:
        bye = next(one for one in capture.datagrams() if one.payload.startswith(b"BYE "))
        assert bye.destination[0] == HOSTS["subject"], "the route that was recorded is not used"


@differs(kamailio="offers one algorithm at a time")
@pytest.mark.parametrize("phone", ["baresip", "linphone"])
def test_algorithms_of_a_server_as_it_comes(serve: Callable[[Setup], Server], tmp_path: Path, phone: str) -> None:
    """SHA-256 is offered first, MD5 second: each phone takes one that it knows."""
    server = serve(Setup(algorithms=("SHA-256", "MD5")))
    with KINDS[phone]("alice", "wonderland", ALICE_TONE, tmp_path):
        eventually(lambda: "sip:alice@example.org" in server.locations())
