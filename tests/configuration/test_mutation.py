"""Each key of the full example broken in turn: the message names the key and its line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dialplane.config import Config
from dialplane.configuration import ConfigurationError, parse
from dialplane.configuration.position import Positions
from dialplane.configuration.problem import KeyPath, dotted

EXAMPLE = Path(__file__).parents[2] / "docs" / "dialplane.toml"
TEXT = EXAMPLE.read_text()
POSITIONS = Positions(TEXT)


def leaves(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Paths of all keys whose value is not a table."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))]
    return [path]


LEAVES = leaves(tomllib.loads(TEXT))


def replaced(document: Any, path: KeyPath, change: Any) -> Any:
    """``document`` with ``change(table, key)`` done at ``path``."""
    table = document
    for part in path[:-1]:
        table = table[part]
    change(table, path[-1])
    return document


def problems_of(document: dict[str, Any]) -> dict[str, str]:
    """Problems by key, of a document that stands in no file (so the lines are those of the example)."""
    text = to_toml(document)
    with pytest.raises(ConfigurationError) as raised:
        parse(text, base=EXAMPLE.parent)
    return {dotted(problem.path): problem.text for problem in raised.value.problems}


def to_toml(document: dict[str, Any]) -> str:
    """The document with every value written inline: enough of TOML for this test."""

    def value(item: Any) -> str:
        if isinstance(item, bool):
            return str(item).lower()
        if isinstance(item, dict):
            return "{" + ", ".join(f'"{key}" = {value(inner)}' for key, inner in item.items()) + "}"
        if isinstance(item, list):
            return "[" + ", ".join(map(value, item)) + "]"
        return msgspec.json.encode(item).decode()

    return "\n".join(f'"{key}" = {value(inner)}' for key, inner in document.items())


def test_the_example_has_every_key() -> None:
    seen = {dotted(tuple(part for part in path if isinstance(part, str))) for path in LEAVES}
    assert seen == set(all_keys(Config))


def all_keys(kind: type[msgspec.Struct], prefix: str = "") -> list[str]:
    """Every key that the structs of ``config.py`` know."""
    keys: list[str] = []
    for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        inner = field.type
        while not isinstance(inner, msgspec.inspect.StructType):
            options = getattr(inner, "types", None) or [getattr(inner, "item_type", None)]
            inner = next((o for o in options if isinstance(o, msgspec.inspect.StructType)), None)
            if inner is None:
                break
        name = prefix + field.name
        keys += all_keys(inner.cls, name + ".") if inner else [name]
    return keys


@pytest.mark.parametrize("path", LEAVES, ids=dotted)
def test_a_value_of_the_wrong_type_is_named(path: KeyPath) -> None:
    def break_it(table: Any, key: Any) -> None:
        table[key] = {"wrong": 1}

    found = problems_of(replaced(tomllib.loads(TEXT), path, break_it))
    assert dotted(path) in found, found


@pytest.mark.parametrize("path", LEAVES, ids=dotted)
def test_a_misspelt_key_is_named_with_the_right_one(path: KeyPath) -> None:
    wrong = str(path[-1]) + "x"

    def break_it(table: Any, key: Any) -> None:
        table[wrong] = table.pop(key)

    found = problems_of(replaced(tomllib.loads(TEXT), path, break_it))
    assert f'did you mean "{path[-1]}"' in found[dotted((*path[:-1], wrong))]


@pytest.mark.parametrize("path", LEAVES, ids=dotted)
def test_the_line_is_the_one_in_the_file(path: KeyPath) -> None:
    key = str(path[-1])
    line = TEXT.splitlines()[POSITIONS.line(path) - 1]
    assert key in line
    broken = TEXT.splitlines(keepends=True)
    broken[POSITIONS.line(path) - 1] = line.replace(f"{key} =", f"{key}x =", 1) + "\n"
    with pytest.raises(ConfigurationError) as raised:
        parse("".join(broken), file="x.toml", base=EXAMPLE.parent)
    assert any(
        str(problem).startswith(f"x.toml:{POSITIONS.line(path)}: {dotted((*path[:-1], key + 'x'))}: ")
        for problem in raised.value.problems
    )
