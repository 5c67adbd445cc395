"""Fixtures: a namespace for each test, a recording that is shown as a ladder when the test fails, servers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import subject
from .capture import Capture, capturing
from .endpoint import Endpoint
from .ladder import draw
from .namespace import namespace
from .sipp import Sipp
from .subject import Server, Setup

_capture = pytest.StashKey[Capture]()


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    """A namespace of its own for each test: every port is free, and what a test leaves behind disturbs no other."""
    with namespace():
        yield


@pytest.fixture(autouse=True)
def capture(network: None, request: pytest.FixtureRequest) -> Iterator[Capture]:
    """What is sent in this test."""
    with capturing() as recorded:
        request.node.stash[_capture] = recorded
        yield recorded


@pytest.fixture
def serve(network: None, tmp_path: Path) -> Iterator[Callable[[Setup], Server]]:
    """Starts the subject with a setup; it ends with the test."""
    with ExitStack() as stack:

        def start(setup: Setup) -> Server:
            return stack.enter_context(subject.serving(setup, tmp_path / "subject"))

        yield start


@pytest.fixture
def sipp(network: None, tmp_path: Path) -> Sipp:
    """Runs SIPp with our scenarios."""
    return Sipp(tmp_path)


@pytest.fixture
def alice(network: None) -> Iterator[Endpoint]:
    """A socket at alice's address."""
    with Endpoint("alice") as opened:
        yield opened


@pytest.fixture
def bob(network: None) -> Iterator[Endpoint]:
    """A socket at bob's address."""
    with Endpoint("bob") as opened:
        yield opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the ladder to the report of a failed test."""
    report = yield
    recorded = item.stash.get(_capture, None)
    if report.when == "call" and report.failed and recorded is not None:
        report.sections.append(("ladder", draw(recorded.datagrams())))
    return report
