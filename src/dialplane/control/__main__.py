"""Entry of the control process: ``python -m dialplane.control CONTROL``.

As with a worker, the first message on CONTROL says that the boot message on standard input is complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from functools import partial
from typing import Any

import msgspec
import structlog
import uvloop

from dialplane import log
from dialplane.config import Config  # noqa: TC001 - msgspec reads the annotation
from dialplane.control.mirror import Mirror
from dialplane.control.status import MirrorStatus, Status
from dialplane.control.web import Server, application
from dialplane.database import database

SWEEP_INTERVAL = 1.0
SWEEP_BATCH = 10_000
PATIENCE = 1.0
"""Seconds that being ready waits for the first look into the database."""
PATIENCE_WHEN_EMPTY = 20.0
"""The same when the store knows nobody. Less than the supervisor waits, or a large database would stop the start."""

_log = structlog.get_logger()


class Boot(msgspec.Struct, frozen=True):
    """What the supervisor hands to the control process."""

    config: Config
    data: str
    counters: str
    admin: int | None
    supervisor: dict[str, Any]


class Control:
    """All tasks of the process."""

    def __init__(self, boot: Boot, channel: socket.socket) -> None:
        from dialplane_native.server import Store, counter_names, counters, record_id  # noqa: PLC0415 - not for importers

        config = boot.config
        self._channel = channel
        self._stop = asyncio.Event()
        self._grace = 0.0
        self._store = Store(boot.data, "control", [listen.address for listen in config.listen])
        url = config.database.url
        mirrored = None if url == "none" else database(url)
        mirror_status = MirrorStatus(database=mirrored.name if mirrored else "none")
        self._status = Status(
            boot.supervisor,
            mirror=mirror_status,
            store=self._store,
            counters=partial(counters, boot.counters),
            config=config,
        )
        self._mirror = Mirror(config, self._store, mirrored, mirror_status, record_id) if mirrored else None
        if self._mirror is None:
            self._store.mirror(False)
            self._store.restored()
        self._web = Server(application(self._status, counter_names())) if boot.admin is not None else None
        self._listener = socket.socket(fileno=boot.admin) if boot.admin is not None else None

    async def run(self) -> None:
        """Until the supervisor says stop, or is gone."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.fileno(), self._read)
        tasks = [asyncio.create_task(self._sweep())]
        if self._web and self._listener:
            tasks.append(asyncio.create_task(self._web.serve([self._listener])))
        mirroring = asyncio.create_task(self._mirror.run()) if self._mirror else None
        if self._mirror:
            patience = PATIENCE_WHEN_EMPTY if self._store.discarded else PATIENCE
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._mirror.is_caught_up.wait(), patience)
        self._say({"ready": True})
        stop = asyncio.create_task(self._stop.wait())
        watched = {stop, *tasks, *([mirroring] if mirroring else [])}
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stop}:
            # A task that ends by itself has met a fault of ours; the supervisor starts us anew.
            task.result()
            raise RuntimeError("a task of the control process ended")
        if self._web:
            self._web.should_exit = True
        if self._mirror and mirroring:
            self._mirror.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(mirroring, self._grace)
        tasks[0].cancel()
        await asyncio.wait(tasks, timeout=3)
        self._store.close()

    async def _sweep(self) -> None:
        """Removes bindings whose time has come."""
        while True:
            removed = self._store.sweep(time.time(), SWEEP_BATCH)
            await asyncio.sleep(0 if removed >= SWEEP_BATCH else SWEEP_INTERVAL)

    def _read(self) -> None:
        try:
            octets = self._channel.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            # ECONNRESET: the supervisor died before it had read all that we said.
            octets = b""
        message: dict[str, Any] = json.loads(octets) if octets else {"stop": 1.0}
        if "supervisor" in message:
            self._status.supervisor = message["supervisor"]
        if "stop" in message:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._grace = float(message["stop"])
            self._stop.set()

    def _say(self, message: dict[str, object]) -> None:
        # A supervisor that is gone makes itself known to `_read`.
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps(message).encode())


def main() -> int:
    """Runs the control process. Returns its exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    if not channel.recv(64):
        return 0
    channel.setblocking(False)
    boot = msgspec.json.decode(sys.stdin.buffer.read(), type=Boot)
    log.set_up(boot.config.server.log, boot.config.server.log_level)

    async def serve() -> None:
        await Control(boot, channel).run()

    try:
        uvloop.run(serve())
    except Exception as error:
        _log.exception("control process failed")
        with contextlib.suppress(OSError):
            channel.send(json.dumps({"failed": f"{type(error).__name__}: {error}"[:2000]}).encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
