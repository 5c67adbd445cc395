"""What is measured: each workload with its sizes, its budget and its goal."""
# ruff: noqa: RUF001 (the multiplication sign is meant)

from __future__ import annotations

from dataclasses import dataclass, field, replace

WARMUP = 20_000


@dataclass(frozen=True, slots=True)
class Goal:
    """Where we are going, relative to the floor of the same round."""

    times: float = 1.0
    plus: float = 0.0
    """Microseconds."""

    def of(self, floor: float) -> float:
        """The goal in microseconds."""
        return floor * self.times + self.plus

    def __str__(self) -> str:
        return f"≤ floor + {self.plus:g} µs" if self.plus else f"≤ {self.times:g} × floor"


@dataclass(frozen=True, slots=True)
class Phase:
    """One run of the generator against a server that is already up."""

    name: str
    title: str
    args: tuple[str, ...]
    messages: str = "1 in, 1 out"
    measured: bool = True
    budget: float | None = None
    """At most this many times Kamailio's CPU time in the same round."""
    goal: Goal | None = None
    rival: str = ""
    """The phase of Kamailio's that the budget is set against; empty: the same."""
    settles: bool = False
    """Work that the server may put off (the database) is waited for and counted."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A server set up in one way, and the phases that it goes through."""

    name: str
    config: str
    """Configuration of Kamailio, without ``.cfg``; it takes no part when there is no such file."""
    phases: tuple[Phase, ...]
    kind: str = "cpu"
    """``cpu``, ``rate``, ``latency``, ``memory``, ``open``, ``start`` or ``spread``."""
    dialplane: str = ""
    """Routing rule of dialplane: ``call``, ``forward``, ``register``, ``redirect``, ``rules``, ``streams`` or
    ``table``; empty: it takes no part."""
    floor: tuple[str, int] | None = None
    """Mode of the relay, and for ``reply`` the size of what it sends."""
    durable: bool = False
    """Also measured with the other choice of database."""
    transport: str = "udp"
    """By which the load reaches the server: ``udp``, ``tcp``, ``tls`` or ``ws``."""
    stateful: bool = False
    """Transactions are kept."""
    record_route: bool = False
    """The server stays in the path of the dialog."""
    digest: str = ""
    """Algorithm that the server offers."""
    users: int = 0
    rates: tuple[int, ...] = ()
    """Messages per second of a ``latency`` workload."""
    most_rounds: int = 100
    """The long ones take part in the first rounds only."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of it: a full run or a quick one."""

    seconds: float = 3.0
    users: int = 100_000
    numbers: int = 10_000_000
    few: int = 1_000
    many: int = 1_000_000
    warmup: int = WARMUP
    bindings: tuple[int, ...] = (100_000, 1_000_000)
    rates: tuple[int, ...] = (1_000, 5_000, 20_000)
    trial: float = 2.0
    """Seconds of one trial in the search for the highest loss-free rate."""
    trials: int = 8
    callees: int = 100_000
    """Registered users of the workloads that look callees up."""
    rules: int = 1_000
    """Each with as many prefixes."""
    connections: int = 1_000
    """Of the workloads over TCP, TLS and WebSocket."""
    open: int = 50_000
    """Calls that are left ringing while the memory is read."""
    extras: bool = field(default=True)
    """Also the workloads that a quick run leaves out."""


QUICK = Scale(
    seconds=0.3,
    users=4_000,
    numbers=50_000,
    few=1_000,
    many=4_000,
    callees=2_000,
    connections=100,
    open=2_000,
    warmup=1_000,
    bindings=(4_000,),
    rates=(2_000,),
    trial=0.3,
    trials=3,
    extras=False,
)


