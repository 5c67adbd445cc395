"""The configuration that is in force: defaults that depend on the machine filled in, every path absolute."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from dialplane.config import Config


def resolve(config: Config, base: Path) -> Config:
    """Fills in what is left open. ``base`` is the folder of the configuration file. Resolving twice changes nothing."""
    data = Path(config.server.data).expanduser() if config.server.data else default_data_folder()
    data = base / data
    server = msgspec.structs.replace(config.server, workers=config.server.workers or usable_cores(), data=str(data))
    url = config.database.url
    if url.startswith("sqlite:"):
        url = f"sqlite:{data / url.removeprefix('sqlite:')}"

    def absolute(file: str | None) -> str | None:
        return None if file is None else str(base / file)

    return msgspec.structs.replace(
        config,
        server=server,
        listen=[
            msgspec.structs.replace(entry, client_authorities=absolute(entry.client_authorities))
            for entry in config.listen
        ],
        certificate=[
            msgspec.structs.replace(entry, chain=str(base / entry.chain), key=str(base / entry.key))
            for entry in config.certificate
        ],
        tls=msgspec.structs.replace(config.tls, authorities=absolute(config.tls.authorities)),
        database=msgspec.structs.replace(config.database, url=url),
        table=[msgspec.structs.replace(table, file=str(base / table.file)) for table in config.table],
    )


def default_data_folder() -> Path:
    """``$XDG_STATE_HOME/dialplane``, that is ``~/.local/state/dialplane`` for most."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "dialplane"


def usable_cores() -> int:
    """Cores that this process may run on; a container's or taskset's limit counts."""
    return len(os.sched_getaffinity(0))
