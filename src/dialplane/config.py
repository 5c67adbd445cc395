"""The configuration file: one TOML file, typed by these structs. Mirrored in ``native/core/src/config.rs``.

Every field has a default, so an empty file (or none) is a working server on the loopback address. Durations are in
seconds, sizes in octets.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Seconds: TypeAlias = Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)]
Duration: TypeAlias = Annotated[float, Meta(ge=0.05, le=86400)]
Name: TypeAlias = Annotated[str, Meta(min_length=1)]
Algorithm: TypeAlias = Literal["SHA-256", "SHA-512-256", "MD5"]


SCANNERS = (
    "friendly-scanner", "friendly-request", "sipvicious", "pplsip", "sipcli", "sipscan", "sip-scan", "siparmyknife",
    "sundayddr", "vaxsipuseragent", "smap", "iwar", "vaxip", "sivus", "gulp", "sipv",
)  # fmt: skip
"""What scanners in use call themselves."""


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[server]``: the processes."""

    workers: Annotated[int, Meta(ge=0, le=1024)] = 0
    """Worker processes; 0 means one for each core that this process may use."""
    steering: Literal["auto", "classic"] = "auto"
    """How the kernel picks the worker for a datagram: ``auto`` by an eBPF program, which also drops what banned sources
    send, where the kernel lets us, else as ``classic``, a program that needs no privilege and sees less."""
    data: str = ""
    """Folder of the shared store and of a relative database; empty means ``$XDG_STATE_HOME/dialplane``."""
    name: str = "dialplane"
    """Text of the Server header field in own responses; empty leaves the field out."""
    retire: Annotated[float, Meta(ge=0)] = 86_400.0
    """Seconds for which a process that an upgrade has replaced goes on with the connections it has; those that are left
    then are closed. 0 closes all at the upgrade."""
    log: Literal["auto", "console", "json"] = "auto"
    """``console``, ``json``, or ``auto``: console on a terminal, JSON otherwise."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""


class Listen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[listen]]``: one socket address; each worker has a socket of its own on it."""

    address: str
    """``TRANSPORT:HOST:PORT``: ``udp:192.0.2.1:5060``, ``tls:[2001:db8::1]:5061``. The transport is ``udp``, ``tcp``,
    ``tls``, ``ws`` or ``wss``; a port for ``tcp`` takes WebSockets too, one for ``tls`` secure WebSockets. Browsers
    connect to any port but 5060 and 5061."""
    advertise: str | None = None
    """``HOST`` or ``HOST:PORT`` for Via and Record-Route, when peers see another address than the one bound."""
    client_authorities: str | None = None
    """For ``tls`` and ``wss``: PEM file of authorities; each client must show a certificate that one of them signed.
    Requests to a server that says ``alias`` (RFC 5923) and is named in its certificate go by its connection."""
    keep: Annotated[int, Meta(ge=0, le=86400)] | None = None
    """Seconds in which clients that ask by ``keep`` in Via (RFC 6223) are told to send a keep-alive; 0 tells nothing.
    Without it, 29 for ``udp``, where it is a STUN request, and 120 else. Flow-Timer goes before it."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[certificate]]``: who we are on ``tls`` and ``wss``. The first with the name that a client asks for (SNI) is
    shown, else the first of all. Read again at a reload; connections that stand keep theirs.
    """

    chain: Name
    """PEM file: our certificate and those between it and the authority. Relative to the configuration file."""
    key: Name
    """PEM file with the private key."""


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tls]``: connections that we open, and what both sides must speak."""

    authorities: str | None = None
    """PEM file of authorities whose certificates we accept; without it, those of the system."""
    verify: bool = True
    """Refuse a next hop whose certificate is not for the host in its URI (RFC 5922)."""
    present: bool = True
    """Show the first ``[[certificate]]`` to next hops that ask for one, and let them send us requests by the same
    connection (``alias`` in Via, RFC 5923)."""
    oldest: Literal["1.2", "1.3"] = "1.2"
    """Oldest version of TLS that is spoken, on either side."""


class Connections(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[connections]``: TCP, TLS and WebSocket, RFC 3261 §18."""

    most: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
    """Connections of one worker; a further one is closed at once."""
    buffer: Annotated[int, Meta(ge=65536, le=1 << 30)] = 262_144
    """Octets that may wait to be sent on one connection; a peer that does not read is cut off."""
    connect: Duration = 4.0
    """A connection that we open must be there, handshake and all, after this time."""
    first: Duration = 10.0
    """A connection that we accept must have brought a whole message after this time."""
    message: Duration = 32.0
    """A message that has begun must be whole after this time."""
    idle: Duration = 7500.0
    """A connection on which nothing was heard for this time is closed. Above ``registrar.max_expires``."""
    balancers: list[str] = msgspec.field(default_factory=list)
    """Addresses or networks of load balancers, whose connections begin with the PROXY protocol, version 2."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[limits]``: what one message may ask of us. Beyond: 400, 413 or 513."""

    message: Annotated[int, Meta(ge=512, le=65536)] = 65536
    """Octets of one message."""
    fields: Count = 256
    """Header fields of one message."""
    via: Count = 64
    """Via values of one message."""
    route: Count = 32
    """Route values of one message."""
    field: Count = 16384
    """Octets of one header field."""
    contacts: Count = 64
    """Contact values of one request."""
    bindings: Annotated[int, Meta(ge=1, le=256)] = 10
    """Bindings of one address-of-record."""


