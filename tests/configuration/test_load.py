"""Reading a configuration: every problem at once, each with its file, line, key and the nearest right key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from dialplane.config import Config
from dialplane.configuration import ConfigurationError, built_in, load, parse
from dialplane.errors import ExitStatus, MissingFileError

EXAMPLE = Path(__file__).parents[2] / "docs" / "dialplane.toml"


def problems(text: str, base: Path | None = None) -> list[str]:
    """What is wrong with ``text``, as the operator reads it."""
    with pytest.raises(ConfigurationError) as raised:
        parse(text, file="x.toml", base=base)
    assert raised.value.status == ExitStatus.CONFIG
    return [str(problem) for problem in raised.value.problems]


def test_nothing_at_all_is_a_configuration() -> None:
    assert parse("").config == Config() == built_in().config


def test_the_full_example_is_good(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    for name in re.findall(r'"([\w.-]+\.(?:pem|key))"', text):
        (tmp_path / name).touch()
    for name in re.findall(r'^file = "(.+)"', text, re.MULTILINE):
        (tmp_path / name).symlink_to(EXAMPLE.parent / name)
    file = tmp_path / EXAMPLE.name
    file.write_text(text)
    config = load(file).config
    assert config.server.data == "/var/lib/dialplane"
    assert set(msgspec.to_builtins(Config())) == set(tomllib.loads(text)), "every table of config.py is in it"


def test_all_problems_are_told_in_the_order_of_the_file() -> None:
    text = """\
