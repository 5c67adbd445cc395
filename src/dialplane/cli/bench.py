"""``dialplane bench``: load for any server, told honestly."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from dialplane.bench.conductor import Conductor, Course
from dialplane.bench.plan import Arrivals, Plan, Workload
from dialplane.bench.plot import picture
from dialplane.bench.report import course_line, document, highest, ramp, sparkline, table
from dialplane.bench.users import by_pattern, read_users
from dialplane.cli.output import err, out
from dialplane.cli.phone import Authorities, Host, Password, trusting
from dialplane.errors import ExitStatus, WriteError
from dialplane.ua.errors import MisuseError
from dialplane.ua.resolve import PORTS, Hop, SystemResolver, locate
from dialplane.ua.transport.udp import address_towards
from dialplane_native import Uri, UriError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dialplane.bench.conductor import Result

Json = Annotated[Path | None, typer.Option("--json", help="Write everything as JSON; - for standard output.")]
Svg = Annotated[Path | None, typer.Option("--svg", help="Write the course as a picture.")]
_FOR_SOMEBODY = {Workload.CALL, Workload.MESSAGE}


def bench(
    workload: Annotated[Workload, typer.Argument(help="What to do again and again.")],
    server: Annotated[str, typer.Argument(help="The server: 192.0.2.1:5060, sip:example.com;transport=tls.")],
    rate: Annotated[float, typer.Option("--rate", "-r", min=0.01, help="How many begin per second.")] = 100.0,
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0.1, help="How long; with --ramp, each step.")
    ] = 10.0,
    ramping: Annotated[
        bool, typer.Option("--ramp", help="Find the highest rate without loss, beginning with --rate.")
    ] = False,
    arrivals: Annotated[Arrivals, typer.Option(help="When the next one begins.")] = Arrivals.POISSON,
    users: Annotated[
        str, typer.Option("--users", "-u", help="user{0..999}, or a CSV file with username,password[,domain].")
    ] = "user{0..99}",
    password: Password = None,
    domain: Annotated[str | None, typer.Option(help="Domain of the users; the host of the server otherwise.")] = None,
    to: Annotated[
        str | None, typer.Option(help="Whom calls, messages and OPTIONS are for: sip:echo{0..9}@192.0.2.7.")
    ] = None,
    registering: Annotated[
        bool | None, typer.Option("--register/--no-register", help="Register all users first. [default: where needed]")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Wait for a challenge each time.")] = False,
    algorithm: Annotated[str | None, typer.Option(help="Digest with this algorithm only: MD5, SHA-256.")] = None,
    expires: Annotated[int, typer.Option(help="Seconds that registrations last.")] = 300,
    hold: Annotated[float, typer.Option(help="Seconds that a call stands.")] = 1.0,
    ring: Annotated[float, typer.Option(help="Seconds until our callee answers.")] = 0.0,
    size: Annotated[int, typer.Option(help="Octets of a message.")] = 100,
    processes: Annotated[int, typer.Option("--processes", "-n", min=1, max=256, help="Processes, a core each.")] = 1,
    sockets: Annotated[int, typer.Option(min=1, max=4096, help="Sockets or connections of each process.")] = 1,
    transport: Annotated[str | None, typer.Option("--transport", "-t", help="udp, tcp, tls, ws or wss.")] = None,
    host: Host = None,
    authorities: Authorities = None,
    patience: Annotated[float, typer.Option(help="Seconds until a request without final response is lost.")] = 5.0,
    allowed: Annotated[float, typer.Option("--allow", min=0, max=100, help="Percent that may go wrong.")] = 0.0,
    max_lag: Annotated[
        float, typer.Option(help="Milliseconds; when more than 1 % leave later, the generator says so and fails.")
    ] = 20.0,
    seed: Annotated[int, typer.Option(help="Other chance for Poisson arrivals.")] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write everything as JSON; - for standard output.")
    ] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the course as a picture.")] = None,
) -> None:
    """Measure a server. Exit status 0: all good; 1: something failed, or the generator could not keep up."""
    hop, name = _hop(server, transport)
    domain = domain or name
    known = read_users(users, domain=domain, password=password)
    least = 2 if workload in _FOR_SOMEBODY and to is None else 1
    if len(known) < least * processes:
        raise MisuseError(f"{len(known)} users are too few for {processes} processes: {least} for each")
    if authorities is not None:
        trusting(authorities)
    plan = Plan(
        workload=workload,
        hop=hop,
        users=known,
        to=[user.aor for user in by_pattern(to, domain)] if to else [],
        arrivals=arrivals,
        processes=processes,
        sockets=sockets,
        host=host or address_towards((hop.host, hop.port)),
        authorities=authorities,
        patience=patience,
        hold=hold,
        ring=ring,
        expires=expires,
        size=size,
        is_registering=(workload in _FOR_SOMEBODY and to is None) if registering is None else registering,
        is_fresh=fresh,
        algorithm=algorithm,
        max_lag=max_lag / 1000,
        seed=seed,
    )
    results = _measure(plan, rate, seconds, allowed / 100, is_ramp=ramping)
    if json is not None:
        _write(json, document(plan, results, allowed / 100))
    if svg is not None:
        _write(svg, picture(f"{workload.value} at {server}", results).encode())
    if json is None or str(json) != "-":
        if ramping:
            out.print(ramp(results, allowed / 100))
        best = highest(results, allowed / 100) or results[-1]
        out.print(table(plan, best, allowed / 100))
    if highest(results, allowed / 100) is None:
        raise typer.Exit(ExitStatus.FAILED)


def _measure(plan: Plan, rate: float, seconds: float, allowed: float, *, is_ramp: bool) -> list[Result]:
    results: list[Result] = []
    with _watching(plan) as watch, Conductor(plan, watch) as conductor:
        if is_ramp:
            results.extend(conductor.search(rate, seconds, allowed))
        else:
            results.append(conductor.run(rate, seconds))
    return results


@contextlib.contextmanager
def _watching(plan: Plan) -> Iterator[_View]:
    view = _View(plan)
    if not err.is_terminal:
        yield view
        return
    with Live(console=err, get_renderable=view.picture, refresh_per_second=4, transient=True):
        yield view


class _View:
    """What a person sees meanwhile; lines where nobody sits."""

    def __init__(self, plan: Plan) -> None:
        self._title = f"{plan.workload.value} at {plan.hop.transport} {plan.hop.host}:{plan.hop.port}"
        self._rate, self._course = 0.0, Course()
        self._began = time.monotonic()

    def __call__(self, rate: float, course: Course) -> None:
        """News."""
        self._rate, self._course = rate, course
        if not err.is_terminal:
            err.print(course_line(course.seconds), markup=False, soft_wrap=True)

    def picture(self) -> Panel:
        """The panel."""
        seconds = self._course.seconds
        if not seconds:
            text = f"{time.monotonic() - self._began:.0f} s: starting, registering users"
            return Panel(Text(text), title=self._title)
        failed: Counter[str] = Counter()
        for news in self._course.latest.values():
            failed.update(news.failed | {"no final response": news.lost, "wrong response": news.wrong})
        lines = [
            Text(f"{self._rate:,.0f}/s asked for"),
            Text(course_line(seconds)),
            Text(f"good/s  {sparkline([one.good for one in seconds])}", style="green", no_wrap=True),
            Text(f"p99     {sparkline([float(one.p99) for one in seconds])}", style="cyan", no_wrap=True),
            Text(f"left late by at most {seconds[-1].lag / 1000:.1f} ms", style="dim"),
        ]
        lines += [Text(f"{count:,} x {name}", style="red") for name, count in failed.most_common(8) if count]
        return Panel(Group(*lines), title=self._title)


def _hop(server: str, transport: str | None) -> tuple[Hop, str]:
    """Where the server is, and its name."""
    text = server if server.partition(":")[0].lower() in {"sip", "sips"} else f"sip:{server}"
    if transport is not None:
        if transport.upper() not in PORTS:
            raise MisuseError(f"--transport {transport}: it is one of {', '.join(PORTS).lower()}")
        text = f"{text.partition(';')[0]};transport={transport.lower()}"
    try:
        uri = Uri(text)
    except UriError as error:
        raise MisuseError(f"{server!r} is no server: {error}; it looks like 192.0.2.1:5060") from error
    hops = asyncio.run(locate(uri, SystemResolver(), frozenset(PORTS)))
    return hops[0], uri.host or hops[0].host


def _write(file: Path, octets: bytes) -> None:
    if str(file) == "-":
        out.file.write(octets.decode())
        return
    try:
        file.write_bytes(octets)
    except OSError as error:
        raise WriteError(f"{file}: {error.strerror}") from error
