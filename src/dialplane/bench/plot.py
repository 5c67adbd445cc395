"""The course of a measurement as a picture: rate, and times on a scale of tens. SVG without anything from outside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.bench.conductor import Result

_WIDE, _HIGH, _LEFT, _GAP = 760, 170, 70, 46
_COLOURS = ("#2a6fdb", "#3a9d5d", "#d1495b")


def picture(title: str, results: list[Result]) -> str:
    """Rates above, times below; the steps of a ramp follow each other."""
    rates, good, middle, high = [], [], [], []
    offset = 0.0
    for result in results:
        for moment in result.course:
            at = offset + moment.second
            rates.append((at, moment.rate))
            good.append((at, moment.good))
            middle.append((at, max(moment.p50, 1) / 1000))
            high.append((at, max(moment.p99, 1) / 1000))
        offset += result.seconds
    end = max([offset, *(at for at, _ in rates)])
    top = max([1.0, *(value for _, value in rates + good)])
    low_ms, high_ms = _decades([value for _, value in middle + high])

    def linear(value: float) -> float:
        return value / top

    def tens(value: float) -> float:
        return (math.log10(value) - low_ms) / (high_ms - low_ms)

    marks = [(linear(top * share), f"{top * share:,.0f}") for share in (0.0, 0.5, 1.0)]
    decades = [(tens(10.0**power), f"{10.0**power:g} ms") for power in range(low_ms, high_ms + 1)]
    height = 2 * (_HIGH + _GAP) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDE + 20}" height="{height}">',
        "<style>text { font: 11px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="18">{escape(title)}</text>',
        *_panel(40, end, marks, [("begun/s", rates, linear), ("good/s", good, linear)]),
        *_panel(40 + _HIGH + _GAP, end, decades, [("p50", middle, tens), ("p99", high, tens)]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _decades(values: list[float]) -> tuple[int, int]:
    if not values:
        return 0, 1
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _panel(
    top: int,
    end: float,
    marks: list[tuple[float, str]],
    lines: list[tuple[str, list[tuple[float, float]], Callable[[float], float]]],
) -> list[str]:
    """Axes with marks, and lines; a value is drawn at its share of the height."""
    parts = []
    for share, text in marks:
        y = top + _HIGH * (1 - share)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_LEFT + _WIDE}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for place, (name, points, scale) in enumerate(lines):
        colour = _COLOURS[place]
        at = " ".join(
            f"{_LEFT + _WIDE * x / max(end, 1e-9):.1f},{top + _HIGH * (1 - scale(value)):.1f}" for x, value in points
        )
        parts.append(f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{_LEFT + 10 + 90 * place}" y="{top - 6}" fill="{colour}">{escape(name)}</text>')
    parts.append(f'<text x="{_LEFT + _WIDE}" y="{top + _HIGH + 14}" text-anchor="end">{end:.0f} s</text>')
    return parts