domain = ["x"]
[server]
workers = "two"
lgo = 1
log = "jason"
[[listen]]
adress = "udp:1"
[limits]
via = 0
fields = 3.5
[[route]]
methods = ["invite"]
drop = true
lookup = true
"""
    assert problems(text) == [
        'x.toml:1: domain: unknown key; did you mean "domains"?',
        'x.toml:3: server.workers: expected a whole number, got "two"',
        'x.toml:4: server.lgo: unknown key; did you mean "log"?',
        'x.toml:5: server.log: "jason" is not one of auto, console, json; did you mean "json"?',
        "x.toml:6: listen[0].address: this key is missing",
        'x.toml:7: listen[0].adress: unknown key; did you mean "address"?',
        "x.toml:9: limits.via: expected a whole number >= 1, got 0",
        "x.toml:10: limits.fields: expected a whole number, got 3.5",
        'x.toml:12: route[0].methods[0]: methods are case-sensitive: "INVITE"',
        "x.toml:13: route[0].drop: only one action is possible, and lookup is given too",
    ]


LISTEN = '[[listen]]\naddress = "udp:127.0.0.1:5060"\n'
SET = '[[target_set]]\nname = "out"\ntargets = [{ uri = "sip:192.0.2.1" }]\n'

CASES = {
    "not TOML": ("a = \n", "x.toml:1: not TOML: invalid value (column 5)"),
    "not TOML at the end": ("a = [1\n", "x.toml:2: not TOML: unclosed array (end of the file)"),
    "table expected": ("server = 3\n", "x.toml:1: server: expected a table, got a whole number"),
    "array of tables expected": (
        '[listen]\naddress = "udp:127.0.0.1:1"\n',
        "x.toml:1: listen: expected an array of tables: [[listen]], got a table",
    ),
    "array expected": ('domains = "a"\n', "x.toml:1: domains: expected an array: [ … ], got text in quotes"),
    "boolean expected": ("auth.register = 1\n", "x.toml:1: auth.register: expected true or false, got 1"),
    "one item of a list": (
        'domains = [\n  "a.example",\n  7,\n]\n',
        "x.toml:3: domains[1]: expected text in quotes, got 7",
    ),
    "domain with a scheme": ('domains = ["sip:a"]\n', 'x.toml:1: domains[0]: "sip:a" is not a domain'),
    "no listener": ("listen = []\n", "x.toml:1: listen: at least one listener is needed"),
    "listener without transport": (
        '[[listen]]\naddress = "127.0.0.1:5060"\n',
        'x.toml:2: listen[0].address: "127.0.0.1:5060" is not TRANSPORT:HOST:PORT',
    ),
    "listener without port": ('[[listen]]\naddress = "udp:127.0.0.1"\n', "has no port between 1 and 65535"),
    "listener with a name": (
        '[[listen]]\naddress = "udp:sip.example.com:1"\n',
        '"sip.example.com" is not an IP address',
    ),
    "listener without brackets": ('[[listen]]\naddress = "udp:::1:5060"\n', "stands in brackets: [::1]:5060"),
    "port too high": ('[[listen]]\naddress = "udp:127.0.0.1:65536"\n', "has no port between 1 and 65535"),
    "listener without certificate": (
        '[[listen]]\naddress = "tls:127.0.0.1:5061"\n',
        "x.toml:2: listen[0].address: tls needs a [[certificate]]",
    ),
    "certificate that is not there": (
        '[[certificate]]\nchain = "none.pem"\nkey = "/proc/version"\n',
        "certificate[0].chain",
    ),
    "authorities of whom nothing is asked": (
        LISTEN + 'client_authorities = "x.pem"\n',
        "x.toml:3: listen[0].client_authorities: udp asks for no certificate, only tls and wss do",
    ),
    "two kinds of connection on one port": (
        '[[listen]]\naddress = "tcp:127.0.0.1:5060"\n[[listen]]\naddress = "ws:127.0.0.1:5060"\n',
        "x.toml:4: listen[1].address: ws:127.0.0.1:5060 is already listen[0]",
    ),
    "balancer": ('[connections]\nbalancers = ["lb"]\n', '"lb" is not an address or a network'),
    "listener twice": (LISTEN + LISTEN, "x.toml:4: listen[1].address: udp:127.0.0.1:5060 is already listen[0]"),
    "advertised port": (
        LISTEN + 'advertise = "a:b"\n',
        'x.toml:3: listen[0].advertise: "a:b" is not HOST or HOST:PORT',
    ),
    "no algorithm": ("auth.algorithms = []\n", "x.toml:1: auth.algorithms: at least one algorithm is needed"),
    "algorithm": ('auth.algorithms = ["SHA256"]\n', 'did you mean "SHA-256"?'),
    "algorithm twice": (
        'auth.algorithms = ["MD5", "MD5"]\n',
        "x.toml:1: auth.algorithms[1]: MD5 is already in the list",
    ),
    "quotes in the realm": ("auth.realm = 'a\"b'\n", "x.toml:1: auth.realm: a realm is text without quotation marks"),
    "expires out of order": ("registrar.min_expires = 9000\n", "min_expires (9000) is above max_expires (7200)"),
    "expires outside": ("registrar.default_expires = 9000\n", "default_expires (9000) is not between 60 and 7200"),
    "trusted": ('proxy.trusted = ["10.0.0.0/99"]\n', 'x.toml:1: proxy.trusted[0]: "10.0.0.0/99" is not an address'),
    "host bits": ('proxy.trusted = ["10.0.0.1/8"]\n', "did you mean 10.0.0.0/8?"),
    "database": ('database.url = "sqlite3:a.db"\n', 'did you mean "sqlite"?'),
    "database without a file": ('database.url = "sqlite:"\n', '"sqlite:" is not sqlite:FILE'),
    "database times": ("database.refresh = 0.5\n", "x.toml:1: database.refresh: refresh (0.5) is below urgent (1.0)"),
    "name servers": ('[dns]\nservers = ["192.0.2.53", "dns.example.com"]\n', "x.toml:2: dns.servers[1]: "),
    "admin": ('admin.address = "8060"\n', "x.toml:1: admin.address: "),
    "target set named like a URI": (SET.replace("out", "a:b"), 'x.toml:2: target_set[0].name: "a:b" cannot be told'),
    "no target": (
        '[[target_set]]\nname = "out"\ntargets = []\n',
        "x.toml:3: target_set[0].targets: at least one target",
    ),
    "no weight": (SET.replace('" }', '", weight = 0 }'), "at least one target needs a weight above 0"),
    "target is no URI": (SET.replace("sip:192", "192"), 'target_set[0].targets[0].uri: "192.0.2.1" is not a SIP URI'),
    "target set twice": (SET + SET, 'x.toml:5: target_set[1].name: "out" is already target_set[0]'),
    "probe accepts nothing": (SET + "probe = { accept = [] }\n", "x.toml:4: target_set[0].probe.accept: "),
    "probe too slow": (SET + "probe = { timeout = 20 }\n", "the timeout is longer than the interval"),
    "policy unknown": (SET + 'policy = "call"\n', 'did you mean "calls"?'),
    "out for less": (
        SET + "eject = { time = 60, longest = 30 }\n",
        "eject.longest: longest (30.0) is below time (60.0)",
    ),
    "calls that nobody keeps": (
        SET + 'policy = "calls"\n[[route]]\nforward = "out"\nmode = "stateless"\n',
        'x.toml:7: route[0].mode: policy "calls" of target set "out" has to see what becomes of calls: stateful',
    ),
    "calls whose end nobody sees": (
        SET + 'policy = "calls"\n[[route]]\nforward = "out"\nrecord_route = false\n',
        'x.toml:7: route[0].record_route: policy "calls" of target set "out" has to see BYE',
    ),
    "probe from": (SET + 'probe = { from_uri = "me" }\n', '"me" is not a SIP URI'),
    "table missing": ('[[table]]\nname = "t"\nfile = "t.csv"\n', "t.csv does not exist"),
    "rule without action": ("[[route]]\n", "x.toml:1: route[0]: one action is needed: forward, lookup,"),
    "unknown target set": (SET + '[[route]]\nforward = "uot"\n', 'no target set is named "uot"; did you mean "out"?'),
    "forward to no URI": ('[[route]]\nforward = "http://a"\n', '"http://a" is not a SIP URI'),
    "prefix": ('[[route]]\nprefixes = ["0x"]\ndrop = true\n', 'x.toml:2: route[0].prefixes[0]: "0x" is not a number'),
    "method": ('[[route]]\nmethods = ["IN VITE"]\ndrop = true\n', 'x.toml:2: route[0].methods[0]: "IN VITE" is not'),
    "source": ('[[route]]\nsources = ["a"]\ndrop = true\n', 'x.toml:2: route[0].sources[0]: "a" is not an address'),
    "redirect nowhere": ("[[route]]\nredirect = {}\n", "x.toml:2: route[0].redirect: one source of contacts is needed"),
    "redirect twice": ('[[route]]\nredirect = { lookup = true, contacts = ["sip:a"] }\n', "contacts is given too"),
    "redirect contact": ('[[route]]\nredirect = { contacts = ["a"] }\n', '"a" is not a SIP URI'),
    "redirect table": ('[[route]]\nredirect = { table = "t" }\n', 'no table is named "t"'),
    "redirect status": (
        "[[route]]\nredirect = { lookup = true, status = 200 }\n",
        "200 is not one of 300, 301, 302, 305",
    ),
    "reply status": ("[[route]]\nreply = { status = 100 }\n", "expected a whole number >= 200, got 100"),
    "rule twice": ('[[route]]\nname = "a"\ndrop = true\n' * 2, 'x.toml:5: route[1].name: "a" is already route[0]'),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_one_problem(text: str, expected: str, tmp_path: Path) -> None:
    found = problems(text, tmp_path)
    assert len(found) == 1, found
    assert expected in found[0]
    assert "\n" not in found[0]


def test_a_rule_is_not_blamed_for_a_target_set_that_is_broken() -> None:
    assert problems('[[target_set]]\nname = "out"\n[[route]]\nforward = "out"\n') == [
        "x.toml:1: target_set[0].targets: this key is missing"
    ]


def test_what_a_worker_would_refuse_is_told_with_the_rest() -> None:
    text = """
