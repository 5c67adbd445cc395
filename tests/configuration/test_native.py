"""What a server is put together from: both halves are of one version."""

from __future__ import annotations

import pytest

import dialplane_native
from dialplane import __version__
from dialplane.config import Config
from dialplane.configuration import native
from dialplane.errors import UnavailableError


def test_a_native_part_of_another_version_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dialplane_native.__version__ == __version__
    monkeypatch.setattr(native, "__version__", "9.9.9")
    with pytest.raises(
        UnavailableError, match=rf"^dialplane 9\.9\.9 needs dialplane-native 9\.9\.9, and {__version__} is"
    ):
        native.check_natively(Config())
