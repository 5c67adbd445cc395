"""The parser's benchmarks: what the documents show is what was measured, and growth is seen."""

from __future__ import annotations

import json

import pytest
from benchmarks.parser import run
from benchmarks.parser_python import __main__ as python
from benchmarks.parser_python import instructions


def test_the_tables_of_the_document_are_those_of_the_raw_results() -> None:
    text = run.DOCUMENT.read_text()
    assert run.tables() in text
    libraries = {(row.language, row.library) for row in run.read()}
    assert {language for language, _ in libraries} == set(run.LANGUAGES)
    assert len(libraries) >= 8


def test_the_python_tables_of_the_document_are_those_of_the_raw_results() -> None:
    raw = json.loads((python.RESULTS / "parser-python.json").read_text())
    tables = python.render(raw).partition("\n\n")[2]
    assert f"{python.START}{tables}{python.END}" in python.DOCUMENT.read_text()


@pytest.mark.parametrize(("now", "complaints"), [(90, 0), (100, 0), (103, 0), (104, 1)])
def test_growth_is_seen(now: int, complaints: int) -> None:
    before = {"typical fields": {"dialplane": 100, "gone": 1}}
    grown = instructions.grown(before, {"typical fields": {"dialplane": now, "new": 9}, "new job": {"dialplane": 9}})
    assert len(grown) == complaints
    assert all(line.startswith("typical fields, dialplane: 104 ") for line in grown)