class Guard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[guard]``: floods, scanners, guessed passwords, overload. A source is an IPv4 address or an IPv6 /64."""

    allow: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1"])
    """Addresses or networks that are never limited nor banned; those of ``proxy.trusted`` never are."""
    requests: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Requests outside dialogs that one source may send in a second; 0 means any number. Beyond: 503."""
    refused: Annotated[int, Meta(ge=1, le=1_000_000)] = 600
    """Messages of one source that may come to nothing in a minute (no SIP, no credentials, nobody there); beyond, it is
    banned. Ten times as many for a source that has shown that it receives our answers."""
    failures: Annotated[int, Meta(ge=1, le=1_000_000)] = 10
    """Wrong credentials that one source may send in a minute; beyond, it is banned. Ten times as many as above."""
    scanners: list[Name] = msgspec.field(default_factory=lambda: list(SCANNERS))
    """Beginnings of User-Agent, in any case; who sends one gets no answer and is banned."""
    ban: Annotated[float, Meta(ge=0, le=31_536_000)] = 600.0
    """How long a ban lasts; 0 means that nobody is banned."""
    delay: Duration = 0.05
    """When datagrams wait longer than this for more than a fifth of a second, a growing share of new requests is
    refused with 503: those of strangers first, never responses, requests in dialogs or emergencies."""
    emergency: list[Name] = msgspec.field(default_factory=lambda: ["112", "911"])
    """Numbers or users that are never refused for rate or load, as ``urn:service:sos`` is not."""


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[auth]``: digest authentication, RFC 3261 §22, RFC 7616, RFC 8760."""

    realm: str | None = None
    """Realm of the challenge; without it, the domain of the address-of-record."""
    algorithms: list[Algorithm] = msgspec.field(default_factory=lambda: ["SHA-256", "MD5"])
    """Offered in this order: ``SHA-256``, ``SHA-512-256``, ``MD5``."""
    nonce_lifetime: Seconds = 300
    """Age at which a nonce becomes stale."""
    register: bool = True
    """Challenge REGISTER."""
    calls: bool = True
    """Challenge requests outside a dialog whose From is one of our domains, and whatever asks to be relayed."""


class Registrar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[registrar]``: RFC 3261 §10.3."""

    default_expires: Seconds = 3600
    """Lifetime of a binding when the request names none."""
    min_expires: Seconds = 60
    """A shorter wish is refused with 423 and this value."""
    max_expires: Seconds = 7200
    """A longer wish is cut to this value."""
    path: Literal["supported", "always", "ignore"] = "supported"
    """``supported``: accept Path (RFC 3327) only with ``Supported: path``, else 421; ``always``; ``ignore``."""
    nat: Literal["auto", "never"] = "auto"
    """``auto``: send to where the REGISTER came from when the Contact is another address; ``never``: by Contact."""
    service_route: list[str] = msgspec.field(default_factory=list)
    """URIs with ``lr`` that clients are told to send their requests by (Service-Route, RFC 3608)."""
    flow_timer: Annotated[int, Meta(ge=0, le=86400)] = 0
    """Seconds in which clients with Outbound (RFC 5626) are told to send a keep-alive (Flow-Timer); 0 tells nothing."""
    gruu: bool = False
    """Give clients that ask for it URIs of their own (GRUU, RFC 5627). Their peers then send to ``user@domain`` inside
    of calls: the domain must lead here by DNS from wherever they are, or ``record_route`` be on."""


