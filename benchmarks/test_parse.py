"""What Python pays for a message, with pytest-benchmark: ``python -m pytest benchmarks/test_parse.py``.

``python -m benchmarks.parser_python`` measures the same with the readers taking turns, and renders the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.parser_python.readers import JOBS, MESSAGES, fitting

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from benchmarks.parser_python.readers import Reader

CASES = [
    pytest.param(message, reader, id=f"{name}-{message}", marks=pytest.mark.benchmark(group=f"{job}, {message}"))
    for job in JOBS
    for message, data in MESSAGES.items()
    for name, reader in fitting(job, data).items()
]


@pytest.mark.parametrize(("message", "reader"), CASES)
def test_read(benchmark: BenchmarkFixture, message: str, reader: Reader) -> None:
    """That all readers of a job give the same was checked when they were chosen."""
    assert benchmark(reader, MESSAGES[message])
