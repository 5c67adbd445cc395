"""The configuration file: one TOML file, typed by these structs. Mirrored in ``native/core/src/config.rs``.

Every field has a default, so an empty file (or none) is a working server on the loopback address. Durations are in
seconds, sizes in octets.
"""

from __future__ import annotations

import msgspec


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[server]``: the processes."""

    workers: int = 0
    """Worker processes; 0 means one for each core that this process may use."""
    data: str = ""
    """Folder of the shared store and of a relative database; empty means ``$XDG_STATE_HOME/dialplane``."""
    name: str = "dialplane"
    """Text of the Server header field in own responses; empty leaves the field out."""
    log: str = "auto"
    """``console``, ``json``, or ``auto``: console on a terminal, JSON otherwise."""
    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""


class Listen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[listen]]``: one socket address; each worker has a socket of its own on it."""

    address: str
    """``TRANSPORT:HOST:PORT``: ``udp:192.0.2.1:5060``, ``udp:[2001:db8::1]:5060``."""
    advertise: str | None = None
    """``HOST`` or ``HOST:PORT`` for Via and Record-Route, when peers see another address than the one bound."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[limits]``: what one message may ask of us. Beyond: 400, 413 or 513."""

    message: int = 65536
    fields: int = 256
    via: int = 64
    route: int = 32
    field: int = 16384
    contacts: int = 64
    bindings: int = 10


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[auth]``: digest authentication, RFC 3261 §22, RFC 7616, RFC 8760."""

    realm: str | None = None
    """Realm of the challenge; without it, the domain of the address-of-record."""
    algorithms: list[str] = msgspec.field(default_factory=lambda: ["SHA-256", "MD5"])
    """Offered in this order: ``SHA-256``, ``SHA-512-256``, ``MD5``."""
    nonce_lifetime: int = 300
    """Age at which a nonce becomes stale."""
    register: bool = True
    """Challenge REGISTER."""
    calls: bool = True
    """Challenge requests outside a dialog whose From is one of our domains, and whatever asks to be relayed."""


class Registrar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[registrar]``: RFC 3261 §10.3."""

    default_expires: int = 3600
    min_expires: int = 60
    max_expires: int = 7200
    path: str = "supported"
    """``supported``: accept Path only with ``Supported: path`` (else 420-free 421); ``always``: store it; ``ignore``: no."""
    nat: str = "auto"
    """``auto``: send to the address the REGISTER came from when the Contact is not that address; ``never``: by Contact."""


class Proxy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[proxy]``: RFC 3261 §16."""

    record_route: bool = True
    trusted: list[str] = msgspec.field(default_factory=list)
    """Addresses or networks whose requests are not challenged and may be relayed."""
    relay: bool = True
    """Let authenticated users and trusted sources reach other domains."""


class Database(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[database]``: the database of record (subscribers, bindings)."""

    url: str = "sqlite:dialplane.db"
    """``sqlite:FILE`` (relative to ``server.data``), ``postgresql://…``, or ``none``."""
    urgent: float = 1.0
    """A new, moved or removed binding is in the database after at most this many seconds."""
    refresh: float = 30.0
    """A refresh that only moves the expiry is there after at most this many seconds."""


class Admin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[admin]``: HTTP of the control process."""

    address: str = "127.0.0.1:8060"
    """``HOST:PORT``; empty switches it off."""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of ``target_set.targets``."""

    uri: str
    weight: int = 1
    priority: int = 0
    """Lower comes first; a higher number is used when no target of a lower one is up."""


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``target_set.probe``: health by OPTIONS, RFC 3261 §11."""

    interval: float = 10.0
    timeout: float = 2.0
    failures: int = 3
    successes: int = 1
    accept: list[int] = msgspec.field(default_factory=lambda: [200, 404, 405, 481, 501])
    """Final statuses that mean "alive"."""
    from_uri: str | None = None


class TargetSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[target_set]]``: next hops that can stand for each other."""

    name: str
    policy: str = "weight"
    """``weight``, ``round-robin``, ``hash`` or ``priority``."""
    hash_by: str = "call-id"
    """For ``hash``: ``call-id``, ``from``, ``to``, ``uri`` or ``source``."""
    targets: list[Target]
    probe: Probe | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[table]]``: telephone numbers or prefixes and where they lead. CSV ``number,uri[;q]`` or a compiled ``.dpt``."""

    name: str
    file: str


class Redirect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``route.redirect``: RFC 3261 §8.3. Exactly one of ``table``, ``contacts``, ``lookup``."""

    table: str | None = None
    contacts: list[str] = msgspec.field(default_factory=list)
    lookup: bool = False
    status: int = 302


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``route.reply``: a final response of our own."""

    status: int
    reason: str | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[route]]``: a rule. The first rule whose conditions all hold decides; an empty condition holds always.

    Exactly one of ``forward``, ``lookup``, ``redirect``, ``reply``, ``drop``.
    """

    name: str = ""
    methods: list[str] = msgspec.field(default_factory=list)
    domains: list[str] = msgspec.field(default_factory=list)
    """Host of the request URI."""
    users: list[str] = msgspec.field(default_factory=list)
    """User part of the request URI, exact."""
    prefixes: list[str] = msgspec.field(default_factory=list)
    """The number in the request URI starts with one of these; the longest prefix of all rules is tried first."""
    sources: list[str] = msgspec.field(default_factory=list)
    """Address or network that the request came from."""
    uri: str | None = None
    """Regular expression on the whole request URI; tried last."""
    authenticate: bool | None = None
    """Challenge (true) or do not (false) whatever ``auth.calls`` says."""
    record_route: bool | None = None
    strip: int = 0
    """Characters to take off the front of the user part before forwarding."""
    prepend: str = ""
    """Text to put in front of the user part before forwarding."""
    forward: str | None = None
    """A target set's name, a SIP URI, or ``request-uri``."""
    lookup: bool = False
    redirect: Redirect | None = None
    reply: Reply | None = None
    drop: bool = False


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    domains: list[str] = msgspec.field(default_factory=list)
    """Domains we are responsible for (RFC 3261 §16.5); the addresses we listen on always are."""
    server: Server = msgspec.field(default_factory=Server)
    listen: list[Listen] = msgspec.field(default_factory=lambda: [Listen(address="udp:127.0.0.1:5060")])
    limits: Limits = msgspec.field(default_factory=Limits)
    auth: Auth = msgspec.field(default_factory=Auth)
    registrar: Registrar = msgspec.field(default_factory=Registrar)
    proxy: Proxy = msgspec.field(default_factory=Proxy)
    database: Database = msgspec.field(default_factory=Database)
    admin: Admin = msgspec.field(default_factory=Admin)
    target_set: list[TargetSet] = msgspec.field(default_factory=list)
    table: list[Table] = msgspec.field(default_factory=list)
    route: list[Route] = msgspec.field(default_factory=list)