class Proxy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[proxy]``: RFC 3261 §16."""

    record_route: bool = True
    """Stay in the path of dialogs that pass (RFC 3261 §16.6 step 4); a rule may say otherwise."""
    trusted: list[str] = msgspec.field(default_factory=list)
    """Addresses or networks whose requests are not challenged and may be relayed."""
    relay: bool = True
    """Let authenticated users and trusted sources reach other domains."""
    recurse: bool = False
    """Try the contacts of a 3xx response ourselves (RFC 3261 §16.7 step 4), for what is kept in transactions."""
    patience: Duration = 3.0
    """A next hop that has said nothing to an INVITE for this time, not even 100, is left for the next address of its
    name or the next target of its set; with other requests, four seconds later."""
    ring: Duration = 30.0
    """Contacts ring for this time before those with the next lower q do; those with the lowest ring on."""


class Dns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[dns]``: finding the next hop of a name, RFC 3263."""

    servers: list[str] = msgspec.field(default_factory=list)
    """Name servers, ``HOST`` or ``HOST:PORT``, asked in this order; without any, those of the system. Names in the
    hosts file are not asked for."""
    timeout: Duration = 2.0
    """A query without an answer after this time has failed."""
    attempts: Annotated[int, Meta(ge=1, le=10)] = 2
    """How often a query that fails is put."""
    longest: Duration = 86400.0
    """An answer is not used for longer than this without asking again, whatever life its records have."""
    stale: Annotated[float, Meta(ge=0, le=604800)] = 3600.0
    """While no name server answers, an answer is used for this long after its time."""
    avoid: Annotated[float, Meta(ge=0, le=86400)] = 30.0
    """An address of a name that refused, or did not answer, is tried last for this time."""


class Database(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[database]``: the database of record (subscribers, bindings)."""

    url: str = "sqlite:dialplane.db"
    """``sqlite:FILE`` (relative to ``server.data``), ``postgresql://…``, or ``none``."""
    bindings: bool = True
    """Write bindings to the database too. Without it they are in the shared store alone, which the death of any process
    leaves whole and a power cut does not; subscribers come from the database either way."""
    urgent: Duration = 1.0
    """A new, moved or removed binding is in the database after at most this many seconds."""
    refresh: Duration = 30.0
    """A refresh that only moves the expiry is there after at most this many seconds."""


class Admin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[admin]``: HTTP of the control process."""

    address: str = "127.0.0.1:8060"
    """``HOST:PORT``; empty switches it off."""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``target_set.targets``: one next hop."""

    uri: Name
    """SIP URI of the next hop: ``sip:gw1.example.net``, ``sip:192.0.2.7:5080``."""
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    """Share among the targets of the same priority, for ``weight`` and ``hash``; 0 means none of it."""
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Lower comes first; a higher number is used when no target of a lower one is up."""
    drain: bool = False
    """Gets no new calls; those that it has go on. ``dialplane targets drain`` does the same without a reload."""


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``target_set.probe``: health by OPTIONS, RFC 3261 §11."""

    interval: Duration = 10.0
    """Time between two probes of a target."""
    timeout: Duration = 2.0
    """A probe without an answer after this time has failed."""
    failures: Count = 3
    """Failed probes in a row until a target counts as down."""
    successes: Count = 1
    """Answered probes in a row until a target counts as up again."""
    accept: list[Annotated[int, Meta(ge=200, le=699)]] = msgspec.field(
        default_factory=lambda: [200, 404, 405, 481, 501]
    )
    """Final statuses that mean "alive"."""
    from_uri: str | None = None
    """From of the probes; without it, ``sip:ping@`` and our address."""


class Eject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``target_set.eject``: a target that fails request after request (no answer, connection refused, 503) is left
    alone for a while. Takes rules that keep transactions (``mode``).
    """

    failures: Annotated[int, Meta(ge=1, le=255)] = 5
    """Failures in a row until a target is out."""
    time: Duration = 30.0
    """How long it is out the first time; then twice as long each time, until it has been good for as long."""
    longest: Duration = 300.0
    """How long at most."""
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Part of the set that may be out at one time: 0.5 is one of two or three targets."""


class TargetSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[target_set]]``: next hops that can stand for each other."""

    name: Name
    """What ``forward`` calls it."""
    policy: Literal["weight", "round-robin", "hash", "priority", "calls", "latency"] = "weight"
    """``weight``, ``round-robin``, ``hash``, ``priority``; ``calls``: fewest open calls for the weight, over all
    workers; ``latency``: of two drawn by weight, the one that has answered sooner of late. The last two take rules that
    keep transactions (``mode``)."""
    hash_by: Literal["call-id", "from", "to", "uri", "source"] = "call-id"
    """For ``hash``: ``call-id``, ``from``, ``to``, ``uri`` or ``source``."""
    targets: list[Target]
    """At least one."""
    probe: Probe | None = None
    """Health checks; without it, every target counts as up."""
    eject: Eject | None = None
    """Leave targets alone that fail; without it, none."""
    longest_call: Duration = 14400.0
    """For ``calls``: a call is open from its INVITE until it is refused or its BYE passes (``record_route``); where no
    BYE is seen, for this long."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[table]]``: telephone numbers or prefixes and where they lead. CSV ``number,uri[;q]`` or compiled ``.dpt``."""

    name: Name
    """What ``redirect.table`` calls it."""
    file: Name
    """Path of the file, relative to the configuration file."""


