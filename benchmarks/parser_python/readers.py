"""How each parser reads one message. All readers of a job must give the same, otherwise they are not compared.

Peers that are not installed are left out: ``pip install '.[bench]'`` installs them.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

Typical = tuple[str, str, str | None, str | None, str, str, int, int | None]
"""Method, Request-URI, branch, From tag, To URI, Call-ID, CSeq number, Max-Forwards."""

FOLDER = Path(__file__).parents[1] / "parser" / "messages"
MESSAGES = {name: (FOLDER / f"{name}.sip").read_bytes() for name in ("options", "invite", "invite-4k")}


def module(name: str) -> Any:  # noqa: ANN401 (whatever it is)
    """A module that need not be installed; ``None`` without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other people's modules
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


native, sipmessage, sippy = module("dialplane_native"), module("sipmessage"), module("sippy.SipRequest")


def dialplane(data: bytes) -> Typical:
    """The typed values, one attribute after the other."""
    message = native.parse(data)
    return (
        message.method,
        message.uri_text,
        message.top_via.branch,
        message.from_.tag,
        message.to.uri_text,
        message.call_id,
        message.cseq.number,
        message.max_forwards,
    )


def dialplane_message_essentials(data: bytes) -> Typical:
    """The same values and four more, in one call; the message can be asked for more."""
    found = native.parse(data).essentials()
    return (
        found.method,
        found.uri,
        found.branch,
        found.from_tag,
        found.to_uri,
        found.call_id,
        found.cseq,
        found.max_forwards,
    )


def dialplane_essentials(data: bytes) -> Typical:
    """The same in one call."""
    found = native.essentials(data)
    return (
        found.method,
        found.uri,
        found.branch,
        found.from_tag,
        found.to_uri,
        found.call_id,
        found.cseq,
        found.max_forwards,
    )


def bare_str(data: bytes) -> Typical:
    """What one writes in a hurry: right for these messages, wrong for folds, compact forms, lists and quotes."""
    head = data.partition(b"\r\n\r\n")[0].decode()
    start, *lines = head.split("\r\n")
    method, uri, _ = start.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), value.strip())
    return (
        method,
        uri,
        headers["via"].partition(";branch=")[2].partition(";")[0],
        headers["from"].partition(";tag=")[2].partition(";")[0],
        headers["to"].partition("<")[2].partition(">")[0],
        headers["call-id"],
        int(headers["cseq"].partition(" ")[0]),
        int(headers["max-forwards"]),
    )


def email_parser(data: bytes) -> Typical:
    """The header parser of the standard library, and the same cutting of values."""
    start, _, rest = data.partition(b"\r\n")
    method, uri, _ = start.decode().split(" ")
    headers = BytesHeaderParser().parsebytes(rest)
    return (
        method,
        uri,
        headers["Via"].partition(";branch=")[2].partition(";")[0],
        headers["From"].partition(";tag=")[2].partition(";")[0],
        headers["To"].partition("<")[2].partition(">")[0],
        headers["Call-ID"],
        int(headers["CSeq"].partition(" ")[0]),
        int(headers["Max-Forwards"]),
    )


def sipmessage_typed(data: bytes) -> Typical:
    """``sipmessage``, pure Python with typed values."""
    message = sipmessage.Message.parse(data)
    return (
        message.method,
        str(message.uri),
        message.via[0].parameters["branch"],
        message.from_address.parameters["tag"],
        str(message.to_address.uri),
        message.call_id,
        message.cseq.sequence,
        message.max_forwards,
    )


def sippy_typed(data: bytes) -> Typical:
    """``sippy``, as its own transaction manager reads a request."""
    message = sippy.SipRequest(data.decode())
    return (
        message.getMethod(),
        str(message.getRURI()),
        message.getHFBody("via").getBranch(),
        message.getHFBody("from").getTag(),
        str(message.getHFBody("to").getUri().url),
        str(message.getHFBody("call-id")),
        message.getHFBody("cseq").getCSeqNum(),
        message.getHFBody("max-forwards").getNum(),
    )


def dialplane_every(data: bytes) -> list[tuple[str, str]]:
    """Names and values of all fields."""
    return [(header.name, header.value) for header in native.parse(data).headers]


def bare_str_every(data: bytes) -> list[tuple[str, str]]:
    """The same, in a hurry."""
    lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def email_parser_every(data: bytes) -> list[tuple[str, str]]:
    """The same with the standard library's parser."""
    return BytesHeaderParser().parsebytes(data.partition(b"\r\n")[2]).items()


Reader = Callable[[bytes], Any]
CANDIDATES: dict[str, list[tuple[Any, str, Reader]]] = {
    "typical fields": [
        (native, "dialplane, attributes", dialplane),
        (native, "dialplane, parse(data).essentials()", dialplane_message_essentials),
        (native, "dialplane, essentials(data)", dialplane_essentials),
        (str, "bare str methods", bare_str),
        (BytesHeaderParser, "email.parser", email_parser),
        (sippy, "sippy", sippy_typed),
        (sipmessage, "sipmessage", sipmessage_typed),
    ],
    "every field": [
        (native, "dialplane", dialplane_every),
        (str, "bare str methods", bare_str_every),
        (BytesHeaderParser, "email.parser", email_parser_every),
    ],
    "index only": [(native, "dialplane", native and native.parse)],
}
JOBS: dict[str, dict[str, Reader]] = {
    job: {name: reader for needs, name, reader in candidates if needs is not None}
    for job, candidates in CANDIDATES.items()
}


def fitting(job: str, data: bytes) -> dict[str, Reader]:
    """The readers of a job that can read this message at all. Those that read something else are an error."""
    readers = JOBS[job]
    expected = next(iter(readers.values()))(data)
    fit = {}
    for name, read in readers.items():
        try:
            values = read(data)
        except Exception as error:  # peers raise what they like
            print(f"{name} cannot read {job} of a message of {len(data)} octets: {error}")
            continue
        if normal(values) != normal(expected):
            raise AssertionError(f"{name} reads {values}, not {expected}")
        fit[name] = read
    return fit


def normal(values: Any) -> Any:  # noqa: ANN401 (whatever a reader gives)
    """Values to compare: ``sippy`` writes the parameters of a URI in an order of its own."""
    if not isinstance(values, tuple):
        return values
    return [sorted(value.split(";")) if isinstance(value, str) else value for value in values]
