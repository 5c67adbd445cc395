"""One child process: started with all it may need inherited, watched by its process descriptor, spoken to over a
``SOCK_SEQPACKET`` pair (one JSON object for each message).

A child waits until it is told what it is to be (:meth:`Child.begin`). So one can be kept ready for the place of a
worker that dies, with the interpreter started and everything imported.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from dialplane.supervisor.succession import Heir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Message: TypeAlias = dict[str, Any]

LARGEST_MESSAGE = 64 << 10
"""Octets of one message. A socket pair takes about 200 KiB by default; what is larger goes into a file."""

_log = structlog.get_logger()


class Child:
    """A running child process. ``program`` is started with the descriptor of its channel as last argument."""

    def __init__(
        self,
        name: str,
        program: Sequence[str],
        *,
        inherit: Iterable[int],
        on_message: Callable[[Child, Message], None],
        on_exit: Callable[[Child], None],
    ) -> None:
        self.name = name
        self.started = time.monotonic()
        self.last_words = ""
        self.on_message = on_message
        """Gets what the process says."""
        self.on_exit = on_exit
        """Called once, after its last message."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        # A file in memory: a pipe could fill, a file on disk could not be written.
        self._boot = os.memfd_create("boot", os.MFD_CLOEXEC)
        with theirs:
            # Not an asyncio child: that one reads pipes and waits in threads; this one is three descriptors.
            self._process: subprocess.Popen[bytes] | _Adopted = subprocess.Popen(
                [*program, str(theirs.fileno())],
                stdin=self._boot,
                pass_fds=[*inherit, theirs.fileno()],
                close_fds=True,
                # Ctrl-C goes to the whole group of the terminal; the supervisor alone decides what it means.
                process_group=0,
            )
        self._watch()

    @classmethod
    def adopt(
        cls, name: str, heir: Heir, *, on_message: Callable[[Child, Message], None], on_exit: Callable[[Child], None]
    ) -> Child:
        """A process that this one's predecessor started."""
        child = cls.__new__(cls)
        child.name, child.started, child.last_words = name, heir.started, ""
        child.on_message, child.on_exit = on_message, on_exit
        child._channel, child._boot = socket.socket(fileno=heir.channel), heir.boot  # noqa: SLF001
        child._channel.setblocking(False)  # noqa: SLF001
        child._process = _Adopted(heir.pid)  # noqa: SLF001
        for descriptor in (heir.channel, heir.boot):
            os.set_inheritable(descriptor, False)
        child._watch()  # noqa: SLF001
        return child

    def bequeath(self) -> Heir:
        """What a successor of this process needs to adopt the child."""
        return Heir(pid=self.pid, channel=self._channel.fileno(), boot=self._boot, started=self.started)

    def _watch(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._channel, self._read)
        self._loop.add_reader(self._pidfd, self._exited)
        self.exited = asyncio.Event()

    @property
    def is_running(self) -> bool:
        """Whether the process is there and was not seen to end."""
        return not self.exited.is_set()

    @property
    def how_it_ended(self) -> str:
        """Exit status or signal, in words, with the reason it gave."""
        status = self._process.returncode
        how = (
            f"killed by {signal.Signals(-status).name}"
            if status is not None and status < 0
            else f"exit status {status}"
        )
        return f"{how}: {self.last_words}" if self.last_words else how

    @property
    def exit_status(self) -> int | None:
        """As ``subprocess.Popen.returncode``; ``None`` while it runs."""
        return self._process.returncode

    def begin(self, name: str, boot: Message) -> None:
        """Tells the process what it is to be; it reads ``boot`` from its standard input."""
        self.name = name
        self.started = time.monotonic()
        # The child shares the offset of the file: it must still be 0.
        os.pwrite(self._boot, json.dumps(boot, separators=(",", ":")).encode(), 0)
        self.send({"begin": True})

    def send(self, message: Message) -> bool:
        """Says something to the child. ``False`` when it no longer listens or does not keep up."""
        try:
            self._channel.send(json.dumps(message, separators=(",", ":")).encode())
        except (BrokenPipeError, ConnectionResetError, BlockingIOError, OSError):
            return False
        return True

    async def finish(self, grace: float) -> None:
        """Lets the process finish for ``grace`` seconds, then ends it; returns when it is gone."""
        self.send({"stop": grace})
        try:
            await asyncio.wait_for(self.exited.wait(), grace + 1)
        except TimeoutError:
            _log.warning("killed: did not stop in time", process=self.name, pid=self.pid)
            self.kill()
            await self.exited.wait()

    def kill(self) -> None:
        """Ends the process at once."""
        if self.is_running:
            self._process.kill()

    def _read(self) -> None:
        while True:
            try:
                octets = self._channel.recv(4 * LARGEST_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                octets = b""
            if not octets:
                self._loop.remove_reader(self._channel)
                return
            try:
                message = json.loads(octets)
            except ValueError:
                _log.exception("unreadable message", process=self.name)
                continue
            if "failed" in message:
                self.last_words = str(message["failed"])
            self.on_message(self, message)

    def _exited(self) -> None:
        if self._process.poll() is None:
            return
        self._read()
        self._loop.remove_reader(self._pidfd)
        self._loop.remove_reader(self._channel)
        os.close(self._pidfd)
        os.close(self._boot)
        self._channel.close()
        self.exited.set()
        self.on_exit(self)


class _Adopted:
    """A child of this process that ``subprocess`` does not know: its parent was replaced by this program."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """As of ``subprocess.Popen``."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def kill(self) -> None:
        """As of ``subprocess.Popen``."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)
