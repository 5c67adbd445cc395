"""A server that listens on every transport, and those who connect to it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from .certificates import Certificates
from .running import Server, free_port, metrics
from .wires import Stream, StreamPhone, WebSocket, tls_context

TOKENS = ["TCP", "TLS", "WS", "WSS"]


class Edge:
    """A server that listens on every transport."""

    def __init__(
        self, make_server: Callable[..., Server], folder: Path, more: str = "", listen: str = "", **options: Any
    ) -> None:
        self.opened = contextlib.ExitStack()
        self.certificates = Certificates(folder)
        chain, key = self.certificates.issue("server", "sip.example.com", "127.0.0.1")
        self.tcp, self.tls, self.v6 = (free_port(socket.SOCK_STREAM) for _ in range(3))
        listeners = [f"tcp:127.0.0.1:{self.tcp}", f"tls:127.0.0.1:{self.tls}", f"tcp:[::1]:{self.v6}"]
        tables = [f'[[listen]]\naddress = "{address}"\n' for address in listeners]
        tables[1] += listen
        self.server: Server = make_server(
            more="".join(tables) + f'[[certificate]]\nchain = "{chain}"\nkey = "{key}"\n' + more, **options
        )

    def connect(self, token: str, name: str = "sip.example.com", **options: Any) -> Stream | WebSocket:
        """A connection, handshakes and all."""
        if token == "V6":
            return Stream(self.raw(self.v6, "::1"))
        connected = self.raw(self.tls if token in {"TLS", "WSS"} else self.tcp)
        if token in {"TLS", "WSS"}:
            context = tls_context(str(self.certificates.authority), **options)
            connected = self.opened.enter_context(context.wrap_socket(connected, server_hostname=name))
        return Stream(connected) if token in {"TCP", "TLS"} else WebSocket(connected)

    def raw(self, port: int, host: str = "127.0.0.1") -> socket.socket:
        """A connection on which nothing was said; closed with the test."""
        return self.opened.enter_context(socket.create_connection((host, port), timeout=10))

    def phone(self, user: str, token: str) -> StreamPhone:
        wire = self.connect(token)
        return StreamPhone(user, wire, "TCP" if token == "V6" else token)

    def count(self, name: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.server.admin}/metrics").text
        return metrics(text).get(f"dialplane_{name}_total", 0)
