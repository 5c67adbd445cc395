"""Media with SIPp's echo, and over a network in which the kernel drops a fifth."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from dialplane.media import MediaSession, Tone
from dialplane.media.tone import share
from dialplane.sdp import parse

from .namespace import HOSTS
from .process import Process

ALICE, BOB = HOSTS["alice"], HOSTS["bob"]


class Ear:
    """Everything that is heard, and when there is enough of it."""

    def __init__(self, seconds: float) -> None:
        self.samples = b""
        self._wanted = int(seconds * 16000)
        self.enough = asyncio.Event()

    def write(self, samples: bytes, _rate: int) -> None:
        self.samples += samples
        if len(self.samples) >= self._wanted:
            self.enough.set()

    def windows(self) -> list[bytes]:
        return [self.samples[at : at + 1600] for at in range(0, len(self.samples) - 1600, 1600)]


async def listen(session: MediaSession, tone: float, seconds: float) -> list[float]:
    """Plays a tone; how much of each tenth of a second that comes is this tone."""
    ear = Ear(seconds)
    session.listen(ear)
    playing = asyncio.ensure_future(session.play(Tone((tone,))))
    await asyncio.wait_for(ear.enough.wait(), seconds + 10)
    session.stop()
    await playing
    return [share(window, tone) for window in ear.windows()]


def test_sipp_sends_back_what_we_play(tmp_path: Path) -> None:
    """``-rtp_echo`` returns the packets with our own SSRC and numbers."""
    command = ["sipp", "-sn", "uas", "-i", BOB, "-mi", BOB, "-mp", "26000", "-rtp_echo", "-nostdin"]
    answer = f"v=0\r\no=- 1 1 IN IP4 {BOB}\r\ns=-\r\nc=IN IP4 {BOB}\r\nt=0 0\r\nm=audio 26000 RTP/AVP 8\r\n"

    async def call() -> tuple[list[float], int]:
        async with MediaSession(ALICE, codecs=["PCMA"]) as session:
            session.offer()
            session.accept(answer.encode())
            # Until it listens, what we send is refused; nothing else tells.
            heard = await listen(session, 1000, 4)
            return heard, session.statistics[0].packets_lost

    with Process(command, tmp_path / "sipp.log", folder=tmp_path):
        heard, lost = asyncio.run(call())
    assert sum(part > 0.95 for part in heard) >= 15
    assert lost == 0


def test_a_fifth_dropped_by_the_kernel() -> None:
    async def call() -> tuple[list[float], float, str]:
        async with MediaSession(ALICE) as caller, MediaSession(BOB) as callee:
            answer = callee.answer(caller.offer())
            rules = f"""
                table inet loss {{
                    chain input {{
                        type filter hook input priority 0;
                        udp dport {parse(answer).media[0].port} numgen random mod 100 < 20 drop
                    }}
                }}
            """
            subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)  # noqa: ASYNC221 - at once
            caller.accept(answer)
            callee.echo()
            ear = Ear(4)
            callee.listen(ear)
            playing = asyncio.ensure_future(caller.play(Tone((1000.0,))))
            await asyncio.wait_for(ear.enough.wait(), 10)
            caller.stop()
            await playing
            await caller.send_dtmf("147*")
            digits = await callee.digits.collect(4, timeout=2)
            return [share(window, 1000) for window in ear.windows()], callee.statistics[0].loss, digits

    heard, loss, digits = asyncio.run(call())
    assert 0.1 < loss < 0.3
    assert sum(part > 0.5 for part in heard) >= 25
    assert digits == "147*"
