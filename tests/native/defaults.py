"""Writes the defaults that the Rust tests begin with: ``python -m tests.native.defaults``."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dialplane.config import Config, Eject, Redirect, Reply, Route, Target, TargetSet

FILE = Path(__file__).parents[2] / "native/core/src/testing/defaults.json"


def text() -> str:
    """Every key with its default, as a worker gets them from the supervisor; the keys that have none are left empty."""
    parts = {
        "config": Config(domains=[]),
        "route": Route(),
        "redirect": Redirect(),
        "reply": Reply(status=200),
        "target_set": TargetSet(name="", targets=[]),
        "target": Target(uri=""),
        "eject": Eject(),
    }
    return msgspec.json.format(msgspec.json.encode(parts), indent=2).decode() + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
