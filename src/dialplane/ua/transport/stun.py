"""STUN Binding as keep-alive of a datagram flow: the client's side. RFC 5389 §6, §7.2.1, §15.2; RFC 5626 §4.4.2, §8."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import struct
from typing import TYPE_CHECKING

from dialplane.ua.transport.flow import Address, FlowError

if TYPE_CHECKING:
    from collections.abc import Callable

_COOKIE = 0x2112A442
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111
_XOR_MAPPED_ADDRESS = 0x0020
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 8.0)
"""Seconds after each of the seven requests; after the last, 16 times the first."""


class Binding:
    """The Binding requests of one flow."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._transaction = b""
        self._answer: asyncio.Future[Address] | None = None

    async def ask(self) -> Address:
        """The address that the peer sees us at. Raises :class:`FlowError` when it does not say so in 39.5 seconds."""
        self._transaction = secrets.token_bytes(12)
        request = struct.pack(">HHI", _REQUEST, 0, _COOKIE) + self._transaction
        answer: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        self._answer = answer
        for pause in _PAUSES:
            self._send(request)
            await asyncio.wait([answer], timeout=pause)
            if answer.done():
                return answer.result()
        raise FlowError("no answer to STUN")

    def receive(self, data: bytes) -> bool:
        """Takes a datagram; ``False`` when it is not the answer that is waited for."""
        if self._answer is None or self._answer.done() or len(data) < 20:
            return False
        kind, length, cookie = struct.unpack_from(">HHI", data)
        if cookie != _COOKIE or length != len(data) - 20 or data[8:20] != self._transaction:
            return False
        mapped = _mapped(data) if kind == _SUCCESS else None
        if mapped is not None:
            self._answer.set_result(mapped)
        elif kind in {_SUCCESS, _ERROR}:
            self._answer.set_exception(FlowError("STUN is refused"))
        return kind in {_SUCCESS, _ERROR}


def _mapped(data: bytes) -> Address | None:
    """XOR-MAPPED-ADDRESS, if it is there and can be read."""
    at = 20
    while at + 4 <= len(data):
        name, length = struct.unpack_from(">HH", data, at)
        value = data[at + 4 : at + 4 + length]
        if name == _XOR_MAPPED_ADDRESS and len(value) == length and length in {8, 20}:
            mask = data[4:length]
            address = bytes(octet ^ other for octet, other in zip(value[4:], mask, strict=True))
            return str(ipaddress.ip_address(address)), struct.unpack_from(">H", value, 2)[0] ^ _COOKIE >> 16
        at += 4 + length + -length % 4
    return None
