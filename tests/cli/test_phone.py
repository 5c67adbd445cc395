"""The user agent's commands against user agents on this machine."""

from __future__ import annotations

import asyncio
import threading
import wave
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dialplane.cli import watching
from dialplane.errors import ExitStatus
from dialplane.ua import IncomingCall, Notification, ReceivedMessage, UserAgent, write_presence

from .conftest import Run

Prepare = Callable[[UserAgent], Awaitable[None]]


@contextmanager
def somebody(prepare: Callable[[UserAgent], None]) -> Iterator[str]:
    """A user agent in a thread of its own; gives its address."""
    address: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    leave = asyncio.Event()

    async def serve() -> None:
        agent = UserAgent("sip:bob@127.0.0.1", host="127.0.0.1")
        prepare(agent)
        async with agent:
            port = agent.endpoint.transports.addresses[0][1]  # type: ignore[attr-defined]
            address.append(f"sip:bob@127.0.0.1:{port}")
            ready.set()
            await leave.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join(10)
        loop.close()


def echoing(agent: UserAgent) -> None:
    @agent.on_call
    async def answer(call: IncomingCall) -> None:
        async with agent.media() as media, call:
            media.echo()
            await call.answer(media)
            await call.wait_ended()


def refusing(agent: UserAgent) -> None:
    @agent.on_call
    async def refuse(call: IncomingCall) -> None:
        await call.reject(486)


def ringing(agent: UserAgent) -> None:
    @agent.on_call
    async def ring(call: IncomingCall) -> None:
        await call.ring()
        await call.wait_ended()


def test_a_call_with_its_sound(run: Run, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "said.wav"), "wb") as said:
        said.setnchannels(1)
        said.setsampwidth(2)
        said.setframerate(8000)
        said.writeframes(b"\x00\x20" * 4000)
    with somebody(echoing) as bob:
        heard = tmp_path / "heard.wav"
        result = run("call", bob, "--play", str(tmp_path / "said.wav"), "--record", str(heard), "--host", "127.0.0.1")
    assert result.status == 0, result.err
    assert "the call is up" in result.err
    assert "ended by us" in result.err
    assert "PCMU" in result.err
    with wave.open(str(heard)) as recorded:
        assert recorded.getnframes() >= 2000


def test_a_refusal_and_a_call_that_nobody_answers(run: Run) -> None:
    with somebody(refusing) as bob:
        result = run("call", bob, "--host", "127.0.0.1")
        assert (result.status, "486" in result.err, "busy" in result.err) == (ExitStatus.REFUSED, True, True)
    with somebody(ringing) as bob:
        result = run("call", bob, "--timeout", "0.3", "--host", "127.0.0.1")
        assert (result.status, "did not answer" in result.err) == (ExitStatus.UNAVAILABLE, True)


def test_messages(run: Run) -> None:
    seen: list[str] = []

    def reading(agent: UserAgent) -> None:
        @agent.on_message
        async def read(message: ReceivedMessage) -> None:
            seen.append(message.text)

    with somebody(reading) as bob:
        assert run("message", bob, "hello", "--host", "127.0.0.1").status == 0
        assert run("message", bob, "--host", "127.0.0.1", stdin="from a pipe").status == 0
    assert seen == ["hello", "from a pipe"]


def test_options(run: Run) -> None:
    with somebody(echoing) as bob:
        result = run("options", bob, "--host", "127.0.0.1", "--trace")
    assert result.status == 0
    assert result.out.startswith("200 OK")
    assert "Allow: INVITE" in result.out
    assert "CSeq: 1 OPTIONS" in result.err


def test_subscriptions_that_nobody_takes(run: Run) -> None:
    with somebody(echoing) as bob:
        for command in (("subscribe", bob), ("publish", bob, "out for lunch", "--once")):
            result = run(*command, "--host", "127.0.0.1")
            assert result.status == ExitStatus.REFUSED, result.err


@pytest.mark.parametrize(
    ("event", "body", "text"),
    [
        ("presence", write_presence("sip:a@b", is_open=True, note="here"), "active  open: here"),
        ("message-summary", b"Messages-Waiting: no\r\nVoice-Message: 0/3\r\n", "active  no messages: 0 new and 3 old"),
        ("dialog", b'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0"/>', "active  no dialogs"),
        ("presence", b"not XML", "active  not XML"),
        ("x", b"anything", "active  anything"),
    ],
)
def test_notifications_in_words(event: str, body: bytes, text: str) -> None:
    assert watching.words(event, Notification("active", "", "", body)).startswith(text)


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("call", "nonsense@@"), ExitStatus.DATA, "it looks like sip:alice@example.com"),
        (("call", "sip:bob@127.0.0.1", "--play", "nothing.wav"), ExitStatus.NO_INPUT, "no such file"),
        (("listen", "--answer", "wav"), ExitStatus.DATA, "--play"),
        (("listen", "--answer", "redirect"), ExitStatus.DATA, "--to"),
        (("message", "sip:bob@nowhere.invalid", "x"), ExitStatus.UNAVAILABLE, "has no address"),
        (("options", "sip:127.0.0.1:1;transport=tcp"), ExitStatus.UNAVAILABLE, "takes no connection"),
        (("options", "sip:127.0.0.1", "--ca-file", "nothing.pem"), ExitStatus.NO_INPUT, "no certificates"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], status: ExitStatus, text: str) -> None:
    result = run(*arguments)
    assert (result.status, text in result.err) == (status, True), result.err
