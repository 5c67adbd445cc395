"""A crowd of users behind one socket: requests by the thousand, each sent again until it is answered."""

from __future__ import annotations

import re
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from .endpoint import SERVER
from .namespace import HOSTS

_AT_ONCE = 200
_AGAIN = 0.5
_NUMBER = re.compile(rb"(?im)^call-id: crowd-(\d+)-")
_REGISTER = (
    "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{number}x{turn};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:user{number}@example.org>;tag=c{number}\r\nTo: <sip:user{number}@example.org>\r\n"
    "Call-ID: crowd-{number}-{turn}\r\nCSeq: {turn} REGISTER\r\n{contact}Content-Length: 0\r\n\r\n"
)


class Crowd:
    """Users ``user0`` … at one address."""

    def __init__(self, host: str, port: int = 5060) -> None:
        self.address = (HOSTS[host], port)
        self._turn = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(self.address)
        self._socket.connect(SERVER)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def contact(self, number: int) -> str:
        """Where a user is."""
        return f"sip:user{number}@{self.address[0]}:{self.address[1]}"

    def register(self, numbers: Iterable[int], *, each: Callable[[int], None] = lambda _: None) -> dict[int, bytes]:
        """Registers them for an hour; ``each`` hears how many have been answered."""
        return self._ask(numbers, lambda number: f"Contact: <{self.contact(number)}>;expires=3600\r\n", each)

    def look_up(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Asks for the bindings of each (RFC 3261 §10.3 step 8: without a Contact nothing changes)."""
        return self._ask(numbers, lambda _: "", lambda _: None)

    def _ask(
        self, numbers: Iterable[int], contact: Callable[[int], str], each: Callable[[int], None]
    ) -> dict[int, bytes]:
        self._turn += 1
        host, port = self.address
        left, waiting = iter(numbers), dict[int, bytes]()
        order: deque[tuple[float, int]] = deque()
        answers: dict[int, bytes] = {}

        def send(number: int) -> None:
            order.append((time.monotonic() + _AGAIN, number))
            try:
                self._socket.send(waiting[number])
            except (ConnectionRefusedError, BlockingIOError):  # nobody listens for a moment: sent again
                return

        done = False
        while not done or waiting:
            while not done and len(waiting) < _AT_ONCE:
                number = next(left, -1)
                if number < 0:
                    done = True
                    break
                waiting[number] = _REGISTER.format(
                    host=host, port=port, number=number, turn=self._turn, contact=contact(number)
                ).encode()
                send(number)
            for answer in self._receive():
                found = _NUMBER.search(answer)
                if found and waiting.pop(int(found[1]), None) is not None:
                    answers[int(found[1])] = answer
                    each(len(answers))
            while order and order[0][0] < time.monotonic():
                _, number = order.popleft()
                if number in waiting:
                    send(number)
        return answers

    def _receive(self) -> list[bytes]:
        select.select([self._socket], [], [], _AGAIN)
        found: list[bytes] = []
        try:
            while len(found) < _AT_ONCE:
                found.append(self._socket.recv(65536))
        except (BlockingIOError, ConnectionRefusedError):
            pass
        return found