def all_workloads(scale: Scale) -> list[Workload]:
    """Every workload at this scale, in the order of the report."""
    timed = ("--warmup", str(scale.warmup), "--seconds", f"{scale.seconds:g}")
    forward = Phase(
        "forward",
        "stateless forward, 726-byte INVITE",
        ("forward", *timed, "--retransmit", "100"),
        budget=0.5,
        goal=Goal(plus=0.5),
    )
    exchange = Phase(
        "exchange",
        "request and response",
        ("exchange", *timed, "--retransmit", "100"),
        messages="2 in, 2 out",
        budget=0.5,
        goal=Goal(plus=1.0),
    )
    workloads = [
        Workload("forward", "forward", (forward,), dialplane="forward", floor=("forward", 0)),
        Workload("exchange", "exchange", (exchange,), dialplane="forward", floor=("pair", 0)),
        call(scale),
        lookup_call(scale),
        fork(scale),
        *(streams(scale, transport) for transport in ("tcp", "tls", "ws")),
        register(scale),
        digest(scale, "MD5"),
        digest(scale, "SHA-256"),
        location("redirect", "redirect of an INVITE from location", scale.users, scale),
        table(scale),
        *(memory(count) for count in scale.bindings),
        Workload("rate", "forward", (forward,), kind="rate", dialplane="forward", floor=("forward", 0), most_rounds=3),
        Workload(
            "latency",
            "forward",
            (forward,),
            kind="latency",
            dialplane="forward",
            floor=("forward", 0),
            rates=scale.rates,
            most_rounds=3,
        ),
        replace(call(scale), name="call-rate", kind="rate", most_rounds=3),
        replace(call(scale), name="call-latency", kind="latency", most_rounds=3),
        replace(call(scale), name="call-memory", kind="open", floor=None, most_rounds=2),
    ]
    if scale.extras:
        workloads += [
            replace(location("location-few", f"the same with {scale.few:,} bindings", scale.few, scale), most_rounds=3),
            replace(
                location("location-many", f"the same with {scale.many:,} bindings", scale.many, scale), most_rounds=3
            ),
            Workload("workers", "forward", (forward,), kind="spread", dialplane="forward", floor=("forward", 0)),
            rules(scale),
            start(scale),
        ]
    return workloads


