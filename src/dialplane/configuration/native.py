"""The native check: a configuration compiled as a worker does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dialplane import __version__
from dialplane.configuration.problem import key_path
from dialplane.errors import UnavailableError

if TYPE_CHECKING:
    from dialplane.config import Config
    from dialplane.configuration.problem import KeyPath


def check_natively(config: Config) -> list[tuple[KeyPath, str]]:
    """Compiles an effective configuration; what is wrong with it.

    Raises :class:`UnavailableError` when the native part is of another version.
    """
    import dialplane_native  # noqa: PLC0415 - loads the extension only where it is used

    # Before anything of it is used: what does not fit fails in ways that nobody understands.
    if dialplane_native.__version__ != __version__:
        raise UnavailableError(
            f"dialplane {__version__} needs dialplane-native {__version__}, and {dialplane_native.__version__} is"
            " installed: install both of one version"
        )
    from dialplane_native.server import check  # noqa: PLC0415

    return [(key_path(path), problem) for path, problem in check(msgspec.json.encode(config))]
