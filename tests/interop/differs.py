"""Where a named subject is known to do otherwise: there the test must fail, and a strict xfail says why."""

from __future__ import annotations

import pytest

from .subject import NAME


def differs(**reasons: str) -> pytest.MarkDecorator:
    """``@differs(kamailio="has no loop detection")``."""
    return pytest.mark.xfail(NAME in reasons, reason=reasons.get(NAME, "the other subject differs"), strict=True)
