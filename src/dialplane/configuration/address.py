"""Addresses as the configuration writes them: ``udp:192.0.2.1:5060``, ``127.0.0.1:8060``, ``[::1]:8060``."""

from __future__ import annotations

import ipaddress
import socket

import msgspec

TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")


class AddressError(ValueError):
    """The text is not an address; the error says in words what was expected."""


class SocketAddress(msgspec.Struct, frozen=True):
    """An IP address and a port to bind."""

    host: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """``AF_INET`` or ``AF_INET6``."""
        return socket.AF_INET6 if self.host.version == 6 else socket.AF_INET

    @property
    def pair(self) -> tuple[str, int]:
        """What ``socket.bind`` takes."""
        return str(self.host), self.port


class ListenAddress(msgspec.Struct, frozen=True):
    """A transport and what to bind."""

    transport: str
    bind: SocketAddress

    def __str__(self) -> str:
        return f"{self.transport}:{self.bind}"


def host_port(text: str, *, port: int | None = None) -> SocketAddress:
    """Reads ``HOST:PORT``, HOST being an IP address (IPv6 in brackets). ``port`` is used when none is written."""
    head, colon, tail = text.rpartition(":")
    if port is not None and (not colon or tail.endswith("]")):
        head, tail = text, str(port)
    if not tail.isascii() or not tail.isdecimal() or not 0 < int(tail) <= 0xFFFF:
        raise AddressError(f'"{text}" has no port between 1 and 65535 at its end, such as 127.0.0.1:5060')
    host = head[1:-1] if head.startswith("[") and head.endswith("]") else head
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise AddressError(f'"{host}" is not an IP address, such as 127.0.0.1:5060 or [::1]:5060') from None
    if (address.version == 6) != head.startswith("["):
        raise AddressError(f'"{text}": an IPv6 address, and no other, stands in brackets: [::1]:5060')
    return SocketAddress(address, int(tail))


def listen_address(text: str) -> ListenAddress:
    """Reads ``TRANSPORT:HOST:PORT``."""
    transport, colon, rest = text.partition(":")
    if not colon or transport not in TRANSPORTS:
        raise AddressError(f'"{text}" is not TRANSPORT:HOST:PORT, such as udp:127.0.0.1:5060')
    return ListenAddress(transport, host_port(rest))
