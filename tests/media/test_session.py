"""Media sessions over real sockets: what one plays, the other hears."""

from __future__ import annotations

import asyncio
import re
import socket
import wave
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialplane.errors import DataError, MissingFileError, SystemResourceError
from dialplane.media import MediaSession, Mixer, Tone
from dialplane.media.tone import share, sine
from dialplane.sdp import NegotiationError, parse

from .ear import Ear, connect

pytestmark = pytest.mark.asyncio


async def test_a_tone_is_heard_at_the_other_end() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        ear = Ear()
        callee.listen(ear)
        assert await caller.play(Tone((440.0,), 0.6)) is True
        await ear.hear(0.1)
        heard = ear.samples
        best = max(share(heard[at : at + 3200], 440) for at in range(0, len(heard) - 3200, 800))
        assert best > 0.99


async def test_echo_comes_back() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        callee.echo()
        ear = Ear()
        caller.listen(ear)
        playing = asyncio.ensure_future(caller.play(Tone((1000.0,))))
        await ear.hear(0.4)
        assert share(await ear.hear(0.2), 1000) > 0.95
        caller.stop()
        assert await playing is False


async def test_a_wav_is_played_and_recorded(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "in.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        left = array("h", sine((600.0,), 9000, 44100, 0, 44100))
        file.writeframes(array("h", (v for sample in left for v in (sample, 0))).tobytes())
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        callee.record(tmp_path / "out.wav")
        assert await caller.play(tmp_path / "in.wav")
    with wave.open(str(tmp_path / "out.wav"), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        samples = file.readframes(file.getnframes())
    assert 0.9 < len(samples) / 16000 < 1.2
    assert share(samples[4800:12800], 600) > 0.99


async def test_iterators_are_played() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, 16000, 1600):
            yield sine((700.0,), 8000, 16000, start, 1600)

    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        ear = Ear()
        callee.listen(ear)
        assert await caller.play(pieces(), rate=16000)
        assert await caller.play(iter([sine((900.0,), 8000, 8000, 0, 8000)]))
        await ear.hear(0.1)
        for frequency in (700, 900):
            windows = [ear.samples[at : at + 3200] for at in range(0, len(ear.samples) - 3200, 1600)]
            assert sum(share(window, frequency) > 0.95 for window in windows) >= 6


async def test_what_an_iterator_raises_is_raised_where_it_is_played() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(3200)
        raise LookupError("no more speech")

    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        with pytest.raises(LookupError, match="no more speech"):
            await caller.play(broken())


async def test_digits_arrive_once_each() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        await asyncio.gather(caller.send_dtmf("12", duration=0.06), callee.send_dtmf("#D", duration=0.06))
        await caller.send_dtmf("2", duration=0.06)
        assert await callee.digits.collect(3, timeout=2) == "122"
        assert await caller.digits.collect(2, timeout=2) == "#D"
        assert callee.statistics[0].concealed == 0
    assert [digit async for digit in callee.digits] == []


async def test_digits_are_collected_up_to_an_end() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        await caller.send_dtmf("42#7", duration=0.04, pause=0.04)
        assert await callee.digits.collect(10, timeout=2, end="#") == "42"
        assert await callee.digits.collect(10, timeout=0.2) == "7"


async def test_hold_silences_both_ways_and_resume_opens_them() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        ear = Ear()
        caller.listen(ear)
        music = asyncio.ensure_future(callee.play(Tone((500.0,))))
        assert share((await ear.hear(0.5))[4000:], 500) > 0.9
        caller.hold(True)
        offer = caller.offer()
        assert b"a=sendonly" in offer
        caller.accept(callee.answer(offer))
        size = len(ear.samples)
        sent = callee.statistics[0].packets_sent
        other = Ear()
        callee.listen(other)
        await other.hear(0.2)
        assert len(ear.samples) == size
        assert callee.statistics[0].packets_sent == sent
        caller.hold(False)
        connect(caller, callee)
        assert share((await ear.hear(0.6))[6400:], 500) > 0.9
        callee.stop()
        assert await music is False


async def test_statistics_count_what_was_sent_and_came() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        await caller.play(Tone((440.0,), 0.5))
        here, there = caller.statistics[0], callee.statistics[0]
        assert here.codec == "PCMU"
        assert here.packets_sent >= 25
        assert here.octets_sent == 160 * here.packets_sent
        assert here.packets_sent - 4 <= there.packets_received <= here.packets_sent
        assert there.packets_lost == 0
        assert there.loss == 0
        assert there.jitter < 0.02


async def test_three_in_a_conference_hear_the_others_and_not_themselves() -> None:
    tones = (440.0, 700.0, 1100.0)
    ears = [Ear() for _ in tones]
    mixer = Mixer()
    async with MediaSession() as a, MediaSession() as b, MediaSession() as c:
        phones = [a, b, c]
        for phone, ear in zip(phones, ears, strict=True):
            bridge = MediaSession()
            connect(phone, bridge)
            mixer.add(bridge)
            phone.listen(ear)
        assert len(mixer) == 3
        playing = [
            asyncio.ensure_future(phone.play(Tone((tone,), amplitude=6000)))
            for phone, tone in zip(phones, tones, strict=True)
        ]
        await asyncio.gather(*(ear.hear(0.5) for ear in ears))
        heard = await asyncio.gather(*(ear.hear(0.2) for ear in ears))
        for own, samples in enumerate(heard):
            for number, tone in enumerate(tones):
                part = share(samples, tone)
                assert part < 0.01 if number == own else part > 0.4
        for bridge in list(mixer.members):
            bridge.close()
        assert len(mixer) == 0
        for phone in phones:
            phone.stop()
        await asyncio.gather(*playing)


async def test_an_offer_that_was_refused_is_followed_by_another() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        first = caller.offer()
        assert caller.offer() == first
        caller.accept(callee.answer(first))
        caller.hold(True)
        caller.offer()
        caller.hold(False)
        offer = caller.offer()
        assert b"a=sendrecv" in offer
        assert parse(offer).origin.version == parse(first).origin.version + 2
        caller.accept(callee.answer(offer))


async def test_the_same_answer_twice_changes_nothing() -> None:
    """183 with a description, then 200 with the same."""
    async with MediaSession() as caller, MediaSession() as callee:
        answer = callee.answer(caller.offer())
        caller.accept(answer)
        caller.accept(answer)
        with pytest.raises(NegotiationError):
            caller.accept(answer.replace(b"a=ptime:20", b"a=ptime:30"))


async def test_nothing_in_common_is_refused() -> None:
    async with MediaSession(codecs=["PCMU"]) as caller, MediaSession(codecs=["PCMA"]) as callee:
        with pytest.raises(NegotiationError):
            callee.answer(caller.offer())


async def test_the_mistakes_of_a_program_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'MP3' is no codec"):
        MediaSession(codecs=["MP3"])
    with pytest.raises(SystemResourceError, match="cannot be used for media"):
        MediaSession("192.0.2.1").offer()
    async with MediaSession() as one:
        with pytest.raises(SystemResourceError, match="no pair"):
            MediaSession(ports=(parse(one.offer()).media[0].port, parse(one.offer()).media[0].port + 1)).offer()
        with pytest.raises(DataError, match="no DTMF digit"):
            await one.send_dtmf("12x")
    with pytest.raises(DataError, match="closed"):
        one.offer()
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        with pytest.raises(MissingFileError, match="no such file"):
            await caller.play(tmp_path / "nothing.wav")
        (tmp_path / "text.wav").write_text("no sound")
        with pytest.raises(MissingFileError, match="cannot be played"):
            await caller.play(tmp_path / "text.wav")


async def test_cancelling_what_is_played_stops_it() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        connect(caller, callee)
        ear = Ear()
        callee.listen(ear)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(caller.play(Tone((440.0,))), 0.2)
        await ear.hear(0.3)
        assert share(await ear.hear(0.1), 440) < 0.01


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "opus"])
async def test_every_codec_carries_a_tone(codec: str) -> None:
    async with MediaSession(codecs=[codec]) as caller, MediaSession(codecs=[codec]) as callee:
        connect(caller, callee)
        ear = Ear()
        callee.listen(ear)
        assert await caller.play(Tone((1000.0,), 0.5)) is True
        await ear.hear(0.1)
        assert ear.rate == {"PCMU": 8000, "PCMA": 8000, "G722": 16000, "opus": 48000}[codec]
        window = ear.rate // 5 * 2
        windows = [ear.samples[at : at + window] for at in range(0, len(ear.samples) - window, window // 4)]
        assert max(share(one, 1000, ear.rate) for one in windows) > 0.95
        assert caller.statistics[0].codec == codec
        await caller.send_dtmf("5", duration=0.06)
        assert await callee.digits.collect(1) == "5"


async def test_codecs_of_two_rates_meet_in_one_call() -> None:
    """Each side sends the first that it likes: the offerer G.722, the answerer what stands first in the offer."""
    async with MediaSession(codecs=["PCMU", "G722"]) as caller, MediaSession(codecs=["G722", "PCMU"]) as callee:
        answer = callee.answer(caller.offer()).replace(b"RTP/AVP 0 9 ", b"RTP/AVP 9 0 ")
        caller.accept(answer)
        ears = Ear(), Ear()
        caller.listen(ears[0])
        callee.listen(ears[1])
        playing = [asyncio.ensure_future(one.play(Tone((800.0,)))) for one in (caller, callee)]
        for ear in ears:
            await ear.hear(0.4)
            assert share(await ear.hear(0.2), 800, ear.rate) > 0.95
        assert [one.statistics[0].codec for one in (caller, callee)] == ["G722", "PCMU"]
        for one in (caller, callee):
            one.stop()
        await asyncio.gather(*playing)


@pytest.mark.parametrize("suites", [slice(None), slice(2, 3), slice(3, 4), slice(1, 2)])
async def test_encrypted_calls(suites: slice, monkeypatch: pytest.MonkeyPatch) -> None:
    async with MediaSession(srtp="optional") as caller, MediaSession(srtp="required") as callee:
        caller._keys["audio"] = caller._keys["audio"][suites]
        connect(caller, callee)
        ear = Ear()
        callee.listen(ear)
        playing = asyncio.ensure_future(caller.play(Tone((440.0,))))
        await ear.hear(0.3)
        assert share(await ear.hear(0.2), 440) > 0.95
        assert caller.statistics[0].secure
        assert callee.statistics[0].secure
        # What somebody else sends, or sends again, is not heard.
        audio = callee._audio
        assert audio is not None
        audio.transport._symmetric = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"\x80\x00" + bytes(170), ("127.0.0.1", audio.transport.port))
            await ear.hear(0.1)
        assert callee.statistics[0].foreign == 1
        caller.stop()
        await playing


async def test_without_encryption_nobody_who_requires_it_is_called() -> None:
    async with MediaSession() as caller, MediaSession(srtp="required") as callee:
        with pytest.raises(NegotiationError):
            callee.answer(caller.offer())
    async with MediaSession(srtp="required") as caller, MediaSession(srtp="optional") as callee:
        connect(caller, callee)
        assert callee.statistics[0].secure


async def test_digits_are_tones_for_who_knows_no_events() -> None:
    async with MediaSession() as caller, MediaSession() as callee:
        offer = caller.offer()
        plain = re.sub(rb"a=(rtpmap|fmtp):101 .*\r\n", b"", offer).replace(b" 101\r\n", b"\r\n")
        answer = callee.answer(plain)
        assert b"telephone-event" not in answer
        caller.accept(answer)
        await caller.send_dtmf("1590*#D")
        assert await callee.digits.collect(7, timeout=1) == "1590*#D"
