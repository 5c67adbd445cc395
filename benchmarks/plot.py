"""The CPU times of a run as bars, in SVG: no library, the same picture everywhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from benchmarks.report import phases
from benchmarks.summary import Spread, Table

if TYPE_CHECKING:
    from benchmarks.workloads import Workload

COLOURS = {
    "floor": "#9aa0a6",
    "kamailio": "#d9822b",
    "kamailio-db": "#f0b878",
    "dialplane": "#1f6fb2",
    "dialplane-nodb": "#7db4e0",
}
OTHER = "#6b9a5b"
LEFT, RIGHT, BAR, GAP = 390, 130, 15, 16
WIDTH = 1040


def render(result: dict[str, Any], workloads: list[Workload]) -> str:
    """One group of bars for each workload, one bar for each server, a line from the least to the most of the rounds."""
    table = Table(result["records"])
    groups = [(phase, table.servers(phase.name)) for phase in phases(workloads)]
    groups = [(phase, servers) for phase, servers in groups if servers]
    spreads = {
        (phase.name, server): spread
        for phase, servers in groups
        for server in servers
        if (spread := table.spread(phase.name, server, "cpu_us"))
    }
    longest = max((spread.most for spread in spreads.values()), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / longest
    body = []
    top = 64
    for phase, servers in groups:
        body.append(text(12, top + BAR - 3, f"{phase.title} ({phase.messages})"))
        for server in servers:
            if spread := spreads.get((phase.name, server)):
                body.append(bar(top, server, spread, scale))
                top += BAR + 2
        top += GAP
    machine = result["machine"]
    title = "CPU µs per exchange, user and system, all processes of the server; less is better"
    where = f"{machine['cpu']}, Linux {machine['kernel']}, {machine['time'][:10]}, commit {machine['commit'][:10]}"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{top}" fill="white"/>',
        f'<text x="12" y="24" font-size="15">{escape(title)}</text>',
        text(12, 44, where, colour="#5f6368"),
    ]
    return "\n".join([*head, *body, "</svg>"]) + "\n"


def bar(top: float, server: str, spread: Spread, scale: float) -> str:
    """A bar as long as the median, with its name, its number and its spread."""
    end = LEFT + spread.middle * scale
    middle = top + BAR / 2
    least, most = LEFT + spread.least * scale, LEFT + spread.most * scale
    colour = COLOURS.get(server, OTHER)
    return "\n".join(
        [
            f'<rect x="{LEFT}" y="{top}" width="{end - LEFT:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<line x1="{least:.1f}" y1="{middle}" x2="{most:.1f}" y2="{middle}" stroke="#202124"/>',
            text(max(end, most) + 5, top + BAR - 3, f"{spread.middle:.1f} {server}"),
        ]
    )


def text(x: float, y: float, content: str, *, colour: str = "#202124") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{escape(content)}</text>'
