"""Every example of docs/user-agent runs, against a server and a peer that the test plays."""

from __future__ import annotations

import asyncio
import itertools
import re
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dialplane.testing import DESCRIPTION, Network, Server, run
from dialplane.ua import CallState, IncomingCall, ReceivedMessage, RejectedError, UserAgent, read_presence

DOCS = Path(__file__).parents[2] / "docs" / "user-agent"
README = Path(__file__).parents[2] / "README.md"


def examples(page: Path) -> list[str]:
    return [code for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL) if "dialplane.ua" in code]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Network:
    """Every user agent gets an address of a network without sockets; sound goes by real ones."""
    made = Network(delay=0.001)
    numbers = itertools.count(1)
    monkeypatch.setattr("dialplane.ua.agent.SocketTransports", lambda **_: made.transports(f"192.0.2.{next(numbers)}"))
    monkeypatch.setattr("dialplane.ua.agent.SystemResolver", lambda: made)
    monkeypatch.chdir(tmp_path)
    with wave.open("hello.wav", "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\x00\x20" * 2400)
    return made


@asynccontextmanager
async def user(name: str) -> AsyncIterator[UserAgent]:
    async with UserAgent(f"sip:{name}@example.com", register=True) as ua:
        yield ua


async def played(network: Network, code: str, beside: Callable[[], Awaitable[None]] | None = None) -> None:
    """The example; with something beside it, until that is done."""
    names: dict[str, Any] = {}
    assert code.endswith("asyncio.run(main())\n")
    exec(compile(code.removesuffix("asyncio.run(main())\n"), "example", "exec", dont_inherit=True), names)
    async with asyncio.timeout(20), Server(network, "example.com"):
        if beside is None:
            async with user("bob") as bob, user("sleeper") as sleeper:
                answering(bob)
                sleeper.on_call(lambda call: call.wait_ended())  # type: ignore[arg-type, return-value]
                await names["main"]()
            return
        running = asyncio.create_task(names["main"]())
        while not any(sent.data.startswith(b"SIP/2.0 200") for sent in network.sent):
            await asyncio.sleep(0.005)
        try:
            await beside()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def answering(bob: UserAgent) -> None:
    @bob.on_call
    async def answer(call: IncomingCall) -> None:
        async with bob.media() as media, call:
            media.echo()
            await call.ring()
            await call.answer(media)
            await call.wait_ended()

    @bob.on_message
    async def read(message: ReceivedMessage) -> None:
        assert message.text == "Lunch?"


def test_the_first_example(network: Network) -> None:
    (code,) = examples(README)
    asyncio.run(played(network, code))
    assert {"INVITE", "BYE", "REGISTER"} <= set(network.lines())


def test_register(network: Network) -> None:
    (code,) = examples(DOCS / "register.md")

    async def beside() -> None:
        async with user("bob") as bob:
            with pytest.raises(RejectedError, match="busy"):
                await bob.call("sip:alice@example.com", media=DESCRIPTION)

    asyncio.run(played(network, code, beside))


def test_call(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = examples(DOCS / "call.md")
    asyncio.run(played(network, first))
    assert int(capsys.readouterr().out.split()[0]) >= 10
    asyncio.run(played(network, second))
    assert "180 Ringing" in capsys.readouterr().out
    asyncio.run(played(network, third))
    assert "nobody there" in capsys.readouterr().out
    assert "CANCEL" in network.lines()


def test_answer(network: Network) -> None:
    (code,) = examples(DOCS / "answer.md")

    async def beside() -> None:
        async with user("alice") as alice, user("mallory") as mallory:
            with pytest.raises(RejectedError, match="declined"):
                await mallory.call("sip:bob@example.com", media=DESCRIPTION)
            media = alice.media()
            call = await alice.call("sip:bob@example.com", media=media)
            await media.play("hello.wav")
            assert media.statistics[0].packets_received > 5
            await call.hang_up()

    asyncio.run(played(network, code, beside))


def test_messages(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    page = DOCS / "messages.md"
    first, second, third = examples(page)
    asyncio.run(played(network, first))
    shown = capsys.readouterr().out
    assert f"    {shown}" in page.read_text()
    asyncio.run(played(network, second))
    assert "PUBLISH was answered" in capsys.readouterr().out
    notes: list[str] = []

    async def beside() -> None:
        async with user("alice") as alice, alice.subscribe("sip:bob@example.com", "presence") as subscription:
            notes.append(read_presence((await anext(subscription)).body).note)

    asyncio.run(played(network, third.replace("sleep(3600)", "sleep(0.2)"), beside))
    assert notes == ["at my desk"]


def test_ivr(network: Network) -> None:
    (code,) = examples(DOCS / "ivr.md")

    async def beside() -> None:
        async with user("alice") as alice:
            media = alice.media()
            call = await alice.call("sip:bob@example.com", media=media)
            await media.send_dtmf("91")
            assert (await call.wait_ended()).by == "peer"

    asyncio.run(played(network, code, beside))


def test_record(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = examples(DOCS / "record.md")
    asyncio.run(played(network, code))
    assert capsys.readouterr().out.startswith("PCMU: ")
    with wave.open("answer.wav") as recorded:
        assert recorded.getnframes() > 800


def test_testing(network: Network) -> None:
    (code,) = examples(DOCS / "testing.md")
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec", dont_inherit=True), names)
    run(names["test_a_long_call_survives_a_bad_line"](Network()))


def test_the_server_for_tests() -> None:
    """By UDP and TCP; who is not registered is not found."""

    async def work() -> None:
        network = Network()

        def made(name: str, host: str, transport: str) -> UserAgent:
            registrar = f"sip:example.com;transport={transport}"
            transports = network.transports(host)
            return UserAgent(f"sip:{name}@example.com", register=registrar, transports=transports, resolver=network)

        alice, bob = made("alice", "192.0.2.1", "udp"), made("bob", "192.0.2.2", "tcp")

        @bob.on_call
        async def answer(call: IncomingCall) -> None:
            await call.answer(DESCRIPTION)
            await call.wait_ended()

        async with Server(network, "example.com") as server, alice, bob:
            call = await alice.call("sip:bob@example.com", media=DESCRIPTION)
            await call.hold()
            assert call.state is CallState.UP
            await call.hang_up()
            with pytest.raises(RejectedError):
                await alice.message("sip:carol@example.com", "hello")
            assert set(server.bindings) == {"alice", "bob"}

    run(work())