[[route]]
forward = "sip:nowhere:abc"
[[route]]
uri = "("
lookup = true
[[route]]
redirect = { table = "numbers" }
[[table]]
name = "numbers"
file = "none.csv"
"""
    assert [problem.partition(":")[2].partition(": /")[0] for problem in problems(text, Path("/nowhere"))] == [
        '3: route[0].forward: "sip:nowhere:abc" is not a URI: bad port',
        '5: route[1].uri: "(" is not a regular expression: unclosed group',
        "11: table[0].file",
    ]


def test_lines_end_as_they_like(tmp_path: Path) -> None:
    assert problems("[server]\r\nworkers = -1\r\n")[0].startswith("x.toml:2: server.workers: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.toml: No such file or directory"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigurationError, match=r"x\.toml:2: not UTF-8"):
        load(tmp_path / "x.toml")


@pytest.mark.parametrize("mode", [0o600])
def test_a_table_that_is_a_folder(tmp_path: Path, mode: int) -> None:
    (tmp_path / "t.csv").mkdir(mode)
    assert "is not a file" in problems('[[table]]\nname = "t"\nfile = "t.csv"\n', tmp_path)[0]


def test_a_table_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "t.xls").touch()
    assert "neither .csv nor .dpt" in problems('[[table]]\nname = "t"\nfile = "t.xls"\n', tmp_path)[0]
