"""Next hops by name, RFC 3263, with a name server that dialplane did not write."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.server.certificates import Certificates
from tests.server.conftest import make_server
from tests.server.phone import Phone
from tests.server.running import Server, free_port, metrics, until
from tests.server.wires import Stream

from .nameserver import NameServer

__all__ = ["make_server"]

Make = Callable[..., Server]


class Gateway(Phone):
    """A next hop on a UDP socket, which takes what comes from anybody."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10)
        self.port = self.socket.getsockname()[1]

    def take(self, status: str = "200 OK") -> bytes:
        """Receives a request and answers it."""
        request, sender = self.socket.recvfrom(65536)
        self.socket.connect(sender)
        self.answer(request, status)
        return request


class World:
    """A server, its name server, and a telephone that may call anybody."""

    def __init__(self, make_server: Make, folder: Path, records: str, more: str = "", route: str = "") -> None:
        names = folder / "names"
        names.mkdir()
        self.names = NameServer(names, records)
        self.server = make_server(
            workers=1,
            more=f'[proxy]\ntrusted = ["127.0.0.1"]\n[dns]\nservers = ["{self.names.address}"]\ntimeout = 0.3\n'
            f'attempts = 1\n{more}[[route]]\nname = "away"\nforward = "request-uri"\n{route}',
        )
        self.server.start()
        self.phone = Phone("carol", "example.com", ("127.0.0.1", self.server.port))

    def send(self, host: str = "gw.example.net", *more: str) -> None:
        uri = f"sip:bob@{host}"
        self.phone.socket.send(self.phone.request("MESSAGE", uri, uri, *more))

    def status(self, host: str = "gw.example.net") -> int:
        """What a request for this host is answered with."""
        self.send(host)
        return int(self.phone.receive().split(b" ", 2)[1])

    def count(self, name: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.server.admin}/metrics").text
        return metrics(text).get(f"dialplane_{name}_total", 0)

    def close(self) -> None:
        self.phone.close()
        self.names.close()


