"""The configuration is spelled twice, in ``config.py`` and in Rust: with the same structs and the same fields."""

from __future__ import annotations

import msgspec
import pytest

import dialplane.config
from dialplane.config import Config, Eject, Probe, Redirect, Reply, Route, Table, Target, TargetSet
from dialplane_native.server import check, config_fields

STRUCTS: dict[str, type[msgspec.Struct]] = {
    name: value
    for name, value in vars(dialplane.config).items()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
}


def test_the_same_structs() -> None:
    assert set(config_fields()) == set(STRUCTS)


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_the_same_fields(name: str) -> None:
    assert set(config_fields()[name]) == set(STRUCTS[name].__struct_fields__)


def test_the_defaults_are_good_natively() -> None:
    assert check(msgspec.json.encode(Config())) == []


def test_every_struct_is_read_natively() -> None:
    config = Config(
        target_set=[TargetSet(name="gateways", targets=[Target(uri="sip:192.0.2.1")], probe=Probe(), eject=Eject())],
        table=[Table(name="numbers", file="/nonexistent/numbers.dpt")],
        route=[Route(forward="gateways"), Route(redirect=Redirect(table="numbers")), Route(reply=Reply(status=404))],
    )
    assert [path for path, _ in check(msgspec.json.encode(config))] == ["table.0.file"]
