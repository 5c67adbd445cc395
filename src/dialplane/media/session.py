"""The media of one call: a description offered or answered, and behind it RTP that plays, records and listens.

``MediaSession`` is what a call of ``dialplane.ua`` needs (offer, answer, accept, hold, close) and what a program works
with. None of these waits for the network: descriptions are made and taken at once, sound moves by turns of the clock.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterable, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Literal, Self

from dialplane.errors import DataError
from dialplane.media.audio import AudioStream
from dialplane.media.clock import Clock
from dialplane.media.codec import CODECS
from dialplane.media.digits import Digits
from dialplane.media.dtmf import FREQUENCIES, Detector
from dialplane.media.events import DIGITS
from dialplane.media.sound import Feed, IteratorSource, Pipe, Recording, Sequence, Tone, wav_source
from dialplane.media.srtp import Protection, require
from dialplane.media.statistics import Statistics, statistics_of
from dialplane.media.transport import PORTS, Transport
from dialplane.media.video import FORMATS, PERIOD, ROOM, VideoStream
from dialplane.media.wire import Outbox
from dialplane.sdp import SUITES, Agreed, Crypto, Direction, Format, Negotiation, State, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from dialplane.media.audio import Listener
    from dialplane.media.mixer import Leg
    from dialplane.media.sound import Source

Security = Literal["off", "optional", "required"]
Playable = str | PathLike[str] | Tone | Iterable[bytes] | AsyncIterable[bytes]

EVENTS = {
    8000: Format("telephone-event", 8000, parameters="0-15", payload_type=101),
    48000: Format("telephone-event", 48000, parameters="0-15", payload_type=110),
}
"""RFC 4733 §2.1: events have the clock of the codec beside them."""

_PROTOCOLS = {"off": ("RTP/AVP",), "optional": ("RTP/SAVP", "RTP/AVP"), "required": ("RTP/SAVP",)}


class MediaSession:
    """The media of one call."""

    def __init__(
        self,
        address: str = "127.0.0.1",
        *,
        codecs: Iterable[str] = ("PCMU", "PCMA"),
        ptime: int = 20,
        video: Iterable[str] = (),
        srtp: Security = "off",
        ports: tuple[int, int] = PORTS,
        advertise: str | None = None,
        symmetric: bool = True,
    ) -> None:
        """``address`` is where RTP is received; ``advertise`` what the other side is told in place of it.

        ``video`` are formats that are passed on and recorded, such as H264; none for a call without video.
        """
        codecs = tuple(codecs)
        unknown = [name for name in codecs if name not in CODECS]
        if unknown:
            raise DataError(f"{unknown[0]!r} is no codec: there are {', '.join(CODECS)}")
        for name in codecs:
            CODECS[name].require()
        if srtp != "off":
            require()
        self._address = address
        self._codecs = codecs
        self._ptime = ptime
        self._srtp = srtp
        self._ports = ports
        self._symmetric = symmetric
        self._cname = secrets.token_urlsafe(12)  # RFC 7022: says nothing about who we are
        # RFC 4568 §6.1: each key is unique in the whole description.
        self._keys = {
            kind: tuple(Crypto.generate(tag, suite) for tag, suite in enumerate(SUITES, 1)) if srtp != "off" else ()
            for kind in ("audio", "video")
        }
        self._negotiation = Negotiation(address=advertise or address, session_id=secrets.randbits(31))
        self._held = False
        self._video_formats = _video_formats(video)
        self._audio: AudioStream | None = None
        self._video: VideoStream | None = None
        self._agreed: tuple[Agreed, ...] = ()
        self._accepted: bytes | None = None
        self._clock: Clock | None = None
        self._ready = asyncio.Event()
        self._closed = False
        self._resolving: set[asyncio.Task[None]] = set()
        self._recordings: list[Recording] = []
        self._playing: asyncio.Future[bool] | None = None
        self._sending: asyncio.Future[None] | None = None
        self._on_close: list[Callable[[], None]] = []
        self.digits = Digits()
        """What the other side presses: ``async for digit in session.digits``."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Offer and answer

    def offer(self) -> bytes:
        """Our offer. One that waits for an answer is withdrawn: it was refused."""
        self._settle()
        return self._negotiation.offer(self._streams())

    def answer(self, offer: bytes, /) -> bytes:
        """Our answer to this offer; ``NegotiationError`` if nothing of it can be taken (488), ``SdpError`` (400)."""
        self._settle()
        self._negotiation.receive_offer(offer)
        answer = self._negotiation.answer(self._streams())
        self._begin()
        return answer

    def accept(self, answer: bytes, /) -> None:
        """The answer to our offer. The same once more, as in 183 and 200, changes nothing."""
        if self._negotiation.state is State.STABLE and answer == self._accepted:
            return
        self._negotiation.receive_answer(answer)
        self._accepted = answer
        self._begin()

    def hold(self, on: bool, /) -> None:  # noqa: FBT001 - the seam of dialplane.ua
        """Puts the other side on hold, or takes it back, with the next offer or answer (RFC 3264 §8.4)."""
        self._held = on

    def _settle(self) -> None:
        if self._negotiation.state is not State.STABLE:
            self._negotiation.withdraw()

    def add_video(self, formats: Iterable[str] = ("H264",)) -> None:
        """Video is offered, or taken, from the next offer on."""
        self._video_formats = _video_formats(formats)

    def remove_video(self) -> None:
        """Video is no longer offered: the next offer has port 0 for it."""
        self._video_formats = ()

    @property
    def video(self) -> VideoStream:
        """The video of the call; ``DataError`` if there is none."""
        if self._video is None or all(line.label != "video" for line in self._agreed):
            raise DataError("this call has no video")
        return self._video

    def _streams(self) -> list[Stream]:
        formats = [CODECS[name].format for name in self._codecs]
        clocks = dict.fromkeys(format_.clock_rate for format_ in formats)
        events = [EVENTS[clock] for clock in clocks]
        streams = [self._stream("audio", self._open().transport, (*formats, *events), ptime=self._ptime)]
        if self._video_formats:
            if self._video is None:
                self._video = VideoStream(self._transport(room=ROOM))
            streams.append(self._stream("video", self._video.transport, self._video_formats))
        return streams

    def _stream(
        self, kind: str, transport: Transport, formats: tuple[Format, ...], *, ptime: int | None = None
    ) -> Stream:
        direction = Direction.SENDRECV
        return Stream(
            label=kind,
            kind=kind,
            port=transport.port,
            formats=formats,
            direction=direction.held if self._held else direction,
            protocols=_PROTOCOLS[self._srtp],
            ptime=ptime,
            rtcp_mux=True,
            crypto=self._keys[kind],
        )

    def _transport(self, room: int | None = None) -> Transport:
        return Transport(self._address, ports=self._ports, cname=self._cname, symmetric=self._symmetric, room=room)

    def _open(self) -> AudioStream:
        if self._closed:
            raise DataError("the media session is closed")
        if self._audio is None:
            self._audio = AudioStream(self._transport(), ptime=self._ptime, on_digit=self.digits.put)
            self._audio.detector = Detector(self.digits.put)
        return self._audio

    def _begin(self) -> None:
        """What has just been agreed on is put into force."""
        self._agreed = self._negotiation.agreed
        lines = {line.label: line for line in self._agreed}
        clock = Clock.of_loop()
        self._clock = clock
        audio = self._open()
        if "audio" in lines:
            audio.agree(lines["audio"])
            self._direct(audio.transport, lines["audio"], audio.format.clock_rate if audio.format else 8000)
            clock.add(self, self._ptime / 1000)
            self._ready.set()
        else:
            clock.remove(self)
        if self._video is not None and "video" in lines:
            self._video.agree(lines["video"])
            self._direct(self._video.transport, lines["video"], 90000)
            clock.add(self._video, PERIOD)
        elif self._video is not None:
            self._end_video()

    def _end_video(self) -> None:
        """Refused, or taken out of the call: it is not offered again by itself."""
        video, self._video = self._video, None
        self._video_formats = ()
        if video is not None:
            if self._clock is not None:
                self._clock.remove(video)
            video.close()
            video.transport.close()

    def _direct(self, transport: Transport, agreed: Agreed, rate: int) -> None:
        if agreed.send_crypto is None or agreed.receive_crypto is None:
            transport.protection = None
        elif transport.protection is None or transport.protection.keys != (agreed.send_crypto, agreed.receive_crypto):
            transport.protection = Protection(agreed.send_crypto, agreed.receive_crypto)
        try:
            transport.direct(agreed.remote, agreed.remote_rtcp, mux=agreed.rtcp_mux, clock_rate=rate)
        except ValueError:  # a name
            task = asyncio.get_running_loop().create_task(self._resolve(transport, agreed, rate))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)

    async def _resolve(self, transport: Transport, agreed: Agreed, rate: int) -> None:
        loop = asyncio.get_running_loop()
        found: list[tuple[str, int] | None] = []
        for address in (agreed.remote, agreed.remote_rtcp):
            if address is None:
                found.append(None)
                continue
            family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
            try:
                answers = await loop.getaddrinfo(*address, family=family, type=socket.SOCK_DGRAM)
            except OSError:
                return  # nothing is sent; the session goes on to listen, and learns where the other side is
            found.append((str(answers[0][4][0]), address[1]))
        if not self._closed and agreed in self._agreed:
            transport.direct(found[0], found[1], mux=agreed.rtcp_mux, clock_rate=rate)

    # Sound

    async def play(self, sound: Playable, *, rate: int = 8000, loop: bool = False) -> bool:
        """Plays a WAV file, a tone, or samples from an iterator (16-bit, ``rate`` a second).

        Comes back when all has been played: True; or when it was replaced by another sound or stopped: False.
        """
        await self._ready.wait()
        audio = self._open()
        if isinstance(sound, AsyncIterable):
            return await self._fed(sound, rate)
        if not isinstance(sound, str | PathLike | Tone):
            return await self._start(IteratorSource(sound, rate=rate, to_rate=audio.rate))
        once = _source(sound, audio.rate)
        if not loop:
            return await self._start(once)

        def again() -> Iterable[Source]:
            yield once
            while True:
                yield _source(sound, audio.rate)

        return await self._start(Sequence(again()))

    async def _fed(self, sound: AsyncIterable[bytes], rate: int) -> bool:
        feed = Feed(rate=rate, to_rate=self._open().rate)

        async def fill() -> None:
            try:
                async for piece in sound:
                    await feed.put(piece)
            finally:
                feed.end()

        filling = asyncio.get_running_loop().create_task(fill())
        try:
            finished = await self._start(feed)
        finally:
            if not filling.done():
                filling.cancel()
        if finished:
            await filling  # what its iterator raised is raised here
        return finished

    def stop(self) -> None:
        """Ends what is played, and the echo."""
        if self._audio is not None:
            self._audio.source = None
        self._ended(finished=False)

    async def _start(self, source: Source) -> bool:
        audio = self._open()
        self.stop()
        playing: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._playing = playing
        audio.source, audio.on_end = source, lambda: self._ended(finished=True)
        try:
            return await playing
        except asyncio.CancelledError:
            if self._playing is playing:
                self.stop()
            raise

    def _ended(self, *, finished: bool) -> None:
        playing, self._playing = self._playing, None
        if playing is not None and not playing.done():
            playing.set_result(finished)

    def record(self, path: str | PathLike[str]) -> Recording:
        """Records what the other side says until the end of the session, or until ``close`` of what is given back."""
        audio = self._open()
        recording = Recording(path)
        self._recordings.append(recording)
        audio.listeners.append(recording)
        return recording

    def echo(self) -> None:
        """Sends back what comes, until ``stop`` or the next ``play``."""
        pipe = Pipe()
        self.listen(pipe)
        self.stop()
        self._open().source = pipe

    def listen(self, listener: Listener) -> None:
        """Everything that is heard is written to this too."""
        self._open().listeners.append(listener)

    def join(self, leg: Leg, *, on_close: Callable[[], None]) -> None:
        """Into a conference; see ``Mixer``."""
        self.listen(leg)
        self.stop()
        self._open().source = leg
        self._on_close.append(on_close)

    def leave(self, leg: Leg) -> None:
        """Out of the conference."""
        if self._audio is not None:
            if leg in self._audio.listeners:
                self._audio.listeners.remove(leg)
            if self._audio.source is leg:
                self._audio.source = None

    async def send_dtmf(self, digits: str, *, duration: float = 0.1, pause: float = 0.06) -> None:
        """Sends digits as telephone events (RFC 4733), as tones if the other side knows none; waits for the last."""
        for digit in digits.upper():
            if digit not in DIGITS:
                raise DataError(f"{digit!r} is no DTMF digit: {DIGITS}")
        await self._ready.wait()
        audio = self._open()
        if not audio.can_send_events:
            tones = [part for digit in digits.upper() for part in (Tone(FREQUENCIES[digit], duration), Tone((), pause))]
            await self._start(Sequence(tone.source(audio.rate) for tone in tones))
            return
        audio.events.push(digits, duration=duration, pause=pause)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_future()
        sending = self._sending
        audio.on_events_end = lambda: None if sending.done() else sending.set_result(None)
        await asyncio.shield(sending)

    # The clock, which calls turn

    def turn(self, now: float, outbox: Outbox) -> None:
        """One packet time."""
        if self._audio is not None:
            self._audio.turn(now, time.time(), outbox)
            self._audio.transport.control(now, outbox)

    @property
    def statistics(self) -> list[Statistics]:
        """What each media line has seen so far."""
        found = []
        if self._audio is not None:
            audio = self._audio
            codec, rate = (audio.format.encoding, audio.format.clock_rate) if audio.format else (None, 8000)
            found.append(statistics_of("audio", audio.transport, audio, codec, rate))
        if self._video is not None:
            codec = self._video.format.encoding if self._video.format else None
            found.append(statistics_of("video", self._video.transport, None, codec, 90000))
        return found

    def close(self) -> None:
        """Says goodbye (RTCP BYE), ends recordings and gives the sockets back."""
        if self._closed:
            return
        self._closed = True
        for left in self._on_close:
            left()
        for task in self._resolving:
            task.cancel()
        transports = [stream.transport for stream in (self._audio, self._video) if stream is not None]
        if self._clock is not None:
            self._clock.remove(self)
            farewell = Outbox()
            for transport in transports:
                transport.bye(time.monotonic(), farewell)
            farewell.flush()
        if self._video is not None:
            if self._clock is not None:
                self._clock.remove(self._video)
            self._video.close()
        for transport in transports:
            transport.close()
        for recording in self._recordings:
            recording.close()
        self._ended(finished=False)
        if self._sending is not None and not self._sending.done():
            self._sending.set_result(None)
        self.digits.end()


def _source(sound: str | PathLike[str] | Tone, rate: int) -> Source:
    return sound.source(rate) if isinstance(sound, Tone) else wav_source(sound, rate)


def _video_formats(names: Iterable[str]) -> tuple[Format, ...]:
    names = tuple(names)
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise DataError(f"{unknown[0]!r} is no video format: there are {', '.join(FORMATS)}")
    return tuple(FORMATS[name] for name in names)
