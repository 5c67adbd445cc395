"""``config.py`` and its mirror in Rust have the same structs and fields."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from dialplane import config

MIRROR = Path(__file__).parents[1] / "native" / "core" / "src" / "config.rs"
STRUCTS = [
    kind
    for kind in vars(config).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct
]


def rust_fields(name: str) -> list[str]:
    """Field names of a struct, in order, as ``config.rs`` has them."""
    body = re.search(rf"\b{name} \{{(.*?)\n\s*\}}", MIRROR.read_text(), re.DOTALL)
    assert body, f"no struct {name} in config.rs"
    return re.findall(r"^\s*(?:pub )?(\w+): ", body[1], re.MULTILINE)


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_the_mirror_has_the_same_fields(kind: type[msgspec.Struct]) -> None:
    assert rust_fields(kind.__name__) == list(kind.__struct_fields__)


def test_every_struct_is_mirrored_and_no_other() -> None:
    inside_macro = re.findall(r"^    ([A-Z]\w+) \{$", MIRROR.read_text(), re.MULTILINE)
    assert {"Config", *inside_macro} == {kind.__name__ for kind in STRUCTS}


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_unknown_keys_are_forbidden_and_nothing_can_be_changed(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.forbid_unknown_fields
    assert kind.__struct_config__.frozen


def test_the_defaults_make_a_server_for_this_machine_only() -> None:
    defaults = config.Config()
    assert [entry.address for entry in defaults.listen] == ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
    assert defaults.admin.address == "127.0.0.1:8060"
    assert msgspec.json.decode(msgspec.json.encode(defaults), type=config.Config) == defaults
