"""Records every UDP datagram on the namespace's loopback interface: a packet socket and a thread, no other program."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_ETH_P_ALL = 0x0003
_ETH_P_IP = 0x0800
_ETH_P_IPV6 = 0x86DD
_SOL_PACKET = 263
_PACKET_VNET_HDR = 15
_PACKET_OUTGOING = 4
_SO_TIMESTAMPNS = 35
_GSO_UDP_L4 = 5
_VNET_HEADER = struct.Struct("=BBHHHH")
_ETHERNET_HEADER = 14
_UDP = 17


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram as it left its sender."""

    time: float
    """Seconds of the system clock, stamped by the kernel."""
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes

    @property
    def is_sip(self) -> bool:
        """Whether the first line speaks of SIP: RTP, RTCP, DNS and keep-alives do not."""
        return b"SIP/2.0" in self.payload.split(b"\r\n", 1)[0]


class Capture:
    """What was sent so far, in the order of sending."""

    def __init__(self) -> None:
        self._datagrams: list[Datagram] = []
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 25)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        # One buffer handed to the kernel may be many datagrams (UDP_SEGMENT); this header says how they are cut.
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        self._socket.bind(("lo", _ETH_P_ALL))
        self._socket.setblocking(False)
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops recording; what was recorded stays."""
        os.close(self._stop_write)
        self._thread.join()
        os.close(self._stop_read)
        self._socket.close()

    def datagrams(self, *, since: int = 0) -> list[Datagram]:
        """All datagrams recorded, or those after a ``mark``."""
        with self._changed:
            return self._datagrams[since:]

    def mark(self) -> int:
        """How many datagrams there were so far."""
        with self._changed:
            return len(self._datagrams)

    def wait_until(self, wanted: Callable[[Datagram], bool], *, since: int, seconds: float = 2.0) -> Datagram | None:
        """The first datagram after a mark that is wanted; none when none comes in time."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for one in self._datagrams[since:]:
                    if wanted(one):
                        return one
                if not self._changed.wait(deadline - time.monotonic()):
                    return None

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._stop_read, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._stop_read:
                    self._drain()
                    return
            self._drain()

    def _drain(self) -> None:
        found: list[Datagram] = []
        while True:
            try:
                data, ancillary, _, address = self._socket.recvmsg(1 << 18, 256)
            except BlockingIOError:
                break
            if address[2] != _PACKET_OUTGOING:  # on loopback each packet passes twice, out and in
                continue
            found += _datagrams(data, address[1], _stamp(ancillary))
        if found:
            self.add(found)

    def add(self, found: Sequence[Datagram]) -> None:
        """Records what came another way: the messages of a connection, by whoever took them."""
        with self._changed:
            self._datagrams.extend(found)
            self._changed.notify_all()


@contextmanager
def capturing() -> Iterator[Capture]:
    """A capture of the namespace that this thread is in."""
    capture = Capture()
    try:
        yield capture
    finally:
        capture.close()


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("@qq", data[:16])
            return float(seconds) + float(nanoseconds) / 1e9
    return time.time()


def _datagrams(frame: bytes, protocol: int, stamp: float) -> Iterator[Datagram]:
    _, gso_type, _, gso_size, _, _ = _VNET_HEADER.unpack_from(frame)
    packet = frame[_VNET_HEADER.size + _ETHERNET_HEADER :]
    if protocol == _ETH_P_IP and packet[9] == _UDP:
        header = (packet[0] & 15) * 4
        source, destination = (
            socket.inet_ntop(socket.AF_INET, packet[12:16]),
            socket.inet_ntop(socket.AF_INET, packet[16:20]),
        )
        udp = packet[header : int.from_bytes(packet[2:4]) or None]
    elif protocol == _ETH_P_IPV6 and packet[6] == _UDP:
        source, destination = (
            socket.inet_ntop(socket.AF_INET6, packet[8:24]),
            socket.inet_ntop(socket.AF_INET6, packet[24:40]),
        )
        udp = packet[40:]
    else:
        return
    source_port, destination_port = struct.unpack_from("!HH", udp)
    payload = udp[8:]
    step = gso_size if gso_type == _GSO_UDP_L4 and gso_size else len(payload) or 1
    for start in range(0, max(len(payload), 1), step):
        piece = payload[start : start + step]
        yield Datagram(stamp, (source, source_port), (destination, destination_port), piece)