class Redirect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``route.redirect``: RFC 3261 §8.3. Exactly one of ``table``, ``contacts``, ``lookup``."""

    table: str | None = None
    """A table's name: the contacts of the longest entry that the number starts with."""
    contacts: list[str] = msgspec.field(default_factory=list)
    """These contacts, each ``URI`` or ``<URI>;q=0.5``."""
    lookup: bool = False
    """The bindings of the address-of-record, by q."""
    status: Literal[300, 301, 302, 305, 380] = 302
    """Status of the response, RFC 3261 §21.3."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``route.reply``: a final response of our own."""

    status: Annotated[int, Meta(ge=200, le=699)]
    """Status of the response."""
    reason: str | None = None
    """Reason phrase; without it, the one of RFC 3261 §21."""


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[route]]``: a rule. The first rule whose conditions all hold decides; an empty condition holds always.

    Exactly one of ``forward``, ``lookup``, ``redirect``, ``reply``, ``drop``.
    """

    name: str = ""
    """Shown by ``dialplane explain`` and in logs."""
    methods: list[str] = msgspec.field(default_factory=list)
    """Methods, in capitals; ACK and CANCEL go with INVITE (RFC 3261 §16.11)."""
    domains: list[str] = msgspec.field(default_factory=list)
    """Host of the request URI."""
    users: list[str] = msgspec.field(default_factory=list)
    """User part of the request URI, exact."""
    prefixes: list[str] = msgspec.field(default_factory=list)
    """The number in the request URI starts with one of these. Of the rules with prefixes above the first one without
    that holds, the one with the longest prefix decides."""
    sources: list[str] = msgspec.field(default_factory=list)
    """Address or network that the request came from."""
    uri: str | None = None
    """Regular expression on the whole request URI; looked at when all other conditions of the rule hold."""
    authenticate: bool | None = None
    """Challenge (true) or do not (false) whatever ``auth.calls`` says."""
    record_route: bool | None = None
    """Whatever ``proxy.record_route`` says, for what this rule forwards."""
    mode: Literal["stateful", "stateless"] | None = None
    """``stateful``: keep what is forwarded in transactions, so that calls ring at all contacts, the next target is
    tried when one fails, and losers are cancelled; ``stateless``: remember nothing. Without it, ``lookup`` and a target
    set with more than one target are stateful, one next hop and ``request-uri`` are stateless. Later requests of a
    dialog go as its first did."""
    path: bool = False
    """Insert Path (RFC 3327) into REGISTER that this rule forwards, so that requests for the client come back to us
    and go by the connection, or to the address, that it registered from (RFC 5626 §5.1)."""
    ring: Duration | None = None
    """Whatever ``proxy.ring`` says, for what this rule looks up."""
    strip: Annotated[int, Meta(ge=0, le=255)] = 0
    """Characters to take off the front of the user part before forwarding."""
    prepend: str = ""
    """Text to put in front of the user part before forwarding."""
    forward: str | None = None
    """A target set's name, a SIP URI, or ``request-uri``."""
    lookup: bool = False
    """Forward to the bindings of the address-of-record (RFC 3261 §16.5)."""
    redirect: Redirect | None = None
    """Answer with contacts to try."""
    reply: Reply | None = None
    """Answer with this status."""
    drop: bool = False
    """Answer nothing."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    domains: list[str] = msgspec.field(default_factory=list)
    """Domains we are responsible for (RFC 3261 §16.5); the addresses we listen on always are."""
    server: Server = msgspec.field(default_factory=Server)
    listen: list[Listen] = msgspec.field(
        default_factory=lambda: [Listen(address="udp:127.0.0.1:5060"), Listen(address="tcp:127.0.0.1:5060")]
    )
    certificate: list[Certificate] = msgspec.field(default_factory=list)
    tls: Tls = msgspec.field(default_factory=Tls)
    connections: Connections = msgspec.field(default_factory=Connections)
    limits: Limits = msgspec.field(default_factory=Limits)
    guard: Guard = msgspec.field(default_factory=Guard)
    auth: Auth = msgspec.field(default_factory=Auth)
    registrar: Registrar = msgspec.field(default_factory=Registrar)
    proxy: Proxy = msgspec.field(default_factory=Proxy)
    dns: Dns = msgspec.field(default_factory=Dns)
    database: Database = msgspec.field(default_factory=Database)
    admin: Admin = msgspec.field(default_factory=Admin)
    target_set: list[TargetSet] = msgspec.field(default_factory=list)
    table: list[Table] = msgspec.field(default_factory=list)
    route: list[Route] = msgspec.field(default_factory=list)
