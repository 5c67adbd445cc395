"""From records to numbers: medians, spreads, ratios of paired rounds."""
# ruff: noqa: RUF001 (the dash between least and most is meant)

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.trial import Record


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing."""

    middle: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Of these values; ``None`` when there are none."""
        found = sorted(values)
        return cls(median(found), found[0], found[-1], len(found)) if found else None

    def show(self, digits: int = 2) -> str:
        """Median and, when there are several, least and most."""
        if self.count == 1:
            return f"{self.middle:,.{digits}f}"
        return f"{self.middle:,.{digits}f} ({self.least:,.{digits}f}–{self.most:,.{digits}f})"


class Table:
    """Records by phase and server."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._rounds: dict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
        for record in records:
            self._rounds[record["phase"], record["server"]][record["round"]] = record

    def phases(self) -> list[str]:
        """Phases in the order of their first record."""
        return list(dict.fromkeys(phase for phase, _ in self._rounds))

    def servers(self, phase: str | None = None) -> list[str]:
        """Servers of one phase, or of all, in the order of their first record."""
        return list(dict.fromkeys(server for found, server in self._rounds if phase in (None, found)))

    def records(self, phase: str, server: str) -> list[Record]:
        """One for each round."""
        return list(self._rounds.get((phase, server), {}).values())

    def spread(self, phase: str, server: str, value: str) -> Spread | None:
        """Of one value, over the rounds."""
        return Spread.of(record[value] for record in self.records(phase, server) if value in record)

    def ratio(self, phase: str, server: str, value: str, rival: tuple[str, str]) -> Spread | None:
        """Of a value to that of ``rival`` (phase, server): one quotient for each round that has both."""
        own = self._rounds.get((phase, server), {})
        other = self._rounds.get(rival, {})
        pairs = ((own[n][value], other[n][value]) for n in own.keys() & other.keys() if value in own[n])
        return Spread.of(mine / theirs for mine, theirs in pairs if theirs)

    def total(self, phase: str, server: str, value: str) -> int:
        """Sum of a count over the rounds."""
        return sum(int(record[value]) for record in self.records(phase, server))
