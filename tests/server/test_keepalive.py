"""STUN beside SIP on one port, and the user agent that keeps its flow by it. RFC 5626 §3.5.2, RFC 6223."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import struct
from collections.abc import Callable

import httpx
import pytest

from dialplane.ua import UserAgent, keepalive

from .running import Server, metrics


def counted(server: Server, name: str) -> list[float]:
    """For each worker."""
    text = httpx.get(f"http://127.0.0.1:{server.admin}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith(f"dialplane_{name}_total{{")]
    assert metrics(text)
    return [float(line.rpartition(" ")[2]) for line in lines]


def mapped(answer: bytes) -> tuple[str, int]:
    """What a Binding success response tells."""
    kind, _, cookie, _, name, length, family, port = struct.unpack_from(">HHI12sHHHH", answer)
    assert (kind, cookie, name) == (0x0101, 0x2112A442, 0x20)
    assert (length, len(answer)) == {1: (8, 32), 2: (20, 44)}[family]
    address = bytes(octet ^ mask for octet, mask in zip(answer[28:], answer[4:20], strict=False))
    return str(ipaddress.ip_address(address)), port ^ cookie >> 16


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_any_worker_tells_where_a_request_came_from(make_server: Callable[..., Server], host: str) -> None:
    server = make_server(workers=2)
    server.write(f'[[listen]]\naddress = "udp:[::1]:{server.port}"\n')
    server.start()
    for _ in range(40):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect((host, server.port))
            request = bytes.fromhex("000100002112a442") + os.urandom(12)
            client.send(request)
            answer = client.recv(100)
            assert answer[8:20] == request[8:]
            assert mapped(answer) == client.getsockname()[:2]
    answered = counted(server, "stun_answered")
    assert sum(answered) == 40
    assert len(answered) == 2
    assert sum(counted(server, "malformed")) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_user_agent_keeps_its_flow(
    make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setattr(keepalive, "_LEAST_SECONDS", 0.1)
    server = make_server()
    listen = f'[[listen]]\naddress = "tcp:127.0.0.1:{server.port}"\nkeep = 1\n'
    server.head = server.head.replace(f'"udp:127.0.0.1:{server.port}"\n', f'"udp:127.0.0.1:{server.port}"\nkeep = 1\n')
    server.write(listen)
    server.add_user("alice")
    server.start()
    registrar = f"sip:127.0.0.1:{server.port};transport={transport}"
    name = "stun_answered" if transport == "udp" else "keepalives_received"
    async with UserAgent(
        "sip:alice@example.com", password="secret", register=registrar, proxy=registrar, host="127.0.0.1"
    ) as ua:
        [registration] = ua.registrations
        kept = registration.keep_alive
        assert (kept.seconds, kept.is_stun) == (1, transport == "udp")
        async with asyncio.timeout(10):
            while sum(await asyncio.to_thread(counted, server, name)) < 2:
                await asyncio.sleep(0.1)
        if transport == "udp":
            assert kept.mapped == ("127.0.0.1", ua.endpoint.transports.addresses[0][1])  # type: ignore[attr-defined]
        assert registration.expires > 0
