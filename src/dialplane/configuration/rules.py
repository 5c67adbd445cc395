"""What types cannot say: addresses that parse, names that exist, exactly one action. RFC 3261 §25.1 for tokens.

Nothing is looked up and no SIP URI is taken apart here; that is the native check, which compiles the configuration as
a worker does (``dialplane_native.server.check``).
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from dialplane.configuration.address import AddressError, host_port, listen_address
from dialplane.configuration.problem import suggestion

if TYPE_CHECKING:
    from pathlib import Path

    from dialplane.config import Auth, Config, Database, Redirect, Registrar, Route, TargetSet
    from dialplane.configuration.problem import KeyPath

Finding: TypeAlias = "tuple[KeyPath, str]"
Findings: TypeAlias = Iterator[Finding]

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+\Z")
_URI = re.compile(r"(sips?|tel):[^\s]+\Z", re.IGNORECASE)
_PREFIX = re.compile(r"\+?[0-9]*\Z")
_METHODS = [
    "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER", "REGISTER",
    "SUBSCRIBE", "UPDATE",
]  # fmt: skip
ACTIONS = ("forward", "lookup", "redirect", "reply", "drop")
REDIRECTIONS = ("table", "contacts", "lookup")


def findings(config: Config, base: Path) -> Findings:
    """All that is wrong with ``config``, whose relative files lie beside ``base``."""
    yield from _domains(config)
    yield from _listeners(config, base)
    for index, certificate in enumerate(config.certificate):
        yield from _file(base / certificate.chain, ("certificate", index, "chain"))
        yield from _file(base / certificate.key, ("certificate", index, "key"))
    if config.tls.authorities is not None:
        yield from _file(base / config.tls.authorities, ("tls", "authorities"))
    yield from _networks(config.connections.balancers, ("connections", "balancers"))
    yield from _networks(config.guard.allow, ("guard", "allow"))
    yield from _auth(config.auth)
    yield from _registrar(config.registrar)
    yield from _networks(config.proxy.trusted, ("proxy", "trusted"))
    yield from _name_servers(config.dns.servers)
    yield from _database(config.database)
    if config.admin.address:
        yield from _address(config.admin.address, ("admin", "address"))
    yield from _unique([entry.name for entry in config.target_set], "target_set")
    for index, entry in enumerate(config.target_set):
        yield from _target_set(entry, ("target_set", index))
    yield from _unique([entry.name for entry in config.table], "table")
    for index, table in enumerate(config.table):
        if not _TOKEN.match(table.name):
            yield ("table", index, "name"), f'"{table.name}" is not a name: use letters, digits, "-" and "_"'
        yield from _table_file(base / table.file, ("table", index, "file"))
    yield from _unique([entry.name for entry in config.route], "route")
    for index, route in enumerate(config.route):
        yield from _route(route, config, ("route", index))


def _domains(config: Config) -> Findings:
    for index, domain in enumerate(config.domains):
        is_name = bool(domain) and not any(mark in domain for mark in "@:/ ")
        if not is_name and not _is_address(domain.strip("[]")):
            yield ("domains", index), f'"{domain}" is not a domain: expected a host name or an address alone'


def _listeners(config: Config, base: Path) -> Findings:
    if not config.listen:
        yield ("listen",), "at least one listener is needed"
    seen: dict[object, int] = {}
    for index, listen in enumerate(config.listen):
        path: KeyPath = ("listen", index, "address")
        try:
            address = listen_address(listen.address)
        except AddressError as error:
            yield path, str(error)
            continue
        is_secure = address.transport in {"tls", "wss"}
        if is_secure and not config.certificate:
            yield path, f"{address.transport} needs a [[certificate]]"
        if listen.client_authorities is not None:
            file: KeyPath = ("listen", index, "client_authorities")
            if is_secure:
                yield from _file(base / listen.client_authorities, file)
            else:
                yield file, f"{address.transport} asks for no certificate, only tls and wss do"
        # TCP and UDP have ports of their own; TLS and WebSocket are TCP.
        socket = ("datagrams" if address.transport == "udp" else "connections", address.bind)
        if socket in seen:
            yield path, f"{listen.address} is already listen[{seen[socket]}]"
        seen.setdefault(socket, index)
        if listen.advertise is not None:
            host, _, port = listen.advertise.rpartition(":")
            if host and not host.endswith("]") and ":" in host:
                host, port = listen.advertise, ""
            if not (host or port) or (host and port and not _is_port(port)):
                yield ("listen", index, "advertise"), f'"{listen.advertise}" is not HOST or HOST:PORT'


def _auth(auth: Auth) -> Findings:
    if not auth.algorithms and (auth.register or auth.calls):
        yield ("auth", "algorithms"), "at least one algorithm is needed to challenge anyone"
    for index, algorithm in enumerate(auth.algorithms):
        if algorithm in auth.algorithms[:index]:
            yield ("auth", "algorithms", index), f"{algorithm} is already in the list"
    if auth.realm is not None and (not auth.realm or '"' in auth.realm or "\\" in auth.realm):
        yield ("auth", "realm"), "a realm is text without quotation marks and backslashes, and not empty"


def _registrar(registrar: Registrar) -> Findings:
    low, usual, high = registrar.min_expires, registrar.default_expires, registrar.max_expires
    if low > high:
        yield ("registrar", "min_expires"), f"min_expires ({low}) is above max_expires ({high})"
    elif not low <= usual <= high:
        yield ("registrar", "default_expires"), f"default_expires ({usual}) is not between {low} and {high}"
    for index, uri in enumerate(registrar.service_route):
        yield from _uri(uri, ("registrar", "service_route", index))


def _name_servers(servers: list[str]) -> Findings:
    for index, server in enumerate(servers):
        if not _is_address(server):
            yield from _address(server, ("dns", "servers", index))


def _database(database: Database) -> Findings:
    kind, _, rest = database.url.partition(":")
    if database.url == "none":
        return
    if kind not in {"sqlite", "postgresql", "postgres"} or not rest.strip("/"):
        near = suggestion(kind, ["sqlite", "postgresql", "none"])
        hint = near if "did you mean" in near else ""
        yield ("database", "url"), f'"{database.url}" is not sqlite:FILE, postgresql://… or none{hint}'
    if database.refresh < database.urgent:
        yield ("database", "refresh"), f"refresh ({database.refresh}) is below urgent ({database.urgent})"


def _target_set(entry: TargetSet, path: KeyPath) -> Findings:
    if not _TOKEN.match(entry.name) or entry.name == "request-uri":
        yield (*path, "name"), f'"{entry.name}" cannot be told from a URI: use letters, digits, "-" and "_"'
    if not entry.targets:
        yield (*path, "targets"), "at least one target is needed"
    elif not any(target.weight for target in entry.targets):
        yield (*path, "targets"), "at least one target needs a weight above 0"
    for index, target in enumerate(entry.targets):
        yield from _uri(target.uri, (*path, "targets", index, "uri"))
    if entry.probe is not None:
        if not entry.probe.accept:
            yield (*path, "probe", "accept"), "at least one status is needed, or every target is always down"
        if entry.probe.timeout > entry.probe.interval:
            yield (*path, "probe", "timeout"), "the timeout is longer than the interval"
        if entry.probe.from_uri is not None:
            yield from _uri(entry.probe.from_uri, (*path, "probe", "from_uri"))

    if entry.eject is not None and entry.eject.longest < entry.eject.time:
        yield (*path, "eject", "longest"), f"longest ({entry.eject.longest}) is below time ({entry.eject.time})"


def _watches(entry: TargetSet) -> str | None:
    """What of a set has to know what becomes of requests."""
    return f'policy "{entry.policy}"' if entry.policy in {"calls", "latency"} else "eject" if entry.eject else None


def _route(route: Route, config: Config, path: KeyPath) -> Findings:
    yield from _exactly_one(route, ACTIONS, path, "action")
    for index, method in enumerate(route.methods):
        if not _TOKEN.match(method):
            yield (*path, "methods", index), f'"{method}" is not a method'
        elif method not in _METHODS and method.upper() in _METHODS:
            yield (*path, "methods", index), f'methods are case-sensitive: "{method.upper()}"'
    for index, prefix in enumerate(route.prefixes):
        if not prefix or not _PREFIX.match(prefix):
            yield (*path, "prefixes", index), f'"{prefix}" is not a number prefix: digits, with or without a "+" before'
    yield from _networks(route.sources, (*path, "sources"))
    if route.forward is not None:
        yield from _forward(route.forward, config, (*path, "forward"))
    if route.mode is not None and route.forward is None and not route.lookup:
        yield (*path, "mode"), "only what is forwarded has a mode: forward or lookup"
    to = next((entry for entry in config.target_set if entry.name == route.forward), None)
    if to is not None and route.mode == "stateless" and (watches := _watches(to)):
        yield (*path, "mode"), f'{watches} of target set "{to.name}" has to see what becomes of calls: stateful'
    record_route = config.proxy.record_route if route.record_route is None else route.record_route
    if to is not None and to.policy == "calls" and not record_route:
        yield (*path, "record_route"), f'policy "calls" of target set "{to.name}" has to see BYE: record_route = true'
    if route.path and route.forward is None:
        yield (*path, "path"), "only REGISTER that is forwarded gets a Path: forward"
    if route.ring is not None and not route.lookup:
        yield (*path, "ring"), "only contacts that are looked up ring one after the other: lookup"
    if route.redirect is not None:
        yield from _redirect(route.redirect, config, (*path, "redirect"))


def _forward(forward: str, config: Config, path: KeyPath) -> Findings:
    if ":" in forward:
        yield from _uri(forward, path)
    elif forward != "request-uri" and forward not in {entry.name for entry in config.target_set}:
        near = suggestion(forward, [*(entry.name for entry in config.target_set), "request-uri"])
        yield path, f'no target set is named "{forward}"{near}'


def _redirect(redirect: Redirect, config: Config, path: KeyPath) -> Findings:
    yield from _exactly_one(redirect, REDIRECTIONS, path, "source of contacts")
    if redirect.table is not None and redirect.table not in {entry.name for entry in config.table}:
        near = suggestion(redirect.table, [entry.name for entry in config.table])
        yield (*path, "table"), f'no table is named "{redirect.table}"{near}'
    for index, contact in enumerate(redirect.contacts):
        inner = contact[1 : contact.rfind(">")] if contact.startswith("<") else contact
        yield from _uri(inner, (*path, "contacts", index))


def _exactly_one(entry: Route | Redirect, names: tuple[str, ...], path: KeyPath, what: str) -> Findings:
    given = [name for name in names if getattr(entry, name)]
    if not given:
        yield path, f"one {what} is needed: {', '.join(names)}"
    elif len(given) > 1:
        yield (*path, given[1]), f"only one {what} is possible, and {given[0]} is given too"


def _unique(names: list[str], key: str) -> Findings:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name and first.setdefault(name, index) != index:
            yield (key, index, "name"), f'"{name}" is already {key}[{first[name]}]'


def _networks(values: list[str], path: KeyPath) -> Findings:
    for index, value in enumerate(values):
        try:
            ipaddress.ip_network(value)
        except ValueError:
            try:
                hint = f"; did you mean {ipaddress.ip_network(value, strict=False)}?"
            except ValueError:
                hint = ""
            yield (*path, index), f'"{value}" is not an address or a network such as 192.0.2.0/24{hint}'


def _uri(value: str, path: KeyPath) -> Findings:
    if not _URI.match(value):
        yield path, f'"{value}" is not a SIP URI such as sip:192.0.2.7:5080'


def _address(value: str, path: KeyPath) -> Findings:
    try:
        host_port(value)
    except AddressError as error:
        yield path, str(error)


def _file(file: Path, path: KeyPath) -> Findings:
    if not file.exists():
        yield path, f"{file} does not exist"
    elif not file.is_file():
        yield path, f"{file} is not a file"
    elif not os.access(file, os.R_OK):
        yield path, f"{file} cannot be read"


def _table_file(file: Path, path: KeyPath) -> Findings:
    problems = list(_file(file, path))
    yield from problems
    if not problems and file.suffix not in {".csv", ".dpt"}:
        yield path, f"{file} is neither .csv nor .dpt"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) <= 0xFFFF
