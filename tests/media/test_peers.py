"""RTP with other implementations and over a bad network: libavformat sends and receives, a relay loses and delays."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import av
import pytest

from dialplane.errors import DataError
from dialplane.media import MediaSession, Tone
from dialplane.media.tone import share, sine
from dialplane.media.transport import open_pair
from dialplane.sdp import parse

from .ear import Ear, connect

pytestmark = pytest.mark.asyncio
HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"


def port_of(description: bytes, number: int = 0) -> int:
    return parse(description).media[number].port


class Relay(asyncio.DatagramProtocol):
    """Stands between two ports: passes datagrams on, loses and delays some of those of the first."""

    transport: asyncio.DatagramTransport

    def __init__(self, loss: float, late: float) -> None:
        self.first = self.second = ("127.0.0.1", 9)
        self._loss, self._late = loss, late
        self._chance = random.Random(1)
        self.passed = self.lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if addr == self.second:
            self.transport.sendto(data, self.first)
        elif self._chance.random() < self._loss:
            self.lost += 1
        else:
            self.passed += 1
            if self._chance.random() < self._late:
                # Overtaken by the next two.
                asyncio.get_running_loop().call_later(0.05, self.transport.sendto, data, self.second)
            else:
                self.transport.sendto(data, self.second)


@asynccontextmanager
async def bad_network(caller: MediaSession, callee: MediaSession, *, loss: float, late: float) -> AsyncIterator[Relay]:
    """Puts the two together, with a relay between them."""
    relay = Relay(loss, late)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: relay, local_addr=("127.0.0.1", 0))
    try:
        offer = caller.offer()
        port = transport.get_extra_info("sockname")[1]
        answer = callee.answer(moved(offer, port))
        relay.first, relay.second = ("127.0.0.1", port_of(offer)), ("127.0.0.1", port_of(answer))
        caller.accept(moved(answer, port))
        yield relay
    finally:
        transport.close()


def moved(description: bytes, port: int) -> bytes:
    """The same description with another port for its first stream."""
    return description.replace(f"m=audio {port_of(description)} ".encode(), f"m=audio {port} ".encode())


@pytest.mark.parametrize("codec", ["PCMU", "G722", "opus"])
async def test_a_fifth_lost_and_a_tenth_late(codec: str) -> None:
    async with (
        MediaSession(codecs=[codec]) as caller,
        MediaSession(codecs=[codec]) as callee,
        bad_network(caller, callee, loss=0.2, late=0.1) as relay,
    ):
        ear = Ear()
        callee.listen(ear)
        playing = asyncio.ensure_future(caller.play(Tone((1000.0,))))
        await ear.hear(2.0)
        heard = await ear.hear(2.0)
        # Concealed frames repeat the one before, so most of the energy stays at the tone.
        window = ear.rate // 5
        windows = [heard[at : at + 2 * window] for at in range(0, len(heard) - 2 * window, 2 * window)]
        assert sum(share(one, 1000, ear.rate) > 0.5 for one in windows) >= 0.8 * len(windows)
        found = callee.statistics[0]
        assert found.loss == pytest.approx(relay.lost / (relay.lost + relay.passed), abs=0.05)
        assert found.late <= 0.05 * found.packets_received
        assert found.concealed >= 0.5 * relay.lost
        caller.stop()
        await playing
        # Digits come through all the same: an event is sent in many packets.
        await caller.send_dtmf("0123456789")
        assert await callee.digits.collect(10, timeout=2) == "0123456789"


async def test_reports_tell_the_sender_what_was_lost() -> None:
    async with MediaSession() as caller, MediaSession() as callee, bad_network(caller, callee, loss=0.2, late=0.0):
        playing = asyncio.ensure_future(caller.play(Tone((440.0,), 7)))
        await playing
        here, there = caller.statistics[0], callee.statistics[0]
        assert here.remote_lost is not None
        assert 0 < here.remote_lost <= there.packets_lost
        assert here.remote_jitter == pytest.approx(0, abs=0.02)
        assert (here.round_trip or there.round_trip or 0) < 0.2


def in_thread(work: Callable[[], object]) -> asyncio.Future[object]:
    return asyncio.get_running_loop().run_in_executor(None, work)


class Pace:
    """Lets another thread go on once per packet time of ours."""

    def __init__(self) -> None:
        self.turn = threading.Semaphore(0)

    def write(self, samples: bytes, rate: int) -> None:
        self.turn.release()


async def test_sound_from_libavformat_is_heard() -> None:
    async with MediaSession(codecs=["PCMA"]) as callee:
        answer = callee.answer(f"{HEAD}m=audio 4 RTP/AVP 8\r\n".encode())
        ear = Ear()
        callee.listen(ear)

        def send() -> None:
            with av.open(f"rtp://127.0.0.1:{port_of(answer)}?pkt_size=172", "w", format="rtp") as out:
                stream = out.add_stream("pcm_alaw", rate=8000, layout="mono")
                for number in range(100):
                    frame = av.AudioFrame("s16", "mono", 160)
                    frame.sample_rate, frame.pts = 8000, number * 160
                    frame.planes[0].update(sine((700.0,), 9000, 8000, number * 160, 160))
                    out.mux(stream.encode(frame))
                    assert pace.turn.acquire(timeout=10)

        pace = Pace()  # the other side has no clock of its own
        callee.listen(pace)
        await in_thread(send)
        windows = [ear.samples[at : at + 3200] for at in range(0, len(ear.samples) - 3200, 1600)]
        assert sum(share(one, 700) > 0.95 for one in windows) >= 10
        found = callee.statistics[0]
        assert found.relearned  # it sends from another port than it said
        assert found.packets_lost == 0


async def test_our_sound_is_heard_by_libavformat(tmp_path: Path) -> None:
    async with MediaSession(codecs=["PCMU"]) as caller:
        caller.offer()
        pair = open_pair("127.0.0.1")
        port = pair[0].getsockname()[1]
        for one in pair:
            one.close()
        (tmp_path / "call.sdp").write_text(f"{HEAD}m=audio {port} RTP/AVP 0\r\na=rtcp-mux\r\n")

        def receive() -> bytes:
            options = {"protocol_whitelist": "file,udp,rtp", "analyzeduration": "0", "probesize": "32"}
            with av.open(str(tmp_path / "call.sdp"), format="sdp", options=options, timeout=10) as source:
                heard = b""
                for frame in source.decode(source.streams.audio[0]):
                    heard += bytes(frame.planes[0])[: 2 * frame.samples]
                    if len(heard) > 16000:
                        break
                return heard

        caller.accept(f"{HEAD}m=audio {port} RTP/AVP 0\r\na=rtcp-mux\r\n".encode())
        playing = asyncio.ensure_future(caller.play(Tone((900.0,))))
        heard = await in_thread(receive)
        assert isinstance(heard, bytes)
        assert share(heard[3200:], 900) > 0.99
        caller.stop()
        await playing


def send_video(port: int, frames: int, pace: Pace) -> None:
    with av.open(f"rtp://127.0.0.1:{port}", "w", format="rtp") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "10", "profile": "baseline"}
        for number in range(frames):
            frame = av.VideoFrame(320, 240, "yuv420p")
            for plane in frame.planes:
                # Noise is hard to compress: pictures need several packets.
                plane.update(random.Random(number).randbytes(plane.buffer_size))
            frame.pts = number
            out.mux(stream.encode(frame))
            assert pace.turn.acquire(timeout=10)
        out.mux(stream.encode())


def pictures(path: Path) -> int:
    with av.open(str(path), format="h264") as file:
        return sum(1 for _ in file.decode(video=0))


VIDEO = "m=audio 4 RTP/AVP 0\r\nm=video 6 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"


async def test_video_is_recorded_and_passed_on(tmp_path: Path) -> None:
    """libavformat sends H.264 to one session, which passes it on to another by the address of its peer."""
    async with (
        MediaSession(video=["H264"]) as first,
        MediaSession(video=["H264"]) as bridge,
        MediaSession(video=["H264"]) as last,
    ):
        answer = first.answer((HEAD + VIDEO).encode())
        connect(bridge, last)
        first.video.to = bridge.video
        first.video.record(tmp_path / "first.h264")
        first.video.record(tmp_path / "first.rtpdump")
        last.video.record(tmp_path / "last.h264")
        pace = Pace()
        first.listen(pace)
        await in_thread(lambda: send_video(port_of(answer, 1), 20, pace))
        ear = Ear()
        last.listen(ear)
        await ear.hear(0.2)
        counts = [one.statistics[1] for one in (first, last)]
        assert counts[0].packets_received > 100
        assert counts[1].packets_received >= counts[0].packets_received - 2
        assert [one.kind for one in counts] == ["video", "video"]
        assert counts[0].codec == "H264"
    # The very first packet only announces the source (RFC 3550 A.1), so the first picture may be lost.
    assert pictures(tmp_path / "first.h264") >= 10
    assert pictures(tmp_path / "last.h264") >= 10
    dump = (tmp_path / "first.rtpdump").read_bytes()
    assert dump.startswith(b"#!rtpplay1.0 ")
    assert len(dump) > 100_000


async def test_video_comes_and_goes_in_a_call() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        with pytest.raises(DataError, match="no video"):
            _ = caller.video
        caller.add_video(["H264", "VP8"])
        offer = caller.offer()
        assert [m.kind for m in parse(offer).media] == ["audio", "video"]
        # Refused by who has none, and then not offered again.
        caller.accept(callee.answer(offer))
        assert port_of(caller.offer(), 1) == 0
        caller.add_video(["H264"])
        callee.add_video(["H264"])
        connect(caller, callee)
        assert caller.video.format is not None
        assert callee.video.format is not None
        callee.remove_video()
        connect(callee, caller)
        for one in (caller, callee):
            with pytest.raises(DataError, match="no video"):
                _ = one.video
        with pytest.raises(DataError, match="'H261' is no video format"):
            MediaSession(video=["H261"])


async def test_a_peer_behind_a_nat_is_found_and_nobody_else_after_it() -> None:
    async with MediaSession() as callee, MediaSession() as caller:
        # What the caller says of itself is wrong; where it sends from is right.
        offer = caller.offer()
        answer = callee.answer(moved(offer, 9))
        caller.accept(answer)
        ear = Ear()
        caller.listen(ear)
        playing = asyncio.ensure_future(callee.play(Tone((440.0,))))
        await ear.hear(0.3)
        assert share(await ear.hear(0.2), 440) > 0.95
        assert callee.statistics[0].relearned
        assert callee.statistics[0].remote == ("127.0.0.1", port_of(offer))
        async with MediaSession() as stranger:
            stranger.offer()
            stranger.accept(answer)
            await ear.hear(0.2)
            assert callee.statistics[0].foreign >= 5
            assert callee.statistics[0].remote == ("127.0.0.1", port_of(offer))
        callee.stop()
        await playing
