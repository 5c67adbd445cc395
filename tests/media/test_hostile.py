"""What a peer may send: damaged packets of every kind, floods, nonsense. The session goes on."""

from __future__ import annotations

import random
import socket

import pytest
import uvloop

from dialplane.media import MediaSession, Tone, rtcp, rtp
from dialplane.media.codec import CODECS
from dialplane.media.digits import MAX_WAITING, Digits
from dialplane.media.tone import share, sine
from dialplane.sdp import parse

from .ear import Ear, connect

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"


@pytest.mark.asyncio
@pytest.mark.parametrize("codec", [("PCMU", 0), ("G722", 9), ("opus", 111)])
async def test_damaged_packets_hurt_nobody(codec: tuple[str, int]) -> None:
    name, payload_type = codec
    chance = random.Random(payload_type)
    async with MediaSession(codecs=[name], video=["H264"]) as session:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            port = peer.getsockname()[1]
            offer = (
                f"{HEAD}m=audio {port} RTP/AVP {payload_type} 101\r\na=rtpmap:{payload_type} "
                f"{ {'PCMU': 'PCMU/8000', 'G722': 'G722/8000', 'opus': 'opus/48000/2'}[name] }\r\n"
                f"a=rtpmap:101 telephone-event/{48000 if name == 'opus' else 8000}\r\na=rtcp-mux\r\n"
                f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            )
            answer = parse(session.answer(offer.encode()))
            ear = Ear()
            session.listen(ear)
            report = rtcp.build([rtcp.SenderReport(5, 0, 0, 0, 0), rtcp.Bye((5,))])
            for round_ in range(20):
                for number in range(40):
                    kind = chance.choice([payload_type, 101, 96, 13])
                    packet = rtp.build(
                        kind,
                        bool(chance.getrandbits(1)),
                        (round_ * 40 + number + chance.choice([0, 0, 0, 7, 3000])) % 65536,
                        chance.choice([round_ * 6400 + number * 160, chance.getrandbits(32)]),
                        chance.choice([5, 5, 5, 6]),
                        chance.randbytes(chance.choice([0, 1, 3, 4, 160, 1400])),
                    )
                    octets = bytearray(chance.choice([packet, packet, report]))
                    if chance.random() < 0.3:
                        octets[chance.randrange(len(octets))] = chance.randrange(256)
                    cut = len(octets) if chance.random() < 0.8 else chance.randrange(len(octets))
                    for media in answer.media:
                        peer.sendto(octets[:cut], ("127.0.0.1", media.port))
                await ear.hear(0.02)
            # And still hears: the tone of a good source.
            coder = CODECS[name].make()
            count = coder.sample_rate // 50
            for number in range(150):
                samples = sine((1000.0,), 9000, coder.sample_rate, number * count, count)
                ticks = CODECS[name].format.clock_rate // 50
                packet = rtp.build(
                    payload_type, False, 9000 + number, 10**6 + number * ticks, 77, coder.encode(samples)
                )
                peer.sendto(packet, ("127.0.0.1", answer.media[0].port))
                await ear.hear(0.02)
            heard = ear.samples[-ear.rate :]
            assert share(heard, 1000, ear.rate) > 0.8
            assert session.statistics[0].broken > 0


@pytest.mark.asyncio
async def test_digits_that_nobody_asks_for_do_not_pile_up() -> None:
    digits = Digits()
    for _ in range(MAX_WAITING + 5):
        digits.put("1")
    digits.end()
    assert len([digit async for digit in digits]) == MAX_WAITING


def test_a_call_on_uvloop() -> None:
    async def call() -> float:
        async with MediaSession() as caller, MediaSession() as callee:
            connect(caller, callee)
            ear = Ear()
            callee.listen(ear)
            await caller.play(Tone((440.0,), 0.4))
            await ear.hear(0.1)
            return max(share(ear.samples[at : at + 3200], 440) for at in range(0, len(ear.samples) - 3200, 800))

    assert uvloop.run(call()) > 0.99
