"""Opens every listening socket before anything is started. The supervisor keeps them open as long as it lives, so that
what the kernel has accepted for a worker that dies waits for its successor.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from typing import TYPE_CHECKING

from dialplane.configuration.address import ListenAddress, SocketAddress, host_port, listen_address
from dialplane.errors import SystemResourceError
from dialplane.supervisor import spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dialplane.config import Config
    from dialplane.supervisor.succession import Estate
    from dialplane_native.server import Steering

RECEIVE_BUFFER = 16 << 20
"""Octets. About 20,000 datagrams of usual size: what may wait while a worker is replaced."""
SEND_BUFFER = 4 << 20
BACKLOG = 4096
"""Connections that may wait while a worker is replaced; the kernel takes ``net.core.somaxconn`` at most."""
TCP_USER_TIMEOUT = 18
STREAM_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    (socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 60_000),
)
"""Inherited by each connection: sent at once, and given up two minutes after the peer is gone without a word."""
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33


class Listeners:
    """The sockets of all ``[[listen]]`` entries, one for each worker and entry, and those between the workers."""

    def __init__(self, config: Config, estate: Estate | None = None) -> None:
        """Opens them, or takes them over from a predecessor."""
        _use_all_descriptors()
        self.steering: Steering | None = None
        """The eBPF program of all datagram sockets, where the kernel takes it."""
        self.spread_refusal: OSError | None = None
        """Why the kernel does not even take the classic one."""
        self.groups: list[list[socket.socket]] = []
        self.inboxes: list[tuple[socket.socket, socket.socket]] = []
        """For each worker, where it reads what others (or those before it) hand over, and where they write it."""
        if estate is not None:
            self._inherit(estate)
            return
        with contextlib.ExitStack() as opened:
            for entry in config.listen:
                group = _open_group(listen_address(entry.address), config.server.workers)
                opened.callback(_close, group)
                self.groups.append(group)
            self._steer(config.server.steering)
            for _ in range(config.server.workers):
                inbox = _open_inbox()
                opened.callback(_close, inbox)
                self.inboxes.append(inbox)
            opened.pop_all()

    def of_worker(self, worker: int) -> Iterator[tuple[int, socket.socket]]:
        """Index of the ``[[listen]]`` entry and the worker's socket, for each entry."""
        for index, group in enumerate(self.groups):
            yield index, group[worker]

    def descriptors(self) -> list[int]:
        """Of all sockets of all workers."""
        maps = self.steering.descriptors() if self.steering else []
        return [*(member.fileno() for group in [*self.groups, *self.inboxes] for member in group), *maps]

    def handover(self, worker: int) -> dict[str, object]:
        """What a worker needs to hand messages to the others, and to take theirs."""
        return {"inbox": self.inboxes[worker][0].fileno(), "others": [other.fileno() for _, other in self.inboxes]}

    def steering_maps(self) -> dict[str, int] | None:
        """What a worker needs to tell the kernel's program of a ban."""
        if self.steering is None:
            return None
        bans, settings, _ = self.steering.descriptors()
        return {"bans": bans, "settings": settings, "workers": len(self.groups[0])}

    @property
    def spread(self) -> str:
        """How datagrams are spread over the workers, for ``dialplane status``."""
        if all(len(group) == 1 for group in self.groups):
            return "one worker"
        if not self._datagram_sockets():
            return "by connection"
        if self.steering is not None:
            return "by Call-ID (eBPF)"
        return "by address" if self.spread_refusal else "by Call-ID (classic BPF)"

    @property
    def receive_buffer(self) -> int:
        """Octets that the kernel really gives to each socket for datagrams; 0 without one."""
        sizes = [s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 for s in self._datagram_sockets()]
        return min(sizes, default=0)

    def close(self) -> None:
        """Closes all sockets; what is queued is lost."""
        for group in [*self.groups, *self.inboxes]:
            _close(group)

    def _inherit(self, estate: Estate) -> None:
        self.groups = [[inherited_socket(member) for member in group] for group in estate.groups]
        self.inboxes = [(inherited_socket(inbox), inherited_socket(others)) for inbox, others in estate.inboxes]
        if estate.spread_refusal is not None:
            self.spread_refusal = OSError(estate.spread_refusal, os.strerror(estate.spread_refusal))
        if estate.steering is not None:
            from dialplane_native.server import Steering  # noqa: PLC0415 - loads the extension only where it is used

            self.steering = Steering.inherit(estate.steering, len(self.groups[0]))

    def _steer(self, how: str) -> None:
        groups = [group for group in self.groups if group[0].type == socket.SOCK_DGRAM]
        if how == "auto" and groups:
            from dialplane_native.server import Steering  # noqa: PLC0415 - loads the extension only where it is used

            # Without the privilege, or in an old kernel: the other program tells the same, but for bans.
            with contextlib.suppress(OSError):
                self.steering = Steering([[member.fileno() for member in group] for group in groups])
                return
        for group in groups:
            if len(group) > 1:
                self.spread_refusal = spread.attach(group) or self.spread_refusal

    def _datagram_sockets(self) -> list[socket.socket]:
        return [member for group in self.groups for member in group if member.type == socket.SOCK_DGRAM]


