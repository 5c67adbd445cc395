"""One connection for requests in both directions: ``alias`` in Via, over TLS and with certificates alone. RFC 5923."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from .edge import Edge
from .phone import Phone
from .running import free_port, until
from .wires import Stream, StreamPhone


class Carrier(StreamPhone):
    """A server that connects to us and says at which port it listens itself."""

    def __init__(self, wire: Stream, token: str, port: int, host: str = "127.0.0.1", alias: str = ";alias") -> None:
        super().__init__("carrier", wire, token)
        self._via = f"{host}:{port}{alias}"

    @property
    def sent_by(self) -> str:
        return self._via

    def lives(self) -> bool:
        """Whether we answer it; from then on it is known."""
        self.socket.send(self.request("OPTIONS", "sip:127.0.0.1", "sip:127.0.0.1"))
        return bool(self.receive().startswith(b"SIP/2.0 200 "))


def serve(make_edge: Callable[..., Edge], folder: Path, forward: str, *, asks: bool = True, workers: int = 2) -> Edge:
    """Everything for 1 goes to ``forward``; with ``asks``, clients must show a certificate."""
    listen = f'client_authorities = "{folder}/authority.pem"\n' if asks else ""
    more = f'[tls]\nauthorities = "{folder}/authority.pem"\n[[route]]\nusers = ["1"]\nforward = "{forward}"\n'
    edge = make_edge(more, listen=listen, workers=workers)
    edge.server.start()
    return edge


def carrier(edge: Edge, port: int, *names: str, host: str = "127.0.0.1", alias: str = ";alias") -> Carrier:
    """Connected by TLS, with a certificate for ``names``."""
    certificate = str(edge.certificates.for_client(*names)) if names else None
    wire = edge.connect("TLS", certificate=certificate)
    assert isinstance(wire, Stream)
    return Carrier(wire, "TLS", port, host, alias)


def calls(edge: Edge, count: int) -> list[Phone]:
    """That many callers, each with a Call-ID of its own, whose INVITE is on its way to 1."""
    callers = [Phone("x", "elsewhere.example", ("127.0.0.1", edge.server.port)) for _ in range(count)]
    for caller in callers:
        caller.socket.send(caller.request("INVITE", "sip:1@example.com", "sip:1@example.com"))
        edge.opened.callback(caller.close)
    return callers


def refused(callers: list[Phone]) -> set[bytes]:
    """The statuses that they are told."""
    return {caller.receive().split(b" ", 2)[1] for caller in callers}


def test_requests_go_back_by_the_connection_of_whoever_opened_it(
    make_edge: Callable[..., Edge], tmp_path: Path
) -> None:
    """From either worker: the call is of one, the connection of the other; when it is gone, a new one is opened."""
    port = free_port(socket.SOCK_STREAM)
    edge = serve(make_edge, tmp_path, f"sips:127.0.0.1:{port}")
    assert refused(calls(edge, 2)) == {b"503"}, "nobody listens there"
    one = carrier(edge, port, "127.0.0.1")
    assert one.lives()
    until(lambda: edge.count("connections_aliased") == 1)
    callers = calls(edge, 12)
    for _ in callers:
        invite = one.receive()
        assert invite.startswith(b"INVITE sip:1@example.com SIP/2.0")
        one.answer(invite, "486 Busy Here")
    assert refused(callers) == {b"486"}
    assert edge.count("messages_handed_over") > 0
    # The latest connection counts.
    two = carrier(edge, port, "127.0.0.1")
    assert two.lives()
    until(lambda: edge.count("connections_aliased") == 2)
    one.socket.close()
    callers = calls(edge, 6)
    for _ in callers:
        two.answer(two.receive(), "486 Busy Here")
    assert refused(callers) == {b"486"}
    two.socket.close()
    until(lambda: edge.count("connections_closed_by_peer") == 2)
    assert refused(calls(edge, 6)) == {b"503"}
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*edge.certificates.issue("next", "127.0.0.1"))
    with socket.create_server(("127.0.0.1", port)) as listening:
        listening.settimeout(10)
        calls(edge, 1)
        accepted, _ = listening.accept()
        with context.wrap_socket(accepted, server_side=True) as wire:
            assert Stream(wire).recv().startswith(b"INVITE sip:1@example.com")


def test_a_name_must_be_in_the_certificate(make_edge: Callable[..., Edge], tmp_path: Path) -> None:
    """``localhost`` leads to where each of these connections comes from, and only one of them is its."""
    port = free_port(socket.SOCK_STREAM)
    edge = serve(make_edge, tmp_path, f"sips:localhost:{port}", workers=1)
    one = carrier(edge, port, "localhost", host="localhost")
    others = [carrier(edge, port, name, host="localhost") for name in ("127.0.0.1", "carrier.example", "*.localhost")]
    others += [carrier(edge, port + 1, "localhost", host="localhost"), carrier(edge, port, "localhost", alias="")]
    assert all(carrier.lives() for carrier in [one, *others])
    until(lambda: edge.count("connections_aliased") == 2)
    callers = calls(edge, 4)
    for _ in callers:
        one.answer(one.receive(), "486 Busy Here")
    assert refused(callers) == {b"486"}


@pytest.mark.parametrize("token", ["TCP", "TLS"])
def test_without_a_certificate_nobody_is_believed(make_edge: Callable[..., Edge], tmp_path: Path, token: str) -> None:
    port = free_port(socket.SOCK_STREAM)
    forward = f"sips:127.0.0.1:{port}" if token == "TLS" else f"sip:127.0.0.1:{port};transport=tcp"
    edge = serve(make_edge, tmp_path, forward, asks=False, workers=1)
    wire = edge.connect(token)
    assert isinstance(wire, Stream)
    assert Carrier(wire, token, port).lives()
    assert refused(calls(edge, 3)) == {b"503"}
    assert edge.count("connections_aliased") == 0


@pytest.mark.parametrize("present", [True, False])
def test_we_show_who_we_are_and_take_requests_back(
    make_edge: Callable[..., Edge], tmp_path: Path, present: bool
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        edge = make_edge(
            f'[tls]\nauthorities = "{tmp_path}/authority.pem"\npresent = {str(present).lower()}\n'
            f'[[route]]\nusers = ["1"]\nforward = "sips:127.0.0.1:{listening.getsockname()[1]}"\n'
        )
        context.load_cert_chain(*edge.certificates.issue("next", "127.0.0.1"))
        context.load_verify_locations(edge.certificates.authority)
        context.verify_mode = ssl.CERT_OPTIONAL
        edge.server.start()
        [caller] = calls(edge, 1)
        accepted, _ = listening.accept()
        with context.wrap_socket(accepted, server_side=True) as wire:
            hop = Stream(wire)
            invite = hop.recv()
            via = re.search(rb"Via: SIP/2.0/TLS 127.0.0.1:%d(.*?);branch=" % edge.tls, invite)
            assert via
            assert via[1] == (b";alias" if present else b"")
            assert bool(wire.getpeercert()) == present
            Phone.answer(StreamPhone("x", hop, "TLS"), invite, "486 Busy Here")
            assert caller.receive().startswith(b"SIP/2.0 486 ")
            hop.send(StreamPhone("x", hop, "TLS").request("OPTIONS", "sip:127.0.0.1", "sip:127.0.0.1"))
            assert hop.recv().startswith(b"SIP/2.0 200 ")
            with contextlib.suppress(OSError):
                wire.unwrap()
