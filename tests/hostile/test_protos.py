"""PROTOS c07-sip (University of Oulu): broken INVITEs, each followed by CANCEL and ACK, an even sample of the suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import corpus
from .arena import SENDER
from .corpus import Case


@pytest.mark.parametrize("case", list(corpus.protos(source=SENDER, target="example.com")), ids=lambda case: case.id)
def test_protos(attack: Callable[[Case], None], case: Case) -> None:
    attack(case)
