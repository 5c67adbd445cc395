from __future__ import annotations

from tests.native import defaults


def test_rust_tests_begin_with_the_defaults_of_today() -> None:
    assert defaults.FILE.read_text() == defaults.text(), "run: python -m tests.native.defaults"
