"""docs/configuration.md is what the structs say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec

from dialplane import config

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("make_configuration", DOCS / "make_configuration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "configuration.md").read_text() == module.document(), "run: python docs/make_configuration.py"


def test_every_key_is_on_it_and_explained() -> None:
    text = (DOCS / "configuration.md").read_text()
    for kind in vars(config).values():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in {msgspec.Struct, config.Config}:
            for field in msgspec.structs.fields(kind):
                rows = [line for line in text.splitlines() if line.startswith(f"| `{field.name}` |")]
                assert rows, field.name
                assert all(not row.endswith("|  |") for row in rows), field.name
