"""Structured logs without people in them: user parts and numbers never reach a log, whoever wrote the line.

:class:`Personal` wraps a value that names a person. A last step of the pipeline wraps what has a telling key and scrubs
every text, so that an address-of-record inside the message of an exception is caught too.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import TextIO

HIDDEN = "…"
PERSONAL_KEYS = frozenset({"aor", "call_id", "contact", "from", "number", "to", "uri", "user", "username"})

_DISPLAY_NAME = re.compile(r'"(?:[^"\\]|\\.)*"(?=\s*<)')
_USER_PART = re.compile(r"(?i)(\bsips?:)?[^\s@<>\"'(),;:/]+(?::[^\s@<>\"'(),;:/]*)?@(?=[\w\[.:-])")
_NUMBER = re.compile(r"(?<![\w.:…])\+?[0-9](?:[0-9().\-]{5,})[0-9](?![0-9])")
_TEL = re.compile(r"(?i)\btel:[^\s>;,\"']+")
_ADDRESS_OR_DATE = re.compile(r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9]{4}-[0-9]{2}-[0-9]{2})\Z")


class Personal:
    """A user part, number or URI of a person. Shown without what says who it is; ``reveal()`` gives it whole."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The whole value. Not for logs."""
        return self._value

    def __str__(self) -> str:
        """The value without user part and number: ``sip:…@example.com``."""
        shown = scrub(self._value)
        return shown if HIDDEN in shown else HIDDEN

    def __repr__(self) -> str:
        return f"Personal({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Personal) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def scrub(text: str) -> str:
    """``text`` with every user part, display name and telephone number replaced by ``…``. IP addresses stay."""
    text = _TEL.sub(f"tel:{HIDDEN}", text)
    text = _DISPLAY_NAME.sub(f'"{HIDDEN}"', text)
    text = _USER_PART.sub(lambda match: f"{match[1] or ''}{HIDDEN}@", text)
    return _NUMBER.sub(lambda match: match[0] if _ADDRESS_OR_DATE.match(match[0]) else HIDDEN, text)


def set_up(kind: Literal["auto", "console", "json"], level: str, stream: TextIO | None = None) -> None:
    """Sends logs to ``stream`` (standard error), for people or as one JSON object per line."""
    stream = stream or sys.stderr
    is_console = kind == "console" or (kind == "auto" and stream.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
        if is_console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def redact(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Last step before rendering: nobody's name, whatever the caller handed in."""
    for key, value in event.items():
        event[key] = _shown(key, value)
    return event


def _shown(key: str, value: object) -> object:
    if isinstance(value, Personal):
        return str(value)
    if isinstance(value, str):
        return str(Personal(value)) if key in PERSONAL_KEYS else value if key == "timestamp" else scrub(value)
    if isinstance(value, bool | int | float | None):
        return str(Personal(str(value))) if key in PERSONAL_KEYS else value
    if isinstance(value, dict):
        return {inner: _shown(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(key, item) for item in value]
    return scrub(str(value))
