"""Writes docs/configuration.md from the structs of src/dialplane/config.py. Takes no arguments."""

from __future__ import annotations

import ast
import re
import typing
from pathlib import Path
from typing import Any

import msgspec

from dialplane import config

DOCS = Path(__file__).parent
HEAD = """# Configuration

One TOML file. Every key has a default, so an empty file (or none) is a working server on the loopback address. An
unknown key is an error that names the file, the line and the nearest right key; `dialplane check FILE` tells all
problems at once, `dialplane schema` prints a JSON Schema for editors, and [dialplane.toml](dialplane.toml) is an
example that has every key. Durations are in seconds, sizes in octets.

This page is made from `src/dialplane/config.py` by `docs/make_configuration.py`.
"""


def docstrings(source: str) -> dict[str, dict[str, str]]:
    """Text below each field, by struct and field; the struct's own text has the key ``""``."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        texts = found[node.name] = {"": ast.get_docstring(node) or ""}
        for field, below in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
                texts[field.target.id] = ast.literal_eval(below.value)
    return found


def markdown(text: str) -> str:
    """One line, with code marked as Markdown does."""
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip().replace("|", "\\|")


def type_name(hint: Any) -> str:
    """The type of a key, in words."""
    limits = ""
    if typing.get_origin(hint) is typing.Annotated:
        kind, *metas = typing.get_args(hint)
        for meta in metas:
            if meta.ge is not None and meta.le is not None:
                limits = f", from {meta.ge:g}" if meta.le > 1e6 else f", {meta.ge:g} to {meta.le:g}"
        hint = kind
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" if isinstance(value, int) else f'`"{value}"`' for value in arguments)
    if origin is list:
        inner = type_name(arguments[0])
        return "tables" if inner == "table" else f"list of {inner}"
    if type(None) in arguments:
        return type_name(next(argument for argument in arguments if argument is not type(None)))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return "table"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[hint] + limits


def default_text(field: msgspec.structs.FieldInfo) -> str:
    """The default as TOML writes it."""
    if field.required:
        return "needed"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value is None:
        return "none"
    return "`" + msgspec.json.encode(value).decode().replace(",", ", ") + "`"


def section(kind: type[msgspec.Struct], texts: dict[str, dict[str, str]]) -> list[str]:
    """Heading, text and table of one struct."""
    about = markdown(texts[kind.__name__][""])
    heading, text = about.split(": ", 1) if about.startswith("`") else ("Top level", about)
    lines = [f"\n## {heading}\n", f"{text[:1].upper()}{text[1:]}\n", "| key | type | default | |", "|---|---|---|---|"]
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        if kind is config.Config and type_name(hints[field.name]) in {"table", "tables"}:
            continue  # has a section of its own
        cells = (f"`{field.name}`", type_name(hints[field.name]), default_text(field))
        lines.append(f"| {' | '.join(cells)} | {markdown(texts[kind.__name__].get(field.name, ''))} |")
    return lines


def document() -> str:
    """The whole page."""
    texts = docstrings(Path(config.__file__).read_text())
    names = ["Config", *(name for name in texts if name != "Config")]
    parts = [line for name in names for line in section(getattr(config, name), texts)]
    return HEAD + "\n".join(parts) + "\n"


if __name__ == "__main__":
    (DOCS / "configuration.md").write_text(document())
