"""From a URI to the addresses to try, in order. RFC 3263 §4, RFC 2782, RFC 3596.

A numeric address needs no question. What is asked is behind :class:`Resolver`, so that tests answer for the DNS.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import random
import socket
from typing import TYPE_CHECKING, Any, Protocol

import dns.asyncresolver
import dns.exception
import msgspec

from dialplane.ua.errors import UnreachableError
from dialplane_native import Uri, UriError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443}
_SERVICES = {"sips+d2t": "TLS", "sip+d2t": "TCP", "sip+d2u": "UDP", "sips+d2w": "WSS", "sip+d2w": "WS"}
_SRV = {"TLS": "_sips._tcp", "TCP": "_sip._tcp", "UDP": "_sip._udp", "WSS": "_sips._ws", "WS": "_sip._ws"}


class Hop(msgspec.Struct, frozen=True):
    """Where a request goes next."""

    transport: str
    host: str
    """An IP address, without brackets."""
    port: int
    name: str
    """The host as the URI has it: what a certificate must be for. RFC 5922 §4."""
    is_chosen: bool = False
    """Whether the URI or the DNS named the transport; otherwise a large request may go by TCP. RFC 3261 §18.1.1."""


class Srv(msgspec.Struct, frozen=True):
    """An SRV record. RFC 2782."""

    priority: int
    weight: int
    port: int
    target: str


class Naptr(msgspec.Struct, frozen=True):
    """A NAPTR record with a replacement. RFC 3403 §4."""

    order: int
    preference: int
    service: str
    replacement: str


class Resolver(Protocol):
    """Asks the DNS. No answer is an empty list."""

    async def naptr(self, name: str) -> list[Naptr]:
        """NAPTR records of a name."""
        ...

    async def srv(self, name: str) -> list[Srv]:
        """SRV records of a name."""
        ...

    async def addresses(self, name: str) -> list[str]:
        """IP addresses of a host."""
        ...


class SystemResolver:
    """The system's own: ``/etc/hosts`` and what it names for addresses, the DNS for services."""

    def __init__(self, *, seconds: float = 4.0) -> None:
        self._seconds = seconds
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def naptr(self, name: str) -> list[Naptr]:
        """NAPTR records of a name."""
        found = []
        for record in await self._ask(name, "NAPTR"):
            replacement = record.replacement.to_text(omit_final_dot=True)
            found.append(Naptr(record.order, record.preference, record.service.decode(), replacement))
        return found

    async def srv(self, name: str) -> list[Srv]:
        """SRV records of a name."""
        return [
            Srv(record.priority, record.weight, record.port, record.target.to_text(omit_final_dot=True))
            for record in await self._ask(name, "SRV")
        ]

    async def addresses(self, name: str) -> list[str]:
        """IP addresses of a host."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except OSError:
            return []
        return list(dict.fromkeys(str(address[4][0]) for address in found))

    async def _ask(self, name: str, kind: str) -> Iterable[Any]:
        if "." not in name:  # a name of this machine or network: the DNS knows no service of it
            return []
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
                self._resolver.lifetime = self._seconds
            return await self._resolver.resolve(name, kind)
        except (dns.exception.DNSException, OSError):
            return []


def numeric_hop(uri: Uri) -> Hop | None:
    """The one hop of a URI with a numeric host; ``None`` for a name."""
    params = uri.params
    host = params.get("maddr") or uri.host or ""
    address = host.strip("[]")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    transport = _transport_of(uri) or ("TLS" if uri.scheme == "sips" else "UDP")
    return Hop(transport, address, uri.port or PORTS[transport], address, is_chosen="transport" in params)


@functools.lru_cache(maxsize=1024)
def hop_of(uri: str) -> Hop | None:
    """The one hop of a URI with a numeric host; ``None`` for a name, and for what is no URI of SIP."""
    try:
        parsed = Uri(uri)
        return numeric_hop(parsed) if parsed.scheme in {"sip", "sips"} else None
    except (UriError, UnreachableError):
        return None


async def locate(uri: Uri, resolver: Resolver, supported: frozenset[str]) -> list[Hop]:
    """All hops to try for a URI, best first. RFC 3263 §4.1, §4.2.

    Raises :class:`UnreachableError` when there is none.
    """
    if uri.scheme not in {"sip", "sips"}:
        raise UnreachableError(
            f"{_text(uri)} is no SIP URI: a {uri.scheme} URI needs a server that knows the way (proxy=)"
        )
    hop = numeric_hop(uri)
    hops = [hop] if hop is not None else await _named(uri, resolver, supported)
    usable = [hop for hop in hops if hop.transport in supported]
    if not usable:
        if hops:
            names = ", ".join(sorted({hop.transport for hop in hops}))
            raise UnreachableError(f"{_text(uri)} is reached by {names} only, which this user agent does not speak")
        raise UnreachableError(f"{uri.host} has no address: check the name and the DNS")
    return usable


async def _named(uri: Uri, resolver: Resolver, supported: frozenset[str]) -> list[Hop]:
    params = uri.params
    name = (params.get("maddr") or uri.host or "").rstrip(".").lower()
    transport = _transport_of(uri)
    default = "TLS" if uri.scheme == "sips" else "UDP"
    if uri.port is not None:
        return await _addresses(resolver, transport or default, name, uri.port, name, is_chosen=transport is not None)
    if transport is not None:
        return await _service(resolver, transport, f"{_SRV[transport]}.{name}", name)
    records = await resolver.naptr(name)
    wanted = [record for record in records if _fits(record, uri.scheme, supported)]
    if wanted:
        hops: list[Hop] = []
        for record in sorted(wanted, key=lambda record: (record.order, record.preference)):
            hops += await _service(resolver, _SERVICES[record.service.lower()], record.replacement, name)
        return hops
    kinds = ("TLS",) if uri.scheme == "sips" else ("TLS", "TCP", "UDP")
    for kind in kinds:
        if kind in supported and (services := await resolver.srv(f"{_SRV[kind]}.{name}")):
            return await _srv_hops(resolver, kind, services, name)
    return await _addresses(resolver, default, name, PORTS[default], name, is_chosen=False)


def _fits(record: Naptr, scheme: str, supported: frozenset[str]) -> bool:
    transport = _SERVICES.get(record.service.lower())
    return transport in supported and (scheme != "sips" or transport in {"TLS", "WSS"})


async def _service(resolver: Resolver, transport: str, service: str, name: str) -> list[Hop]:
    records = await resolver.srv(service)
    if records:
        return await _srv_hops(resolver, transport, records, name)
    return await _addresses(resolver, transport, name, PORTS[transport], name, is_chosen=True)


async def _srv_hops(resolver: Resolver, transport: str, records: list[Srv], name: str) -> list[Hop]:
    hops: list[Hop] = []
    for record in ordered(records, random.random):
        hops += await _addresses(resolver, transport, record.target, record.port, name, is_chosen=True)
    return hops


async def _addresses(
    resolver: Resolver, transport: str, host: str, port: int, name: str, *, is_chosen: bool
) -> list[Hop]:
    addresses = await resolver.addresses(host)
    return [Hop(transport, address, port, name, is_chosen=is_chosen) for address in addresses]


def ordered(records: list[Srv], chance: Callable[[], float]) -> list[Srv]:
    """By priority; within one, by chance as the weights say. RFC 2782, "Weight"."""
    result: list[Srv] = []
    for priority in sorted({record.priority for record in records}):
        left = sorted((record for record in records if record.priority == priority), key=lambda record: record.weight)
        while left:
            point = chance() * sum(record.weight for record in left)
            for record in left:
                point -= record.weight
                if point <= 0:
                    break
            else:
                record = left[-1]
            result.append(record)
            left.remove(record)
    return result


def _transport_of(uri: Uri) -> str | None:
    """The transport that the URI names. RFC 3261 §26.2.2: sips over TCP is TLS."""
    named = uri.params.get("transport")
    if named is None:
        return None
    transport = named.upper()
    if uri.scheme == "sips":
        transport = {"TCP": "TLS", "WS": "WSS"}.get(transport, transport)
    if transport not in PORTS:
        raise UnreachableError(f"{_text(uri)} names the transport {named!r}, which this user agent does not speak")
    return transport


def _text(uri: Uri) -> str:
    return bytes(uri).decode("utf-8", "surrogateescape")
