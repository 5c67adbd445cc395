"""From URI to hops. RFC 3263 §4, RFC 2782, RFC 7118."""

from __future__ import annotations

import asyncio

import pytest

from dialplane.testing import Network
from dialplane.ua import UnreachableError
from dialplane.ua.resolve import Hop, Naptr, Srv, SystemResolver, hop_of, locate, ordered
from dialplane_native import Uri

ALL = frozenset({"UDP", "TCP", "TLS", "WS", "WSS"})


def network() -> Network:
    """example.com has everything, srv.example.com services only, plain.example.com an address only."""
    made = Network()
    made.pointers["example.com"] = [
        Naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
        Naptr(90, 50, "SIP+D2T", "_sip._tcp.example.com"),
        Naptr(100, 50, "SIP+D2U", "_sip._udp.example.com"),
        Naptr(10, 10, "E2U+sip", "nothing.example.com"),
    ]
    made.services["_sips._tcp.example.com"] = [Srv(1, 1, 5061, "s1.example.com"), Srv(0, 0, 5071, "s2.example.com")]
    made.services["_sip._tcp.example.com"] = [Srv(0, 0, 5060, "s1.example.com")]
    made.services["_sip._udp.example.com"] = [Srv(0, 0, 5080, "s1.example.com")]
    made.services["_sip._udp.srv.example.com"] = [Srv(0, 0, 5090, "s1.example.com")]
    made.hosts |= {
        "example.com": ["192.0.2.100"],
        "s1.example.com": ["192.0.2.1", "2001:db8::1"],
        "s2.example.com": ["192.0.2.2"],
        "plain.example.com": ["192.0.2.3"],
    }
    return made


@pytest.mark.parametrize(
    ("uri", "supported", "wanted"),
    [
        ("sip:192.0.2.9", ALL, ["UDP 192.0.2.9 5060"]),
        ("sip:192.0.2.9:5070;transport=tcp", ALL, ["TCP 192.0.2.9 5070"]),
        ("sip:[2001:db8::9]", ALL, ["UDP 2001:db8::9 5060"]),
        ("sips:192.0.2.9", ALL, ["TLS 192.0.2.9 5061"]),
        ("sips:192.0.2.9;transport=tcp", ALL, ["TLS 192.0.2.9 5061"]),
        ("sip:x;maddr=192.0.2.8", ALL, ["UDP 192.0.2.8 5060"]),
        ("sip:192.0.2.9;transport=ws", ALL, ["WS 192.0.2.9 80"]),
        (
            "sip:example.com",
            ALL,
            [
                "TLS 192.0.2.2 5071",
                "TLS 192.0.2.1 5061",
                "TLS 2001:db8::1 5061",
                "TCP 192.0.2.1 5060",
                "TCP 2001:db8::1 5060",
                "UDP 192.0.2.1 5080",
                "UDP 2001:db8::1 5080",
            ],
        ),
        ("sip:example.com", frozenset({"UDP"}), ["UDP 192.0.2.1 5080", "UDP 2001:db8::1 5080"]),
        ("sips:example.com", ALL, ["TLS 192.0.2.2 5071", "TLS 192.0.2.1 5061", "TLS 2001:db8::1 5061"]),
        ("sip:example.com;transport=udp", ALL, ["UDP 192.0.2.1 5080", "UDP 2001:db8::1 5080"]),
        ("sip:example.com:5062", ALL, ["UDP 192.0.2.100 5062"]),
        ("sip:srv.example.com", ALL, ["UDP 192.0.2.1 5090", "UDP 2001:db8::1 5090"]),
        ("sip:plain.example.com", ALL, ["UDP 192.0.2.3 5060"]),
        ("sip:plain.example.com;transport=tls", ALL, ["TLS 192.0.2.3 5061"]),
    ],
)
def test_hops(uri: str, supported: frozenset[str], wanted: list[str]) -> None:
    found = asyncio.run(locate(Uri(uri), network(), supported))
    assert [f"{hop.transport} {hop.host} {hop.port}" for hop in found] == wanted


def test_a_certificate_must_be_for_the_name_that_was_asked_for() -> None:
    """RFC 5922 §4: not for the name in the SRV record."""
    found = asyncio.run(locate(Uri("sips:example.com"), network(), ALL))
    assert {hop.name for hop in found} == {"example.com"}


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("sip:nowhere.example.com", "no address"),
        ("tel:+491234", "proxy="),
        ("sip:192.0.2.9;transport=sctp", "does not speak"),
        ("sip:192.0.2.9;transport=tls", "reached by TLS only"),
    ],
)
def test_there_is_no_way(uri: str, text: str) -> None:
    with pytest.raises(UnreachableError, match=text):
        asyncio.run(locate(Uri(uri), network(), frozenset({"UDP", "TCP"})))


def test_weights_are_chances() -> None:
    records = [Srv(0, 0, 1, "a"), Srv(0, 10, 2, "b"), Srv(0, 30, 3, "c"), Srv(1, 0, 4, "d")]
    chances = [number / 1000 for number in range(1000)]
    first = [ordered(records, lambda chance=chance: chance)[0].target for chance in chances]  # type: ignore[misc]
    assert first.count("c") == pytest.approx(750, abs=2)
    assert first.count("b") == pytest.approx(250, abs=2)
    assert ordered(records, lambda: 0.5)[-1].target == "d"
    assert sorted(record.target for record in ordered(records, lambda: 0.999999)) == ["a", "b", "c", "d"]


def test_numeric_hops_without_asking() -> None:
    assert hop_of("sip:192.0.2.1:5070") == Hop("UDP", "192.0.2.1", 5070, "192.0.2.1")
    for uri in ("sip:example.com", "nonsense", "tel:+49", "sip:192.0.2.1;transport=x"):
        assert hop_of(uri) is None


def test_names_of_this_machine_are_not_looked_up_as_services() -> None:
    async def work() -> None:
        resolver = SystemResolver()
        assert await resolver.srv("localhost") == []
        assert await resolver.naptr("localhost") == []
        assert "127.0.0.1" in await resolver.addresses("localhost")

    asyncio.run(work())
