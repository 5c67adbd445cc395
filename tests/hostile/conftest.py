"""A subject for each module of hostile tests, and the table of what it answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.interop import subject

from .arena import OPEN, Arena, arena
from .corpus import Case


@dataclass
class Score:
    """One row of the table."""

    cases: int = 0
    within: int = 0
    more_out_than_in: int = 0
    elsewhere: int = 0
    questions: int = 0
    outside: Counter[str] = field(default_factory=Counter)


_scores = pytest.StashKey[dict[str, Score]]()


def pytest_configure(config: pytest.Config) -> None:
    """Room for the table."""
    config.stash[_scores] = {}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """The subject, attacked by all tests of a module."""
    with arena(OPEN, tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture
def attack(target: Arena, request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Runs a case, writes it into the table, and fails the test when something happened that must not."""

    def run(case: Case) -> None:
        if target.challenges_calls:
            case = case.challenged()
        score = request.config.stash[_scores].setdefault(case.corpus, Score())
        score.cases += 1
        outcome = target.run(case)
        problems = outcome.problems()
        score.within += not any(problem.startswith("answered") for problem in problems)
        score.more_out_than_in += outcome.octets_out > outcome.octets_in
        score.elsewhere += bool(outcome.elsewhere)
        score.questions += outcome.questions
        if problems:
            pytest.fail(target.explain(outcome, problems), pytrace=False)

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table of pass rates."""
    scores = config.stash[_scores]
    if not scores:
        return
    terminalreporter.section(f"hostile messages against {subject.NAME}")
    terminalreporter.line(
        f"{'':<18}{'cases':>7}{'within the list':>18}{'octets out > in':>18}{'elsewhere':>11}{'DNS':>6}"
    )
    for name, score in scores.items():
        share = f"{score.within} ({100 * score.within / score.cases:.1f} %)"
        terminalreporter.line(
            f"{name:<18}{score.cases:>7}{share:>18}{score.more_out_than_in:>18}{score.elsewhere:>11}{score.questions:>6}"
        )
