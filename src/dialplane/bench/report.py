"""What is told in the end: a table for people, a document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from dialplane.bench.conductor import causes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dialplane.bench.conductor import Result, Second
    from dialplane.bench.histogram import Histogram
    from dialplane.bench.plan import Plan

_SHARES = (0.5, 0.9, 0.99, 0.999)
_BARS = "▁▂▃▄▅▆▇█"


def table(plan: Plan, result: Result, allowed: float) -> RenderableType:
    """One rate in full."""
    tally = result.tally
    counts = Table(box=None, show_header=False, pad_edge=False)
    counts.add_column(justify="right")
    counts.add_column()
    rate = tally.started / result.seconds
    counts.add_row(
        f"{tally.started:,}", f"begun in {result.seconds:g} s: {rate:,.1f}/s, {plan.arrivals.value} arrivals"
    )
    counts.add_row(f"{tally.good:,}", "good")
    for name, count in tally.failed.most_common():
        counts.add_row(f"{count:,}", Text(name, style="red"))
    _row(counts, tally.lost, f"lost: no final response within {plan.patience:g} s", "red")
    _row(counts, tally.late, "of them answered later")
    _row(counts, tally.wrong, "wrong: answered by what does not fit", "red")
    _row(counts, tally.challenged, "challenges answered")
    if tally.first or tally.refreshed:
        counts.add_row(f"{tally.first:,}", f"first registrations, {tally.refreshed:,} refreshes")
    _row(counts, tally.resent, "messages that we sent again")
    _row(counts, tally.repeated, "messages that came again")
    _row(counts, tally.strays, "messages that belong to nothing")
    times = Table(box=None, header_style="dim", pad_edge=False)
    times.add_column("milliseconds")
    for share in _SHARES:
        times.add_column(f"p{share * 100:g}", justify="right")
    times.add_column("most", justify="right")
    for name, histogram in tally.times.items():
        times.add_row(name, *_milliseconds(histogram))
    times.add_row("left late by", *_milliseconds(tally.lag), style="dim")
    parts: list[RenderableType] = [counts, Text(), times]
    parts += [Text(f"wrong: {fault}", style="red") for fault in tally.faults]
    parts += [Text(), Text(*verdict(result, allowed))]
    return Group(*parts)


def _row(counts: Table, count: int, text: str, style: str = "") -> None:
    if count:
        counts.add_row(f"{count:,}", Text(text, style=style))


def _milliseconds(histogram: Histogram) -> list[str]:
    values = [histogram.percentile(share) for share in _SHARES]
    return [f"{value / 1000:.2f}" for value in [*values, histogram.greatest]]


def verdict(result: Result, allowed: float) -> tuple[str, str]:
    """One line, and its style."""
    if result.is_behind:
        return f"not to be trusted: {result.why_behind}; give it more --processes or another machine", "bold red"
    if not result.tally.started:
        return "nothing was begun", "bold red"
    if result.tally.bad_share > allowed:
        return f"{result.tally.bad_share:.2%} bad: {causes(result.tally)}", "bold red"
    return "all good" if not result.tally.bad else f"good: {result.tally.bad_share:.2%} bad, as allowed", "bold green"


def ramp(results: list[Result], allowed: float) -> RenderableType:
    """All rates that were tried, and the highest good one."""
    shown = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("rate/s", "begun", "bad", "p50 ms", "p99 ms", "sent again"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    for result in sorted(results, key=lambda one: one.rate):
        main = next(iter(result.tally.times.values()), None)
        values = [f"{main.percentile(share) / 1000:.2f}" if main else "-" for share in (0.5, 0.99)]
        tally = result.tally
        text, style = ("clean", "green") if result.is_clean(allowed) else verdict(result, allowed)
        row = (f"{result.rate:,.0f}", f"{tally.started:,}", f"{tally.bad:,}", *values, f"{tally.resent:,}")
        shown.add_row(*row, Text(text, style=style))
    best = highest(results, allowed)
    text = f"highest rate without loss: {best.rate:,.0f}/s" if best else "no rate was without loss"
    limit = [one for one in results if best and one.rate > best.rate and one.is_behind]
    if limit:
        text += "; beyond it the generator was the limit, not the server"
    return Group(shown, Text(), Text(text, style="bold green" if best else "bold red"))


def highest(results: list[Result], allowed: float) -> Result | None:
    """The highest rate that was clean."""
    clean = [result for result in results if result.is_clean(allowed)]
    return max(clean, key=lambda result: result.rate) if clean else None


def document(plan: Plan, results: list[Result], allowed: float) -> bytes:
    """Everything, for programs. Times are microseconds."""
    best = highest(results, allowed)
    whole = {
        "workload": plan.workload.value,
        "server": f"{plan.hop.transport.lower()}:{plan.hop.host}:{plan.hop.port}",
        "arrivals": plan.arrivals.value,
        "users": len(plan.users),
        "processes": plan.processes,
        "sockets": plan.sockets,
        "patience": plan.patience,
        "allowed": allowed,
        "highest": best.rate if best else None,
        "steps": [_step(result, allowed) for result in results],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


def _step(result: Result, allowed: float) -> dict[str, Any]:
    tally = result.tally
    return {
        "rate": result.rate,
        "seconds": result.seconds,
        "clean": result.is_clean(allowed),
        "kept_up": not result.is_behind,
        "why": result.why_behind,
        "begun": tally.started,
        "good": tally.good,
        "failed": dict(tally.failed),
        "lost": tally.lost,
        "late": tally.late,
        "wrong": tally.wrong,
        "faults": tally.faults,
        "challenged": tally.challenged,
        "first": tally.first,
        "refreshed": tally.refreshed,
        "resent": tally.resent,
        "repeated": tally.repeated,
        "strays": tally.strays,
        "dropped": tally.dropped,
        "processor_seconds": round(tally.processor, 3),
        "times": {name: _times(histogram) for name, histogram in tally.times.items()},
        "lag": _times(tally.lag),
        "course": result.course,
    }


def _times(histogram: Histogram) -> dict[str, int]:
    found = {f"p{share * 100:g}": histogram.percentile(share) for share in _SHARES}
    return {"count": histogram.total, **found, "most": histogram.greatest}


def sparkline(values: list[float], width: int = 60) -> str:
    """The last values as bars, from 0 to the greatest."""
    values = values[-width:]
    most = max(values, default=0.0) or 1.0
    return "".join(_BARS[min(int(value / most * len(_BARS)), len(_BARS) - 1)] for value in values)


def course_line(seconds: list[Second]) -> str:
    """The moments of a measurement in one line."""
    if not seconds:
        return ""
    last = seconds[-1]
    return (
        f"{last.second:5.0f} s  {last.rate:,.0f}/s begun, {last.good:,.0f}/s good, {last.open:,} open, "
        f"{last.bad:,} bad, p50 {last.p50 / 1000:.2f} ms, p99 {last.p99 / 1000:.2f} ms"
    )
