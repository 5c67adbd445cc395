"""The whole server over TCP, TLS, WebSocket and secure WebSocket, with two workers behind one port."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dialplane.errors import ExitStatus

from .edge import TOKENS, Edge
from .phone import Phone
from .running import DIALPLANE, free_port, until
from .wires import Stream, StreamPhone, WebSocket


def options(wire: Stream | WebSocket, token: str) -> bytes:
    """Asks the server whether it lives. The answer."""
    wire.send(StreamPhone("probe", wire, token).request("OPTIONS", "sip:127.0.0.1", "sip:127.0.0.1"))
    return wire.recv()


@contextlib.contextmanager
def closing(*phones: Phone) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for phone in phones:
            stack.callback(phone.close)
        yield


@pytest.mark.parametrize("token", [*TOKENS, "V6"])
def test_calls_in_both_directions(edge: Edge, token: str) -> None:
    # Several callers, so that the call and the connection belong to different workers more than once.
    bob = edge.server.phone("bob")
    assert bob.register() == 200
    for _ in range(6):
        alice = edge.phone("alice", token)
        with closing(alice):
            assert alice.register() == 200
            alice.send_with_credentials("INVITE", "sip:bob@example.com")
            invite = bob.receive()
            assert invite.startswith(b"INVITE sip:bob@127.0.0.1")
            bob.answer(invite, "180 Ringing")
            bob.answer(invite, "200 OK")
            assert alice.receive().startswith(b"SIP/2.0 180 ")
            assert alice.receive().startswith(b"SIP/2.0 200 ")
            # Inside the dialog, to a Contact that nobody can connect to, by the route set alone.
            bob.bye(invite, alice.contact)
            received = alice.receive()
            assert received.startswith(f"BYE {alice.contact} ".encode()), received
            alice.answer(received, "200 OK")
            assert bob.receive().startswith(b"SIP/2.0 200 ")
            # And to her registration.
            bob.send_with_credentials("MESSAGE", "sip:alice@example.com")
            message = alice.receive()
            assert message.startswith(f"MESSAGE {alice.contact} ".encode())
            assert f"Via: SIP/2.0/{alice.token} ".encode() in message
            alice.answer(message, "200 OK")
            assert bob.receive().startswith(b"SIP/2.0 200 ")
            assert alice.register(expires=0) == 200
    bob.close()
    assert edge.count("messages_handed_over") > 0
    assert edge.count("responses_stray") == 0
    until(lambda: edge.count("connections_closed_by_peer") == edge.count("connections_accepted") == 6)


def test_a_browser_calls_a_telephone_on_tls(edge: Edge) -> None:
    alice, bob = edge.phone("alice", "WSS"), edge.phone("bob", "TLS")
    with closing(alice, bob):
        assert bob.register() == 200
        alice.send_with_credentials("INVITE", "sip:bob@example.com")
        invite = bob.receive()
        assert invite.startswith(f"INVITE {bob.contact} ".encode())
        bob.answer(invite, "200 OK")
        assert alice.receive().startswith(b"SIP/2.0 200 ")


def test_a_client_that_is_gone_is_not_waited_for(edge: Edge) -> None:
    alice, bob = edge.phone("alice", "WSS"), edge.server.phone("bob")
    with closing(bob):
        assert alice.register() == 200
        alice.close()
        until(lambda: edge.count("connections_closed_by_peer") == 1)
        bob.send_with_credentials("INVITE", "sip:alice@example.com")
        assert bob.receive().startswith(b"SIP/2.0 430 ")


def test_fragments_keep_alives_and_octets_one_by_one(edge: Edge) -> None:
    wire = edge.connect("WSS")
    assert isinstance(wire, WebSocket)
    request = StreamPhone("a", wire, "WSS").request("OPTIONS", "sip:127.0.0.1", "sip:127.0.0.1")
    wire.send_in_parts(request, 100)
    assert wire.recv().startswith(b"SIP/2.0 200 ")
    wire.send(b"\r\n\r\n")
    assert wire.recv() == b"\r\n"
    stream = edge.connect("TLS")
    request = StreamPhone("a", stream, "TLS").request("OPTIONS", "sip:127.0.0.1", "sip:127.0.0.1")
    for octet in b"\r\n\r\n" + request:
        stream.send(bytes([octet]))
    assert stream.recv() == b"\r\n"
    assert stream.recv().startswith(b"SIP/2.0 200 ")
    assert edge.count("keepalives_received") == 2


@pytest.mark.parametrize("token", ["TCP", "TLS"])
def test_two_lengths_are_refused_and_the_connection_ends(edge: Edge, token: str) -> None:
    wire = edge.connect(token)
    request = StreamPhone("a", wire, token).request("OPTIONS", "sip:127.0.0.1", "sip:127.0.0.1")
    wire.send(request.replace(b"Content-Length: 0", b"Content-Length: 0\r\nContent-Length: 7") + request)
    assert wire.recv().startswith(b"SIP/2.0 400 ")
    assert wire.recv() == b""
    assert edge.count("connections_closed_malformed") == 1


def test_what_takes_too_long_ends(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge("[connections]\nfirst = 0.6\nmessage = 0.4\nidle = 1.5\n", workers=1)
    edge.server.start()
    silent = [edge.raw(port) for port in (edge.tcp, edge.tls)]
    half = edge.connect("TCP")
    assert options(half, "TCP").startswith(b"SIP/2.0 200 ")
    half.send(b"OPTIONS sip:")
    idle = edge.connect("WSS")
    assert options(idle, "WSS").startswith(b"SIP/2.0 200 ")
    begin = time.monotonic()
    assert half.recv() == b""
    assert time.monotonic() - begin < 1.4
    for client in silent:
        while client.recv(100):
            """TLS says good-bye."""
    # Asked for a sign of life, and silent.
    assert idle.socket.recv(2) == b"\x89\x00"
    assert idle.recv() == b""
    until(lambda: edge.count("connections_closed_slow") == 3)
    assert edge.count("connections_closed_idle") == 1


def test_a_certificate_for_each_name_and_a_new_one_without_a_cut(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge()
    chain, key = edge.certificates.issue("other", "*.example.org")
    edge.server.write("".join(edge.server.more + f'[[certificate]]\nchain = "{chain}"\nkey = "{key}"\n'))
    edge.server.start()
    shown = {}
    for name in ("sip.example.com", "voice.example.org"):
        wire = edge.connect("TLS", name)
        assert isinstance(wire.socket, ssl.SSLSocket)
        shown[name] = (wire, wire.socket.getpeercert())
    standing, before = shown["sip.example.com"]
    edge.certificates.issue("server", "sip.example.com")
    done = edge.server.command("reload")
    assert done.returncode == 0, done.stderr
    fresh = edge.connect("WSS")
    assert isinstance(fresh.socket, ssl.SSLSocket)
    assert fresh.socket.getpeercert() != before
    assert options(fresh, "WSS").startswith(b"SIP/2.0 200 ")
    assert options(standing, "TLS").startswith(b"SIP/2.0 200 "), "the old connection stands"
    chain.write_text("nothing")
    done = edge.server.command("reload")
    assert done.returncode == ExitStatus.CONFIG
    assert re.search(r"dialplane\.toml:\d+: certificate\[1\]\.chain: .*: there is no certificate in it", done.stderr)
    assert options(fresh, "WSS").startswith(b"SIP/2.0 200 ")


def test_only_clients_with_a_certificate(make_edge: Callable[..., Edge], tmp_path: Path) -> None:
    edge = make_edge(listen=f'client_authorities = "{tmp_path}/authority.pem"\n', workers=1)
    edge.server.start()
    carrier = edge.connect("TLS", certificate=str(edge.certificates.for_client("carrier.example.net")))
    assert options(carrier, "TLS").startswith(b"SIP/2.0 200 ")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        options(edge.connect("TLS"), "TLS")
    until(lambda: edge.count("handshakes_failed") == 1)


@pytest.mark.parametrize("missing", ["chain", "key", "table"])
def test_without_a_certificate_nothing_is_started(make_edge: Callable[..., Edge], tmp_path: Path, missing: str) -> None:
    edge = make_edge()
    if missing == "table":
        text = edge.server.file.read_text()
        edge.server.file.write_text(re.sub(r"\[\[certificate\]\]\n.*\n.*\n", "", text))
        expected = r"dialplane\.toml:\d+: listen\[2\]\.address: tls needs a \[\[certificate\]\]"
    else:
        (tmp_path / {"chain": "server.pem", "key": "server.key"}[missing]).unlink()
        expected = rf"dialplane\.toml:\d+: certificate\[0\]\.{missing}: .* does not exist"
    done = subprocess.run(
        [*DIALPLANE, "serve", str(edge.server.file)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == ExitStatus.CONFIG
    assert re.search(expected, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    socket.create_server(("127.0.0.1", edge.tcp)).close()


def test_the_client_behind_a_load_balancer(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge('[connections]\nbalancers = ["127.0.0.1"]\n', workers=1)
    edge.server.start()
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("192.0.2.7") + socket.inet_aton("10.0.0.1")
    connected = edge.raw(edge.tcp)
    connected.sendall(header + struct.pack(">HH", 40000, 5060))
    answer = options(Stream(connected), "TCP")
    assert b";received=192.0.2.7" in answer
    assert b";rport=40000" in answer
    stranger = edge.raw(edge.tcp)
    stranger.sendall(b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n")
    assert stranger.recv(100) == b""


def test_a_next_hop_over_tcp_and_over_tls(make_edge: Callable[..., Edge], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as secure:
        tcp, tls = plain.getsockname()[1], secure.getsockname()[1]
        refused = free_port(socket.SOCK_STREAM)
        rules = {"1": f"sip:127.0.0.1:{tcp};transport=tcp", "2": f"sips:127.0.0.1:{tls}",
                 "3": f"sip:127.0.0.1:{refused};transport=tcp", "4": f"sips:localhost:{tls}"}  # fmt: skip
        more = "".join(f'[[route]]\nusers = ["{user}"]\nforward = "{to}"\n' for user, to in rules.items())
        more = f'[tls]\nauthorities = "{tmp_path}/authority.pem"\n' + more
        edge = make_edge(more)
        edge.server.start()
        caller = Phone("x", "elsewhere.example", ("127.0.0.1", edge.server.port))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*edge.certificates.issue("next", "127.0.0.1"))

        def call(user: str) -> None:
            caller.socket.send(caller.request("INVITE", f"sip:{user}@example.com", f"sip:{user}@example.com"))

        for user, listening in (("1", plain), ("2", secure)):
            call(user)
            listening.settimeout(10)
            accepted, _ = listening.accept()
            if listening is secure:
                accepted = context.wrap_socket(accepted, server_side=True)
            hop = Stream(accepted)
            for again in range(3):
                if again:
                    call(user)
                invite = hop.recv()
                assert invite.startswith(f"INVITE sip:{user}@example.com".encode())
                Phone.answer(StreamPhone("x", hop, "TCP"), invite, "486 Busy Here")
                assert caller.receive().startswith(b"SIP/2.0 486 ")
            hop.close()
        call("3")
        assert caller.receive().startswith(b"SIP/2.0 503 ")
        # Its certificate is for the address and not for the name in the URI.
        call("4")
        accepted, _ = secure.accept()
        with contextlib.suppress(ssl.SSLError, OSError):
            context.wrap_socket(accepted, server_side=True)
        assert caller.receive().startswith(b"SIP/2.0 503 ")
        caller.close()
