"""Chromium without a screen, driven by its DevTools protocol: pages, what they compute, their WebSocket frames."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from .message import Message, parse
from .process import Process

_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # it refuses to run as root with it
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-port=0",
    # Sound without a sound card, and nobody to ask; loopback is all the network there is.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)


class Page:
    """One page, with storage of its own; what its WebSockets carry is kept."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self.session = browser, session
        self.frames: list[tuple[bool, Message]] = []
        """Whether the page sent it, and the SIP message."""
        self.console: list[str] = []
        self.is_loaded = False

    def evaluate(self, expression: str, *, seconds: float = 10.0) -> Any:
        """What an expression comes to; a promise is waited for."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self._browser.command("Runtime.evaluate", asked, self.session, seconds=seconds)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def call(self, function: str, *arguments: object, seconds: float = 10.0) -> Any:
        """What a function of the page comes to."""
        return self.evaluate(f"{function}({', '.join(map(json.dumps, arguments))})", seconds=seconds)

    def wait_for(self, message: str, *, seconds: float = 5.0) -> None:
        """Until this message, as :meth:`flow` has it, is the last that was sent or received."""
        deadline = time.monotonic() + seconds
        while self.flow()[-1:] != [message]:
            assert self._browser.hear(deadline) is not None, f"no {message} within {seconds} s\n{self.story()}"

    def flow(self) -> list[str]:
        """What was sent and received, one short text for each message: ``> INVITE``, ``< 200 INVITE``."""
        return [
            f"{'>' if sent else '<'} {f'{one.status} {one.method}' if one.status else one.method}"
            for sent, one in self.frames
        ]

    def story(self) -> str:
        """For the one who has to find out why."""
        return "\n".join([*self.flow(), *self.console])

    def on_event(self, method: str, event: dict[str, Any]) -> None:
        """Something that the browser reports of this page."""
        if method in {"Network.webSocketFrameSent", "Network.webSocketFrameReceived"}:
            text = event["response"]["payloadData"]
            if "SIP/2.0" in text.partition("\r\n")[0]:
                self.frames.append((method.endswith("Sent"), parse(text.encode())))
        elif method == "Page.loadEventFired":
            self.is_loaded = True
        elif method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
            self.console.append(json.dumps(event)[:2000])


class Browser:
    """A running Chromium."""

    def __init__(self, connection: ClientConnection, process: Process) -> None:
        self._connection, self._process = connection, process
        self._numbers = itertools.count(1)
        self._pages: dict[str, Page] = {}

    def open(self, file: Path) -> Page:
        """A page of its own, loaded."""
        context = self.command("Target.createBrowserContext", {})["browserContextId"]
        target = self.command("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.command("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Network", "Runtime"):
            self.command(f"{domain}.enable", {}, session)
        self.command("Page.navigate", {"url": file.as_uri()}, session)
        deadline = time.monotonic() + 10
        while not page.is_loaded:
            assert self.hear(deadline) is not None, f"{file} is not loaded"
        return page

    def command(
        self, method: str, parameters: dict[str, Any], session: str | None = None, *, seconds: float = 10.0
    ) -> dict[str, Any]:
        """One command and its result; what the browser reports meanwhile goes to the pages."""
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": parameters}
        self._connection.send(json.dumps(asked | ({"sessionId": session} if session else {})))
        deadline = time.monotonic() + seconds
        while (heard := self.hear(deadline)) is not None:
            if heard.get("id") == number:
                assert "error" not in heard, f"{method}: {heard['error']}"
                result: dict[str, Any] = heard["result"]
                return result
        stories = "\n".join(page.story() for page in self._pages.values())
        raise AssertionError(
            f"{method} {parameters}: nothing within {seconds} s\n{stories}\n{self._process.text()[-2000:]}"
        )

    def hear(self, deadline: float) -> dict[str, Any] | None:
        """The next that the browser says, none by the deadline; what it reports of a page goes there, too."""
        try:
            heard: dict[str, Any] = json.loads(self._connection.recv(max(deadline - time.monotonic(), 0.001)))
        except TimeoutError:
            return None
        if heard.get("sessionId") in self._pages and "method" in heard:
            self._pages[heard["sessionId"]].on_event(heard["method"], heard["params"])
        return heard


@contextmanager
def chromium(folder: Path, authority: Path) -> Iterator[Browser]:
    """A Chromium whose user has put an authority's certificate among those that he trusts."""
    home = folder / "chromium"
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for command in (["-N", "--empty-password"], ["-A", "-n", "authority", "-t", "C,,", "-i", str(authority)]):
        subprocess.run(["certutil", "-d", f"sql:{store}", *command], check=True)
    command = ["chromium", *_SWITCHES, f"--user-data-dir={home / 'profile'}", "about:blank"]
    with Process(command, home / "output.log", environment={"HOME": str(home)}) as process:
        found = process.wait_for(r"DevTools listening on (ws://\S+)", seconds=30)
        with connect(found[1], proxy=None, max_size=None, compression=None) as connection:
            yield Browser(connection, process)
