"""The position index sees what ``tomllib`` sees, and knows its lines."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.configuration.position import Positions
from dialplane.configuration.problem import KeyPath


def paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """Every path in a document, tables and items of arrays included."""
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            found |= paths(inner, (*path, index))
    return found


DOCUMENTS = {
    "bare, quoted and dotted keys": 'a = 1\n"b c" = 2\n\'d.e\' = 3\nf . "g\\u0041" . h = 4\n',
    "strings": 'a = "#\\"x"\nb = \'#"\'\nc = """\n"" x = 1 ""\\"""\n"""""\nd = \'\'\'\ny = 1\n\'\'\'\'\'\ne = ""\n',
    "tables": "[a]\nx = 1\n[a.b]\ny = 2\n[c.d.e]\n[ f . 'g' ]\nz = 3\n",
    "arrays of tables": "[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 1\n[[a.c]]\n[[a.c]]\nz = 1\n[[d]]\n[d.e]\n",
    "arrays": "a = [1, [2, 3], [],\n # ] comment\n {b = 1}, 'x]',]\n",
    "inline tables": 'a = {b = 1, "c" = {d = [1]}, e.f = 2, g = {}}\n',
    "scalars": "a = 1979-05-27 07:32:00Z\nb = +1_000\nc = inf\nd = 1e5 # comment\ne = true\nf = 07:32:00\n",
    "no newline at the end": "a = 1",
    "nothing": "# only a comment",
    "blank lines and indents": "\n\n  [a]\n\t b = 1\n\n\t[[c]]\n",
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_every_path_of_the_document_is_seen(text: str) -> None:
    assert Positions(text).paths() == paths(tomllib.loads(text))


def test_lines() -> None:
    text = '# comment\na = """\n\n"""\n[t]\nb = [\n  1,\n  2,\n]\n[[u]]\n[[u]]\nc = { d = 1 }\n'
    lines = {
        ("a",): 2, ("t",): 5, ("t", "b"): 6, ("t", "b", 0): 7, ("t", "b", 1): 8, ("u",): 10, ("u", 0): 10,
        ("u", 1): 11, ("u", 1, "c"): 12, ("u", 1, "c", "d"): 12,
    }  # fmt: skip
    positions = Positions(text)
    assert {path: positions.line(path) for path in positions.paths()} == lines


def test_what_is_missing_has_the_line_of_what_is_around_it() -> None:
    positions = Positions("\n[t]\na = 1\n")
    assert positions.line(("t", "missing", 3)) == 2
    assert positions.line(("missing",)) == 0


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)
VALUES = st.recursive(
    st.one_of(
        st.integers(-(2**60), 2**60).map(str),
        st.booleans().map(lambda b: str(b).lower()),
        st.sampled_from(['""', "'#,]}'", '"""a\n"b"""', "'''\n]'''", '"\\"]"', "1979-05-27 07:32:00", "1.5", "nan"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ",\n# x ]\n ".join(items) + "]"),
        st.dictionaries(KEYS, inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{quoted(key)} = {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=8,
)


def quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.dictionaries(KEYS, VALUES, max_size=2), max_size=3))
def test_any_document(root: dict[str, str], elements: list[dict[str, str]]) -> None:
    root.pop("array", None)
    text = "".join(f"{quoted(key)} = {value}\n" for key, value in root.items())
    for element in elements:
        text += "[[array]]\n" + "".join(f"{quoted(key)} = {value} # c\n" for key, value in element.items())
    assert Positions(text).paths() == paths(tomllib.loads(text))


def test_the_shipped_example() -> None:
    text = (Path(__file__).parents[2] / "docs" / "dialplane.toml").read_text()
    assert Positions(text).paths() == paths(tomllib.loads(text))
