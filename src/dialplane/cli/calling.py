"""``dialplane call`` and ``dialplane listen``: a telephone in the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from dialplane.cli.output import err, out
from dialplane.cli.phone import (
    Settings,
    View,
    finished,
    perform,
    summary,
    telephone,
)
from dialplane.errors import MissingFileError
from dialplane.ua import Answered, CallEvent, EarlyMedia, Ended, Held, Redirected, Resumed, Ringing, UserAgentError
from dialplane.ua.errors import MisuseError, NoAnswerError

if TYPE_CHECKING:
    from dialplane.media import MediaSession
    from dialplane.ua import Call, IncomingCall, ReceivedMessage, UserAgent

Play = Annotated[Path | None, typer.Option(help="WAV file that the other side hears.")]
Record = Annotated[Path | None, typer.Option(help="WAV file for what the other side says.")]


class Answer(enum.Enum):
    """What ``listen`` does with a call."""

    ECHO = "echo"
    WAV = "wav"
    BUSY = "busy"
    DECLINE = "decline"
    REDIRECT = "redirect"
    RING = "ring"


@telephone()
def call(
    settings: Settings,
    uri: Annotated[str, typer.Argument(help="Whom to call: sip:bob@example.com.")],
    play: Play = None,
    record: Record = None,
    digits: Annotated[str, typer.Option("--dtmf", help="Digits to send when the call is up (RFC 4733).")] = "",
    seconds: Annotated[
        float | None, typer.Option("--seconds", "-s", help="Hang up after so long; else after --play, or Ctrl-C.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 60.0,
    echo: Annotated[bool, typer.Option("--echo", help="Send back what is heard.")] = False,
) -> None:
    """Call somebody. Exit status 0: the call was up; 77: it was refused; 69: nobody answered."""
    _require_file(play)

    async def work() -> None:
        agent = settings.agent(register=False)
        with View(agent, f"call {uri}", trace=settings.trace) as view:
            async with agent:
                media = agent.media(towards=uri)
                view.statistics = lambda: media.statistics
                outgoing = agent.call(uri, media=media)
                telling = agent.spawn(_tell(outgoing, view))
                try:
                    async with asyncio.timeout(timeout):
                        await outgoing
                except TimeoutError:
                    raise NoAnswerError(f"{uri} did not answer within {timeout:g} s; the call was cancelled") from None
                async with outgoing:
                    await _talk(outgoing, media, play, record, digits, seconds, echo=echo)
                await telling
                view.say(summary(media.statistics))

    perform(work())


@telephone(account="sip:dialplane@localhost")
def listen(
    settings: Settings,
    answer: Annotated[Answer, typer.Option(help="What becomes of a call.")] = Answer.ECHO,
    play: Play = None,
    record: Annotated[Path | None, typer.Option(help="Folder for what callers say, one WAV file each.")] = None,
    to: Annotated[str | None, typer.Option(help="Where --answer redirect sends callers.")] = None,
    count: Annotated[int | None, typer.Option("--count", "-c", help="Stop after so many calls.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port for UDP and TCP; 0: any. [default: any with a password, else 5060]")
    ] = None,
) -> None:
    """Take calls and messages until Ctrl-C; registers if there is a password."""
    # Who registers is found by his registration, and the server may have the usual port of this machine.
    usual = 5060 if settings.password is None else 0
    settings = msgspec.structs.replace(settings, port=usual if port is None else port)
    if answer is Answer.WAV and play is None:
        raise MisuseError("--answer wav needs --play FILE")
    if answer is Answer.REDIRECT and to is None:
        raise MisuseError("--answer redirect needs --to ADDRESS")
    _require_file(play)

    async def work() -> None:
        agent = settings.agent()
        left = asyncio.Semaphore(0)
        with View(agent, f"listen as {agent.aor}", trace=settings.trace) as view:

            @agent.on_call
            async def take(incoming: IncomingCall) -> None:
                try:
                    await _take(agent, incoming, view)
                finally:
                    left.release()

            @agent.on_message
            async def show(received: ReceivedMessage) -> None:
                out.print(f"{received.sender.uri_text}: {received.text}", markup=False)

            async with agent:
                view.say(f"waiting for calls, which get {answer.value}")
                taken = 0
                while count is None or taken < count:
                    await left.acquire()
                    taken += 1

    async def _take(agent: UserAgent, incoming: IncomingCall, view: View) -> None:
        caller = incoming.caller.uri_text
        out.print(f"call from {caller}", markup=False)
        if answer is Answer.BUSY:
            await incoming.reject(486)
        elif answer is Answer.DECLINE:
            await incoming.reject(603)
        elif answer is Answer.REDIRECT and to is not None:
            await incoming.redirect(to)
        elif answer is Answer.RING:
            await incoming.ring()
            await incoming.wait_ended()
        else:
            async with agent.media(towards=caller) as media:
                view.statistics = lambda: media.statistics
                telling = agent.spawn(_tell(incoming, view))
                await incoming.ring()
                await incoming.answer(media)
                file = record / f"{incoming.call_id.replace('/', '_')}.wav" if record else None
                async with incoming:
                    await _talk(incoming, media, play, file, "", None, echo=answer is Answer.ECHO)
                await telling
                out.print(f"call from {caller} is over: {summary(media.statistics)}", markup=False)

    perform(work(), until_stopped=True)


async def _tell(call: Call, view: View) -> None:
    async for event in call.events():
        view.say(_words(event))


_WORDS: dict[type[CallEvent], str] = {
    EarlyMedia: "early media",
    Answered: "the call is up",
    Held: "the other side has put the call on hold",
    Resumed: "the other side is back",
}


def _words(event: CallEvent) -> str:
    match event:
        case Ringing(code, reason):
            return f"{code} {reason}"
        case Redirected(uri):
            return f"redirected to {uri}"
        case Ended(by, code, reason):
            return f"ended by {by}" + (f": {code}" if code else "") + (f" {reason}" if reason else "")
        case _:
            return _WORDS.get(type(event), type(event).__name__.lower())


async def _talk(
    call: Call,
    media: MediaSession,
    play: Path | None,
    record: Path | None,
    digits: str,
    seconds: float | None,
    *,
    echo: bool,
) -> None:
    """What is said in a call, until its end."""
    if record is not None:
        media.record(record)
    if echo:
        media.echo()

    async def speak() -> None:
        if digits:
            await media.send_dtmf(digits)
        if play is not None:
            await media.play(str(play))
        if seconds is not None:
            await asyncio.sleep(seconds)
        elif not digits and play is None:
            await call.wait_ended()

    async def show_digits() -> None:
        async for digit in media.digits:
            err.print(f"digit {digit}", markup=False)
        await call.wait_ended()

    async def ended() -> None:
        with contextlib.suppress(UserAgentError):
            await call.wait_ended()

    tasks = [asyncio.create_task(work()) for work in (speak, show_digits, ended)]
    await finished(*tasks)


def _require_file(file: Path | None) -> None:
    if file is not None and not file.is_file():
        raise MissingFileError(f"{file}: no such file")
