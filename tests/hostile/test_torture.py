"""RFC 4475, RFC 5118, and messages written or collected because they are wrong: one datagram each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from . import corpus
from .arena import CLOSED, OPEN, Arena, arena
from .corpus import Case


@pytest.fixture(scope="module", params=[OPEN, CLOSED], ids=["open", "closed"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Two servers, one after the other: one that wants credentials for registrations only, one for calls too."""
    with arena(request.param, tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.mark.parametrize("case", corpus.rfc(4475), ids=lambda case: case.id)
def test_rfc4475(attack: Callable[[Case], None], case: Case) -> None:
    attack(case)


@pytest.mark.parametrize("case", corpus.rfc(5118), ids=lambda case: case.id)
def test_rfc5118(attack: Callable[[Case], None], case: Case) -> None:
    attack(case)


@pytest.mark.parametrize("case", corpus.authored(), ids=lambda case: case.id)
def test_authored(attack: Callable[[Case], None], case: Case) -> None:
    attack(case)


@pytest.mark.parametrize("case", corpus.collected(), ids=lambda case: case.id)
def test_collected(attack: Callable[[Case], None], case: Case) -> None:
    attack(case)