def call(scale: Scale) -> Workload:
    """Whole calls with Record-Route, each request but ACK in a transaction."""
    phase = Phase(
        "call",
        "stateful call with Record-Route",
        ("call", "--warmup", str(scale.warmup // 4), "--seconds", f"{scale.seconds:g}"),
        messages="6 in, 7 out",
        budget=0.4,
        goal=Goal(times=1.4),
    )
    return Workload(
        "call", "call", (phase,), dialplane="call", floor=("call", 0), stateful=True, record_route=True, most_rounds=3
    )


def lookup_call(scale: Scale) -> Workload:
    """INVITE to a registered callee, and its 200."""
    users = ("--users", str(scale.callees), "--contact", "127.0.0.1:16090")
    phase = Phase(
        "lookup-call",
        "location lookup and stateful relay",
        ("lookup-call", *users, "--warmup", str(scale.warmup // 2), "--seconds", f"{scale.seconds:g}"),
        messages="2 in, 3 out",
        budget=0.4,
        goal=Goal(times=1.4),
    )
    return Workload(
        "lookup-call",
        "lookup-call",
        (fill(scale.callees), phase),
        dialplane="register",
        floor=("call", 0),
        stateful=True,
        users=scale.callees,
        most_rounds=3,
    )


def fork(scale: Scale) -> Workload:
    """Calls to callees with three contacts: one answers, two are cancelled."""
    users = ("--users", str(scale.callees))
    fills = [
        Phase(
            f"contact-{n}",
            f"{scale.callees:,} REGISTER",
            (
                *("register", *users, "--count", str(scale.callees)),
                *("--contact", f"127.0.0.1:16090;n={n}", "--passes", str(10 * n)),
            ),
            measured=False,
        )
        for n in range(3)
    ]
    phase = Phase(
        "fork",
        "call that rings at three contacts",
        (
            *("fork", *users, "--contact", "127.0.0.1:16090;n=0"),
            *("--warmup", str(scale.warmup // 8), "--seconds", f"{scale.seconds:g}"),
        ),
        messages="12 in, 15 out",
        budget=0.4,
    )
    return Workload(
        "fork",
        "fork",
        (*fills, phase),
        dialplane="register",
        stateful=True,
        record_route=True,
        users=3 * scale.callees,
        most_rounds=3,
    )


def streams(scale: Scale, transport: str) -> Workload:
    """Request and response over many connections to the server, and one from it to the UAS by TCP."""
    connections = ("--transport", transport, "--senders", str(scale.connections))
    phase = Phase(
        transport,
        f"request and response, {scale.connections:,} connections, {transport.upper()}",
        ("exchange", *connections, "--warmup", str(scale.warmup // 2), "--seconds", f"{scale.seconds:g}"),
        messages="2 in, 2 out",
        budget=0.5,
    )
    return Workload(transport, transport, (phase,), dialplane="streams", transport=transport, most_rounds=3)


def rules(scale: Scale) -> Workload:
    """Stateless forward by 1,000 rules with 1,000 prefixes each."""
    phase = Phase(
        "rules",
        "stateless forward, 1,000 rules, 1,000,000 prefixes",
        ("forward", "--warmup", str(scale.warmup), "--seconds", f"{scale.seconds:g}"),
        budget=0.5,
        rival="forward",
    )
    return Workload(
        "rules", "no-such-rules", (phase,), dialplane="rules", floor=("forward", 0), users=scale.rules, most_rounds=2
    )


def register(scale: Scale) -> Workload:
    """New bindings, then refreshes of all of them; each user once, so that no database may merge two writes."""
    # The warm-up registers other users than the measured ones; the refresh goes over all. Its CSeq is above whatever
    # the first phase may have come to while it waited for the server.
    spare = scale.users // 10
    users = scale.users + spare
    common = ("register", "--users", str(users), "--count", str(scale.users), "--warmup", str(spare - 100))
    first = Phase(
        "register-first",
        f"REGISTER, first, {scale.users:,} users",
        common,
        budget=0.6,
        goal=Goal(times=1.4),
        settles=True,
    )
    refresh = Phase(
        "register-refresh",
        "REGISTER, refresh",
        (*common, "--passes", "10"),
        budget=0.55,
        goal=Goal(times=1.4),
        settles=True,
    )
    return Workload(
        "register", "register", (first, refresh), dialplane="register", floor=("reply", 480), durable=True, users=users
    )


def digest(scale: Scale, algorithm: str) -> Workload:
    """401, then 200; responses are really computed."""
    short = {"MD5": "md5", "SHA-256": "sha256"}[algorithm]
    args = ("register", "--users", str(scale.users), "--digest", short, "--warmup", str(scale.warmup // 2))
    phase = Phase(
        f"digest-{short}",
        f"REGISTER with digest {algorithm}",
        (*args, "--count", str(scale.users)),
        messages="2 in, 2 out",
        budget=0.5,
        goal=Goal(times=1.4),
        settles=True,
    )
    return Workload(
        f"digest-{short}",
        f"digest-{short}",
        (phase,),
        dialplane="register",
        floor=("reply", 560),
        digest=algorithm,
        users=scale.users,
    )


def fill(users: int) -> Phase:
    """Registers everyone, unmeasured, with a Contact that does not depend on the sender."""
    args = ("register", "--users", str(users), "--count", str(users), "--contact", "127.0.0.1:16090")
    return Phase("fill", f"{users:,} REGISTER", args, measured=False)


def location(name: str, title: str, users: int, scale: Scale) -> Workload:
    """302 with the contact of a binding."""
    args = ("redirect", "--users", str(users), "--contact", "127.0.0.1:16090", "--warmup", str(scale.warmup))
    phase = Phase(name, title, (*args, "--seconds", f"{scale.seconds:g}"), budget=0.5, goal=Goal(times=1.4))
    return Workload(
        name,
        "redirect",
        (fill(users), phase),
        dialplane="redirect",
        floor=("reply", 420),
        users=users,
    )


def table(scale: Scale) -> Workload:
    """302 with the entry of a big table. The budget is set against Kamailio's answer from its location."""
    args = ("redirect", "--source", "table", "--users", str(scale.numbers), "--warmup", str(scale.warmup))
    phase = Phase(
        "redirect-table",
        f"redirect of an INVITE from {scale.numbers:,} numbers",
        (*args, "--seconds", f"{scale.seconds:g}"),
        budget=0.5,
        goal=Goal(times=1.4),
        rival="redirect",
    )
    return Workload(
        "redirect-table", "no-such-table", (phase,), dialplane="table", floor=("reply", 420), users=scale.numbers
    )


def memory(count: int) -> Workload:
    """Memory that so many bindings take."""
    return Workload(
        f"memory-{count}",
        "register",
        (fill(count),),
        kind="memory",
        dialplane="register",
        most_rounds=2,
        users=count,
    )


def start(scale: Scale) -> Workload:
    """From the start of the process to the first right answer, with bindings in the store."""
    args = ("redirect", "--users", str(scale.many), "--contact", "127.0.0.1:16090", "--count", "1000")
    return Workload(
        "start",
        "no-such-start",
        (fill(scale.many), Phase("start", f"start with {scale.many:,} bindings", args)),
        kind="start",
        dialplane="redirect",
        durable=True,
        most_rounds=2,
        users=scale.many,
    )
