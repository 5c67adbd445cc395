"""Waiting for what comes about in other processes: looked at again and again, never longer than it may take."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Returns as soon as the condition holds; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not come about within {seconds} s"
        time.sleep(0.02)
