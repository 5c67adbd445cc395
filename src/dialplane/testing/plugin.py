"""pytest plugin: ``async def`` tests that take the fixture ``sip_network`` run in virtual time, without sockets.

    async def test_busy(sip_network):
        async with (
            UserAgent("sip:bob@192.0.2.2", transports=sip_network.transports("192.0.2.2")) as bob,
            UserAgent("sip:alice@192.0.2.1", transports=sip_network.transports("192.0.2.1")) as alice,
        ):
            …

When such a test fails, the report shows every message that was sent.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from dialplane.testing.loop import run
from dialplane.testing.network import Network

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def sip_network() -> Network:
    """A network of its own for each test."""
    return Network()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs the test in a loop whose clock jumps."""
    if "sip_network" not in pyfuncitem.fixturenames or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001 - as every plugin that runs coroutines does
    run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the messages to the report of a failed test."""
    report = yield
    network = getattr(item, "funcargs", {}).get("sip_network")
    if report.when == "call" and report.failed and isinstance(network, Network) and network.sent:
        report.sections.append(("SIP messages", network.ladder()))
    return report
