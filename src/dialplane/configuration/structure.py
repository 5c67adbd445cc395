"""A TOML document into the structs of ``config.py``, with every problem of it and not only the first."""

from __future__ import annotations

import contextlib
import functools
import types
import typing
from typing import TYPE_CHECKING, Any

import msgspec

from dialplane.configuration.problem import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialplane.configuration.problem import KeyPath

    Report = Callable[[KeyPath, str], None]

_TYPES = {
    "`array`": "an array",
    "`bool`": "true or false",
    "`float`": "a number",
    "`int`": "a whole number",
    "`null`": "nothing",
    "`object`": "a table",
    "`str`": "text in quotes",
    "`datetime`": "a date",
    "`date`": "a date",
    "`time`": "a time of day",
}

_PLAIN = {str, int, float, bool}


def structure(kind: type[msgspec.Struct], document: object, report: Report, path: KeyPath = ()) -> Any:  # noqa: ANN401
    """Makes a ``kind`` of ``document``. What is wrong is reported and has its default in the result, so that the rest
    can be checked too; ``None`` when a required value is not there.
    """
    if not isinstance(document, dict):
        report(path, f"expected a table, got {_name(document)}")
        return None
    known, hints = _shape(kind)
    for key in document:
        if key not in known:
            report((*path, key), "unknown key" + suggestion(key, list(known)))
    values: dict[str, Any] = {}
    for key, field in known.items():
        if key in document:
            value = _value(hints[field.name], document[key], report, (*path, key))
            if value is not None:
                values[field.name] = value
        elif field.required:
            report((*path, key), "this key is missing")
    complete = all(name in values for name, field in known.items() if field.required)
    return kind(**values) if complete else None


@functools.cache
def _shape(kind: type[msgspec.Struct]) -> tuple[dict[str, msgspec.structs.FieldInfo], dict[str, Any]]:
    """Fields by key, and their types by name. Slow to find out, and asked once for each of ten thousand rules."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    return fields, typing.get_type_hints(kind, include_extras=True)


def _value(hint: Any, value: object, report: Report, path: KeyPath) -> Any:  # noqa: ANN401
    kind = _without_none(hint)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structure(kind, value, report, path)
    if typing.get_origin(kind) is list:
        return _list(typing.get_args(kind)[0], value, report, path)
    return _leaf(kind, value, report, path)


def _list(item: Any, value: object, report: Report, path: KeyPath) -> list[Any] | None:  # noqa: ANN401
    if not isinstance(value, list):
        is_table = isinstance(item, type) and issubclass(item, msgspec.Struct)
        wanted = f"an array of tables: [[{path[-1]}]]" if is_table else "an array: [ … ]"
        report(path, f"expected {wanted}, got {_name(value)}")
        return None
    if item in _PLAIN:
        # A million prefixes at once; which of them is wrong, if one is, is found out below.
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(value, list[item])
    made = [_value(item, element, report, (*path, index)) for index, element in enumerate(value)]
    return None if any(element is None for element in made) else made


def _leaf(kind: Any, value: object, report: Report, path: KeyPath) -> Any:  # noqa: ANN401
    choices = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
    if choices:
        if value in choices and not isinstance(value, bool):
            return value
        words = ", ".join(str(choice) for choice in choices)
        hint = suggestion(value, [str(choice) for choice in choices]) if isinstance(value, str) else ""
        near = hint if "did you mean" in hint else ""
        report(path, f"{_shown(value)} is not one of {words}{near}")
        return None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        wanted = str(error).partition(", got ")[0]
        for word, meaning in _TYPES.items():
            wanted = wanted.replace(word, meaning)
        got = _name(value) if isinstance(value, dict | list) else _shown(value)
        report(path, f"{wanted[:1].lower()}{wanted[1:]}, got {got}")
        return None


def _without_none(hint: Any) -> Any:  # noqa: ANN401
    """``str`` of ``str | None``: TOML has no null, so a key that is there has a value."""
    if typing.get_origin(hint) not in {typing.Union, types.UnionType}:
        return hint
    (kind,) = (argument for argument in typing.get_args(hint) if argument is not types.NoneType)
    return kind


def _name(value: object) -> str:
    names = {dict: "`object`", list: "`array`", bool: "`bool`", int: "`int`", float: "`float`", str: "`str`"}
    return _TYPES[names.get(type(value), "`date`")]


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
