"""One child process: started with all it needs inherited, watched by its process descriptor, spoken to over a
``SOCK_SEQPACKET`` pair (one JSON object for each message).
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Message: TypeAlias = dict[str, Any]

LARGEST_MESSAGE = 64 << 10
"""Octets of one message. A socket pair takes about 200 KiB by default; what is larger goes into a file."""

_log = structlog.get_logger()


class Child:
    """A running child process.

    ``on_message`` gets what it says, ``on_exit`` is called once, after its last message.
    """

    def __init__(
        self,
        name: str,
        program: Sequence[str],
        *,
        boot: Message,
        inherit: Iterable[int],
        on_message: Callable[[Child, Message], None],
        on_exit: Callable[[Child], None],
    ) -> None:
        self.name = name
        self.started = time.monotonic()
        self.last_words = ""
        self._on_message = on_message
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        with theirs, _memory_file(boot) as stdin:
            # Not an asyncio child: that one reads pipes and waits in threads; this one is three descriptors.
            self._process = subprocess.Popen(
                [*program, str(theirs.fileno())],
                stdin=stdin,
                pass_fds=[*inherit, theirs.fileno()],
                close_fds=True,
            )
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

    def send(self, message: Message) -> bool:
        """Says something to the child. ``False`` when it no longer listens or does not keep up."""
        try:
            self._channel.send(json.dumps(message, separators=(",", ":")).encode())
        except (BrokenPipeError, ConnectionResetError, BlockingIOError, OSError):
            return False
        return True

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
            self._on_message(self, message)

    def _exited(self) -> None:
        if self._process.poll() is None:
            return
        self._read()
        self._loop.remove_reader(self._pidfd)
        self._loop.remove_reader(self._channel)
        os.close(self._pidfd)
        self._channel.close()
        self.exited.set()
        self._on_exit(self)


class _memory_file:  # noqa: N801 - used as a function
    """The boot message as a file in memory: no pipe that could fill, nothing on disk."""

    def __init__(self, boot: Message) -> None:
        self._descriptor = os.memfd_create("boot", os.MFD_CLOEXEC)
        with open(self._descriptor, "wb", closefd=False) as file:
            file.write(json.dumps(boot, separators=(",", ":")).encode())
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
