"""Starts everything or nothing, watches, reloads, stops. Design: nothing is half-started, and nothing that runs is
touched before the new configuration was found good.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from dialplane import __version__
from dialplane.configuration import ConfigurationError, load, resolve
from dialplane.errors import DialplaneError, ExitStatus, WriteError
from dialplane.supervisor import targets
from dialplane.supervisor.asking import answering
from dialplane.supervisor.bans import Bans
from dialplane.supervisor.child import Child
from dialplane.supervisor.folder import DataFolder
from dialplane.supervisor.keeper import Keeper
from dialplane.supervisor.notify import notify
from dialplane.supervisor.parts import Parts
from dialplane.supervisor.pool import Pool
from dialplane.supervisor.sockets import Listeners, inherited_socket, open_stream
from dialplane.supervisor.succession import SIGNALS, Estate, UpgradeError, give_way, try_out
from dialplane.supervisor.tables import compile_tables, discard_unused

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from dialplane.config import Config
    from dialplane.configuration import Loaded
    from dialplane.configuration.problem import KeyPath
    from dialplane.supervisor.child import Message
    from dialplane.supervisor.parts import SharedStore

GRACE = 5.0
"""Seconds that a worker may take to finish what is queued."""
CONTROL_GRACE = 15.0
"""Seconds that the control process may take to bring the database up to date."""
FIXED: dict[str, KeyPath] = {
    "listen": ("listen",),
    "workers": ("server", "workers"),
    "steering": ("server", "steering"),
    "data": ("server", "data"),
    "admin": ("admin", "address"),
}
"""What a reload cannot change, because sockets and processes would have to change with it."""

_log = structlog.get_logger()


class Supervisor:
    """One server. ``file`` is read again at a reload; without it there is nothing to reload. ``estate`` is what the
    older version left in whose place this one runs.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        file: Path | None = None,
        parts: Parts | None = None,
        estate: Estate | None = None,
        on_ready: Callable[[Supervisor], None] | None = None,
    ) -> None:
        self.config = resolve(loaded.config, loaded.base)
        self.folder = DataFolder(Path(self.config.server.data))
        self.reloads = estate.reloads if estate else 0
        self._source = loaded.source
        self._file = file
        self._parts = parts or Parts()
        self._on_ready = on_ready
        self._started = estate.started if estate else time.time()
        self._estate = estate
        self._lock: int
        self._bans: Bans
        self._store: SharedStore
        self._listeners: Listeners
        self._admin: socket.socket | None = None
        self._pool: Pool
        self._control: Keeper | None = None
        self._is_empty = False
        self._reloading = asyncio.Lock()
        self._stop = asyncio.Event()
        self._hard_stop = asyncio.Event()

    def run(self) -> ExitStatus:
        """Serves until told to stop. Raises :class:`DialplaneError` when it cannot even begin."""
        return asyncio.run(self.serve())

    async def serve(self) -> ExitStatus:
        """As :meth:`run`, within a loop that runs already."""
        with contextlib.ExitStack() as opened:
            estate = self._estate
            self._lock = opened.enter_context(self.folder.locked(estate.lock if estate else None))
            store = self._open_store()
            self._store = store
            self._is_empty = store.discarded
            if store.given_up is not None:
                _log.warning("shared store begun anew: what was there cannot be used", reason=store.given_up)
            clean = False
            opened.callback(lambda: store.close(clean))
            self._listeners = Listeners(self.config, estate)
            opened.callback(self._listeners.close)
            self._bans = Bans(store, self._listeners.steering)
            if estate is not None:
                self._admin = None if estate.admin is None else inherited_socket(estate.admin)
            elif self.config.admin.address:
                self._admin = open_stream(self.config.admin.address)
            if self._admin is not None:
                opened.callback(self._admin.close)
            self.config = await self._checked(self.config, self._source.error)
            await self._parts.prepare(self.config)
            self._in_force(self.config)
            self._make_keepers()
            with self._signals():
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                await self._serve()
            clean = not self._hard_stop.is_set()
        return ExitStatus.OK

    async def _serve(self) -> None:
        try:
            async with answering(self.folder, self._answer):
                if await self._until_stop(self._start()):
                    self._is_ready()
                    renewal = asyncio.create_task(self._renew(self._estate)) if self._estate else None
                    await self._stop.wait()
                    if renewal is not None:
                        renewal.cancel()
                notify("STOPPING=1")
                stopping = asyncio.create_task(self._finish())
                hard = asyncio.create_task(self._hard_stop.wait())
                await asyncio.wait({stopping, hard}, return_when=asyncio.FIRST_COMPLETED)
                hard.cancel()
                stopping.cancel()
        finally:
            await self._kill()

    async def reload(self) -> None:
        """Reads the file again and puts it in force, or raises and changes nothing."""
        async with self._reloading:
            if self._file is None:
                raise ConfigurationError(
                    [self._source.problem((), "serving without a file: there is nothing to reload")]
                )
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                await self._reload(load(self._file))
            finally:
                notify("READY=1")

    def facts(self) -> dict[str, Any]:
        """For ``dialplane status``: what the supervisor knows."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": self._started,
            "file": str(self._file) if self._file else None,
            "reloads": self.reloads,
            "listen": [entry.address for entry in self.config.listen],
            "admin": self.config.admin.address,
            "data": self.config.server.data,
            "spread": self._listeners.spread,
            "receive_buffer": self._listeners.receive_buffer,
            "dropped_by_kernel": self._listeners.steering.dropped() if self._listeners.steering else 0,
            "workers": self._pool.facts(),
            "spare": self._pool.spare_facts(),
            "retired": self._pool.retired_facts(),
            "control": self._control.facts() if self._control else None,
        }

    def _open_store(self) -> SharedStore:
        try:
            return self._parts.open_store(self.folder.store)
        except DialplaneError:
            raise
        except Exception as error:
            raise WriteError(f"shared store {self.folder.store}: {error}") from error

    async def _checked(self, config: Config, as_error: Callable[..., ConfigurationError]) -> Config:
        """``config`` with its tables compiled, if a worker would take it."""

        def check() -> Config:
            ready = compile_tables(config, self.folder.tables, as_error)
            problems = self._parts.check(ready)
            if problems:
                raise as_error(problems)
            return ready

        return await asyncio.to_thread(check)

    def _in_force(self, config: Config) -> None:
        self.config = config
        self._bans.adapt(config)
        self.folder.write_effective(msgspec.json.encode(config))
        discard_unused(config, self.folder.tables)

    def _make_keepers(self) -> None:
        self._pool = Pool(
            self._parts.worker,
            self.config,
            folder=self.folder,
            listeners=self._listeners,
            on_change=self._tell_control,
        )
        self._control = Keeper("control", self._spawn_control, self._tell_control) if self._parts.control else None

    def _spawn_control(self, keeper: Keeper) -> Child:
        admin = self._admin.fileno() if self._admin is not None else None
        child = Child(
            keeper.name,
            self._parts.control or [],
            inherit=[] if admin is None else [admin],
            on_message=keeper.on_message,
            on_exit=keeper.on_exit,
        )
        child.begin(
            keeper.name,
            {
                "config": msgspec.to_builtins(self.config),
                "data": str(self.folder.store),
                "counters": str(self.folder.counters),
                "admin": admin,
                "supervisor": self.facts(),
            },
        )
        return child

    async def _start(self) -> None:
        if self._estate is not None:
            # They serve all the time.
            self._pool.adopt(self._estate.workers)
            if self._control and self._estate.control:
                self._control.adopt(self._estate.control)
            return
        if self._control and self._is_empty:
            # Nobody could log in, and no call find anybody, before subscribers and bindings are there. Meanwhile what
            # comes waits in the sockets.
            await self._control.start()
            await self._pool.start()
            return
        # Workers first: they need nothing of the control process, and calls matter more than status pages.
        await self._pool.start()
        if self._control:
            await self._control.start()

    async def _until_stop(self, starting: Coroutine[Any, Any, None]) -> bool:
        """Waits for the start, unless told to stop before. Whether it has started."""
        start = asyncio.ensure_future(starting)
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not start.done():
            start.cancel()
            return False
        await start
        return True

    def _is_ready(self) -> None:
        if self._listeners.spread_refusal is not None:
            _log.warning(
                "the kernel spreads datagrams by address, not by Call-ID", reason=str(self._listeners.spread_refusal)
            )
        _log.info(
            "ready",
            listen=[entry.address for entry in self.config.listen],
            workers=self.config.server.workers,
            admin=self.config.admin.address or None,
            milliseconds=round((time.time() - self._started) * 1000),
        )
        notify("READY=1")
        if self._on_ready:
            self._on_ready(self)

    async def _reload(self, loaded: Loaded) -> None:
        config = resolve(loaded.config, loaded.base)
        before, after = fixed_parts(self.config), fixed_parts(config)
        changed = [(FIXED[key], "a change of this takes a restart") for key in FIXED if before[key] != after[key]]
        if changed:
            raise loaded.source.error(changed)
        config = await self._checked(config, loaded.source.error)
        refusals = await self._pool.reload(config)
        if refusals:
            raise loaded.source.error(refusals)
        unchanged = msgspec.json.encode(config) == msgspec.json.encode(self.config)
        self._in_force(config)
        self._source = loaded.source
        self.reloads += 1
        _log.info("reloaded", file=str(self._file), routes=len(config.route), target_sets=len(config.target_set))
        if self._control and not unchanged:
            await self._control.replace(CONTROL_GRACE)

    async def _answer(self, question: dict[str, Any], asker: int) -> dict[str, Any]:
        match question.get("ask"):
            case "status":
                return self.facts()
            case "reload":
                return await self._answer_reload()
            case "upgrade":
                return await self._answer_upgrade(asker)
            case "ban" | "bans" | "lift" | "drain" | "targets" as kind:
                is_target = kind in {"drain", "targets"}
                return targets.answer(question, self._store, self.config) if is_target else self._bans.answer(question)
            case "stop":
                self._stop.set()
                return {"stopping": True}
            case other:
                return {"error": f"unknown question {other!r}"}

    async def _answer_reload(self) -> dict[str, Any]:
        try:
            await self.reload()
        except ConfigurationError as error:
            return {"problems": [str(problem) for problem in error.problems]}
        except DialplaneError as error:
            return {"problems": [str(error)]}
        return {"reloaded": True, "routes": len(self.config.route), "file": str(self._file)}

    async def _answer_upgrade(self, asker: int) -> dict[str, Any]:
        """Only when nothing comes of it; else the version that takes over answers."""
        async with self._reloading:
            try:
                facts = await try_out(self._file)
                before = msgspec.to_builtins(fixed_parts(self.config))
                if changed := [name for name in FIXED if facts["fixed"].get(name) != before[name]]:
                    raise UpgradeError(f"{', '.join(changed)} changed in the configuration: that takes a restart")
                await self._pool.dismiss_spare()
                _log.info("upgrading", before=__version__, after=facts["version"])
                give_way(self._bequeath(os.dup(asker)))
            except DialplaneError as error:
                _log.error("not upgraded", problem=str(error))
                return {"problems": [str(error)]}

    def _bequeath(self, asker: int) -> Estate:
        refusal, steering = self._listeners.spread_refusal, self._listeners.steering
        return Estate(
            version=__version__,
            started=self._started,
            reloads=self.reloads,
            lock=self._lock,
            groups=[[member.fileno() for member in group] for group in self._listeners.groups],
            inboxes=[(inbox.fileno(), others.fileno()) for inbox, others in self._listeners.inboxes],
            steering=list(steering.descriptors()) if steering else None,
            spread_refusal=refusal.errno if refusal else None,
            admin=None if self._admin is None else self._admin.fileno(),
            asker=asker,
            workers=self._pool.bequeath(),
            control=self._control.bequeath() if self._control else None,
        )

    async def _renew(self, estate: Estate) -> None:
        """Brings the installed version into every process, one worker after the other."""
        answer: dict[str, Any] = {"upgraded": {"before": estate.version, "after": __version__}}
        try:
            await self._pool.renew(GRACE)
            if self._control:
                await self._control.replace(CONTROL_GRACE)
            _log.info("upgraded", before=estate.version, after=__version__)
        except DialplaneError as error:
            _log.error("not upgraded", problem=str(error))
            answer = {"problems": [f"{error}; it goes on with {estate.version}"]}
        with contextlib.suppress(OSError), socket.socket(fileno=estate.asker) as asker:
            asker.setblocking(True)
            asker.sendall(json.dumps(answer).encode() + b"\n")

    async def _reload_on_signal(self) -> None:
        try:
            await self.reload()
        except ConfigurationError as error:
            for problem in error.problems:
                _log.error("not reloaded", problem=str(problem))
        except DialplaneError as error:
            _log.error("not reloaded", problem=str(error))

    def _tell_control(self) -> None:
        if self._control and self._control.child and self._control.is_ready:
            message: Message = {"supervisor": self.facts()}
            self._control.child.send(message)

    async def _finish(self) -> None:
        await self._pool.stop(GRACE)
        if self._control:
            await self._control.stop(CONTROL_GRACE)
        _log.info("stopped")

    async def _kill(self) -> None:
        """Whatever still runs ends now."""
        await self._pool.dismiss_spare()
        keepers = [*self._pool.keepers, *([self._control] if self._control else [])]
        await asyncio.gather(*(keeper.end() for keeper in keepers))

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def stop() -> None:
            if self._stop.is_set():
                self._hard_stop.set()
            self._stop.set()

        def reload() -> None:
            task = loop.create_task(self._reload_on_signal())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)


def fixed_parts(config: Config) -> dict[str, object]:
    """See :data:`FIXED`."""
    return {
        "listen": config.listen,
        "workers": config.server.workers,
        "steering": config.server.steering,
        "data": config.server.data,
        "admin": config.admin.address,
    }