def open_stream(text: str) -> socket.socket:
    """Opens the listening socket of the admin address."""
    address = host_port(text)
    listener = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address.pair)
        listener.listen(64)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _cannot_bind(f"admin.address {text}", address, error) from error
    return listener


def _use_all_descriptors() -> None:
    """One for each connection: the usual soft limit of 1,024 is for programs that use ``select``."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _open_group(address: ListenAddress, workers: int) -> list[socket.socket]:
    kind = socket.SOCK_DGRAM if address.transport == "udp" else socket.SOCK_STREAM
    # SO_REUSEPORT would let a second server of this user in without a word: first see that the port is free.
    with socket.socket(address.bind.family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # Connections of a server that stopped a moment ago are nobody's; a listening socket still is somebody's.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(probe, address)
    group = []
    try:
        for _ in range(workers):
            member = socket.socket(address.bind.family, kind)
            group.append(member)
            member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if kind == socket.SOCK_STREAM:
                member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                for level, option, value in STREAM_OPTIONS:
                    member.setsockopt(level, option, value)
            _bind(member, address)
            if kind == socket.SOCK_STREAM:
                member.listen(BACKLOG)
            else:
                _enlarge(member, SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER)
                _enlarge(member, SO_SNDBUFFORCE, socket.SO_SNDBUF, SEND_BUFFER)
            member.setblocking(False)
    except SystemResourceError:
        _close(group)
        raise
    except OSError as error:
        _close(group)
        raise SystemResourceError(f"{address}: cannot open a socket: {error.strerror}") from error
    return group


def inherited_socket(descriptor: int) -> socket.socket:
    """One that a predecessor left."""
    member = socket.socket(fileno=descriptor)
    member.setblocking(False)
    return member


def _open_inbox() -> tuple[socket.socket, socket.socket]:
    """A pair of sockets that the supervisor keeps: what is handed to a worker that dies waits for its successor."""
    try:
        inbox, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError as error:
        raise SystemResourceError(f"cannot open a socket between workers: {error.strerror}") from error
    for member in (inbox, others):
        _enlarge(member, SO_SNDBUFFORCE, socket.SO_SNDBUF, SEND_BUFFER)
        member.setblocking(False)
    return inbox, others


def _bind(member: socket.socket, address: ListenAddress) -> None:
    if member.family == socket.AF_INET6:
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        member.bind(address.bind.pair)
    except OSError as error:
        raise _cannot_bind(str(address), address.bind, error) from error


def _cannot_bind(name: str, address: SocketAddress, error: OSError) -> SystemResourceError:
    why = {
        errno.EADDRINUSE: "the address is in use; is another server running?",
        errno.EADDRNOTAVAIL: f"{address.host} is not an address of this machine",
        errno.EACCES: f"no permission to use port {address.port}; ports below 1024 need CAP_NET_BIND_SERVICE",
    }
    return SystemResourceError(f"{name}: {why.get(error.errno or 0, os.strerror(error.errno or 0))}")


def _enlarge(member: socket.socket, forced: int, ordinary: int, octets: int) -> None:
    """Beyond ``net.core.rmem_max`` where we may, up to it elsewhere."""
    try:
        member.setsockopt(socket.SOL_SOCKET, forced, octets)
    except PermissionError:
        member.setsockopt(socket.SOL_SOCKET, ordinary, octets)


def _close(group: Iterable[socket.socket]) -> None:
    for member in group:
        member.close()