@pytest.fixture
def make_world(make_server: Make, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes one, and ends it with the test."""
    with contextlib.ExitStack() as stack:

        def make(records: str, more: str = "", route: str = "") -> World:
            world = World(make_server, tmp_path, records, more, route)
            stack.callback(world.close)
            return world

        yield make


@pytest.fixture
def gateways() -> Iterator[list[Gateway]]:
    """Three of them."""
    made = [Gateway() for _ in range(3)]
    yield made
    for gateway in made:
        gateway.close()


def answer_one(gateways: list[Gateway]) -> Gateway:
    """Whoever got the request answers it."""
    readable, _, _ = select.select([gateway.socket for gateway in gateways], [], [], 10)
    assert len(readable) == 1, "one gateway gets it"
    found = next(gateway for gateway in gateways if gateway.socket is readable[0])
    found.take()
    return found


def test_priorities_and_weights(make_world: Callable[..., World], gateways: list[Gateway]) -> None:
    records = "".join(
        f"_sip._udp.gw SRV {priority} {weight} {gateway.port} here\n"
        for gateway, (priority, weight) in zip(gateways, [(1, 10), (1, 30), (2, 100)], strict=True)
    )
    world = make_world(records, route='mode = "stateless"\n')
    shares: Counter[int] = Counter()
    for _ in range(400):
        world.send()
        shares[gateways.index(answer_one(gateways))] += 1
        assert world.phone.receive().startswith(b"SIP/2.0 200 ")
    # 100 expected, 8.7 the standard deviation.
    assert 60 < shares[0] < 140, shares
    assert shares[0] + shares[1] == 400, "nothing for the lower priority"
    assert world.count("names_asked") == 1
    shown = world.server.command("explain", "sip:bob@gw.example.net", "--source", "udp:127.0.0.1:9999")
    assert f"udp:127.0.0.1:{gateways[1].port}, rank 0, weight 30" in shown.stdout, shown.stdout + shown.stderr


def test_the_next_address_when_one_refuses(make_world: Callable[..., World]) -> None:
    dead = free_port(socket.SOCK_STREAM)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        port = listening.getsockname()[1]
        records = f"_sip._tcp.gw SRV 1 0 {dead} here\n_sip._tcp.gw SRV 2 0 {port} here\n"
        tcp = f'[[listen]]\naddress = "tcp:127.0.0.1:{free_port(socket.SOCK_STREAM)}"\n'
        world = make_world(records, more=tcp)
        world.send("gw.example.net;transport=tcp")
        accepted, _ = listening.accept()
        with accepted:
            gateway = StreamGateway(accepted)
            gateway.take()
            assert world.phone.receive().startswith(b"SIP/2.0 200 ")
            assert world.count("failovers") == 1
            world.send("gw.example.net;transport=tcp")
            gateway.take()
            assert world.phone.receive().startswith(b"SIP/2.0 200 ")
            assert world.count("failovers") == 1, "the port that refused is not tried again for a while"


def test_the_next_address_when_one_is_silent(make_world: Callable[..., World], gateways: list[Gateway]) -> None:
    """Neither ICMP nor a connection says that it is dead."""
    silent, next_one, _ = gateways
    records = f"_sip._udp.gw SRV 1 0 {silent.port} here\n_sip._udp.gw SRV 2 0 {next_one.port} here\n"
    world = make_world(records)
    world.server.write(world.server.more.replace("[proxy]\n", "[proxy]\npatience = 0.4\n"))
    assert world.server.command("reload").returncode == 0
    uri = "sip:bob@gw.example.net"
    begin = time.monotonic()
    world.phone.socket.send(world.phone.request("INVITE", uri, uri, f"Contact: <{world.phone.contact}>"))
    next_one.take()
    assert world.phone.receive().startswith(b"SIP/2.0 200 ")
    assert 0.4 <= time.monotonic() - begin < 2
    assert silent.socket.recv(65536).startswith(b"INVITE ")
    assert world.count("branches_given_up") == 1
    world.send()
    assert answer_one([next_one]) is next_one, "it is avoided for a while"


class StreamGateway(Phone):
    """A next hop on a connection that was accepted."""

    def __init__(self, accepted: socket.socket) -> None:
        self._start(Stream(accepted))

    def take(self) -> bytes:
        """Receives a request and answers it."""
        request = bytes(self.socket.recv(65536))
        self.answer(request, "200 OK")
        return request


def test_naptr_says_tls_then_tcp_then_udp(
    make_world: Callable[..., World], gateways: list[Gateway], tmp_path: Path
) -> None:
    certificates = Certificates(tmp_path)
    chain, key = certificates.issue("gw", "gw.example.net")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    with socket.create_server(("127.0.0.1", 0)) as tls, socket.create_server(("127.0.0.1", 0)) as tcp:
        for listening in (tls, tcp):
            listening.settimeout(10)
        records = (
            'gw NAPTR 10 50 "s" "SIPS+D2T" "" _sips._tcp.gw\n'
            'gw NAPTR 20 50 "s" "SIP+D2T" "" _sip._tcp.gw\n'
            'gw NAPTR 30 50 "s" "SIP+D2U" "" _sip._udp.elsewhere\n'
            f"_sips._tcp.gw SRV 0 0 {tls.getsockname()[1]} here\n"
            f"_sip._tcp.gw SRV 0 0 {tcp.getsockname()[1]} here\n"
            f"_sip._udp.elsewhere SRV 0 0 {gateways[0].port} here\n"
        )
        ports = [free_port(socket.SOCK_STREAM) for _ in range(2)]
        world = make_world(
            records,
            more=f'avoid = 0.0\n[[listen]]\naddress = "tcp:127.0.0.1:{ports[0]}"\n'
            f'[[listen]]\naddress = "tls:127.0.0.1:{ports[1]}"\n'
            f'[[certificate]]\nchain = "{chain}"\nkey = "{key}"\n[tls]\nauthorities = "{certificates.authority}"\n',
        )
        world.send()
        accepted, _ = tls.accept()
        with context.wrap_socket(accepted, server_side=True) as secure:
            request = StreamGateway(secure).take()
        assert request.split(b"\r\n")[1].startswith(b"Via: SIP/2.0/TLS ")
        assert world.phone.receive().startswith(b"SIP/2.0 200 ")
        tls.close()
        world.send()
        accepted, _ = tcp.accept()
        with accepted:
            request = StreamGateway(accepted).take()
        assert request.split(b"\r\n")[1].startswith(b"Via: SIP/2.0/TCP ")
        assert world.phone.receive().startswith(b"SIP/2.0 200 ")
        tcp.close()
        world.send()
        assert gateways[0].take().split(b"\r\n")[1].startswith(b"Via: SIP/2.0/UDP ")
        assert world.phone.receive().startswith(b"SIP/2.0 200 ")


def test_a_certificate_for_another_name_is_refused(
    make_world: Callable[..., World], gateways: list[Gateway], tmp_path: Path
) -> None:
    """RFC 5922 §7.1: the name of the URI counts, not the one that NAPTR or SRV led to."""
    certificates = Certificates(tmp_path)
    chain, key = certificates.issue("here", "here.example.net")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    with socket.create_server(("127.0.0.1", 0)) as tls:
        tls.settimeout(10)
        records = (
            'gw NAPTR 10 50 "s" "SIPS+D2T" "" _sips._tcp.gw\ngw NAPTR 30 50 "s" "SIP+D2U" "" _sip._udp.gw\n'
            f"_sips._tcp.gw SRV 0 0 {tls.getsockname()[1]} here\n_sip._udp.gw SRV 0 0 {gateways[0].port} here\n"
        )
        world = make_world(
            records,
            more=f'[[listen]]\naddress = "tls:127.0.0.1:{free_port(socket.SOCK_STREAM)}"\n'
            f'[[certificate]]\nchain = "{chain}"\nkey = "{key}"\n[tls]\nauthorities = "{certificates.authority}"\n',
        )
        world.send()
        accepted, _ = tls.accept()
        with accepted, contextlib.suppress(ssl.SSLError, OSError):
            # TLS 1.3: the client's refusal comes after our side of the handshake has ended.
            secure = context.wrap_socket(accepted, server_side=True)
            assert secure.recv(1) == b"", "nothing is said to the wrong host"
        gateways[0].take()
        assert world.phone.receive().startswith(b"SIP/2.0 200 ")


def test_a_change_is_picked_up_when_its_time_has_come(
    make_world: Callable[..., World], gateways: list[Gateway]
) -> None:
    def leads_to(gateway: Gateway) -> str:
        return f"_sip._udp.gw 1 SRV 0 0 {gateway.port} here\n"

    world = make_world(leads_to(gateways[0]), route='mode = "stateless"\n')
    world.send()
    assert answer_one(gateways) is gateways[0]
    world.names.change(leads_to(gateways[1]))

    def arrives_elsewhere() -> bool:
        world.send()
        return answer_one(gateways) is gateways[1]

    assert until(arrives_elsewhere) < 3


def test_a_dead_name_server_is_not_heard(make_world: Callable[..., World], gateways: list[Gateway]) -> None:
    world = make_world(f"_sip._udp.gw 1 SRV 0 0 {gateways[0].port} here\n", route='mode = "stateless"\n')
    world.send()
    gateways[0].take()
    assert world.phone.receive().startswith(b"SIP/2.0 200 ")
    world.names.freeze()
    assert world.status("other.example.net") == 504, "what was never known"

    def went_on_without() -> bool:
        begin = time.monotonic()
        world.send()
        gateways[0].take()
        assert time.monotonic() - begin < 0.2, "nobody waits"
        return world.count("names_stale") > 0

    until(went_on_without)
    world.names.thaw()
    assert world.count("names_failed") >= 1


def test_names_that_do_not_exist(make_world: Callable[..., World], gateways: list[Gateway]) -> None:
    world = make_world(
        "only-text TXT nothing\n_sip._udp.closed SRV 0 0 0 .\nclosed A 127.0.0.1\n",
        route='[[route]]\nname = "rule"\nusers = ["x"]\nforward = "sip:gone.example.net"\n',
    )
    assert world.status("gone.example.net") == 404
    assert world.status("only-text.example.net") == 404
    assert world.status("closed.example.net") == 404, "decidedly not available"
    asked = world.count("names_asked")
    assert world.status("gone.example.net") == 404
    assert world.count("names_asked") == asked, "remembered"
    world.names.change(f"_sip._udp.gone SRV 0 0 {gateways[0].port} here\n")

    def arrives() -> bool:
        world.send("gone.example.net")
        readable, _, _ = select.select([gateways[0].socket, world.phone.socket], [], [], 10)
        if gateways[0].socket in readable:
            gateways[0].take()
        return world.phone.receive().startswith(b"SIP/2.0 200 ")

    assert until(arrives) < 4, "a negative answer of one second is believed for one second"


def test_a_name_of_the_hosts_file_is_not_asked_for(make_world: Callable[..., World], gateways: list[Gateway]) -> None:
    world = make_world("")
    world.names.freeze()
    begin = time.monotonic()
    world.send(f"localhost:{gateways[0].port}")
    gateways[0].take()
    assert time.monotonic() - begin < 0.25
    world.names.thaw()


def test_a_name_server_is_changed_by_a_reload(make_world: Callable[..., World], gateways: list[Gateway]) -> None:
    world = make_world(f"_sip._udp.gw SRV 0 0 {gateways[0].port} here\n")
    server = world.server
    before = server.more
    server.write(before.replace(world.names.address, f"127.0.0.1:{free_port()}"))
    assert server.command("reload").returncode == 0
    assert world.status() == 504
    server.write(before)
    assert server.command("reload").returncode == 0
    world.send()
    gateways[0].take()
    assert json.loads(server.command("status", "--json").stdout)
