"""A network namespace that has nothing but loopback: every port is free, and no datagram can leave the machine.

The calling thread moves into the namespace and its children follow. Needs root, or the right to make a user namespace.
Every address of the test network lies on ``lo``, so each actor has an address of its own; the default route leads to
``lo`` too, so a datagram towards a foreign host is seen by a capture instead of being refused by the kernel.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUBJECT = "192.0.2.1"
HOSTS = {
    "subject": SUBJECT,
    "alice": "192.0.2.11",
    "bob": "192.0.2.12",
    "carol": "192.0.2.13",
    "before": "192.0.2.31",
    "after": "192.0.2.32",
    "stranger": "192.0.2.66",
    "sender": "192.0.2.101",
    "target": "198.18.0.1",
}
"""Name of each actor and its address (RFC 5737)."""

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)} (run as root, or allow user namespaces)")


def _become_root_of_a_user_namespace() -> None:
    """Once for a process: without root, a network namespace needs a user namespace around it."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def nameservers() -> list[str]:
    """Addresses in resolv.conf: put on ``lo``, so that a lookup is refused at once or answered by ``names``."""
    found = []
    with suppress(OSError):
        for line in Path("/etc/resolv.conf").read_text().splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                found.append(words[1].partition("%")[0])
    return found


def _configure() -> None:
    commands = ["link set lo up"]
    commands += [f"addr add {address}/32 dev lo" for address in HOSTS.values()]
    commands += [
        f"addr add {address}/{128 if ':' in address else 32} dev lo"
        for address in nameservers()
        if not address.startswith("127.")
    ]
    commands.append(f"route add default dev lo src {SUBJECT}")
    if Path("/proc/net/if_inet6").exists():  # IPv6 makes other routes through lo into refusals
        commands += ["-6 addr add 2001:db8::1/128 dev lo", "-6 route add local default dev lo"]
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)


@contextmanager
def namespace() -> Iterator[None]:
    """Puts this thread, and the processes that it starts, into a fresh namespace; goes back at the end."""
    if os.geteuid() != 0:
        _become_root_of_a_user_namespace()
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", _CLONE_NEWNET)
        try:
            _configure()
            yield
        finally:
            with suppress(PermissionError):  # in a user namespace there is no way back; the next one replaces this
                _call("setns", before, _CLONE_NEWNET)
    finally:
        os.close(before)


def udp_socket(host: str, port: int) -> socket.socket:
    """A bound UDP socket; ``host`` is a name of ``HOSTS`` or an address."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    opened.bind((HOSTS.get(host, host), port))
    return opened
