"""Messages that others wrote: 801 good ones, the torture tests of RFC 4475 and RFC 5118, and faulty ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dialplane_native import DialplaneError, Message, parse, validate

from .samples import SHARED, TORTURE

GOOD = SHARED / "messages"
MANIFESTS = [TORTURE / "rfc4475" / "manifest.json", TORTURE / "rfc5118" / "manifest.json"]
ATTRIBUTES = sorted(name for name, value in vars(Message).items() if type(value).__name__ == "getset_descriptor")


def read_everything(message: Message) -> list[object]:
    """Every attribute and every field; each is read or raises one of ours."""
    seen: list[object] = []

    def attempt(read: Callable[[], object]) -> None:
        try:
            value = read()
        except DialplaneError as error:
            value = (type(error), error.kind, error.offset)
        seen.append(value)

    for attribute in ATTRIBUTES:
        attempt(partial(getattr, message, attribute))
    for header in message.headers:
        name = header.name
        assert name in message
        assert header.value in message.get_all(name)
        attempt(partial(message.elements, name))
        attempt(partial(lambda name: [address.params for address in message.addresses(name)], name))
        attempt(partial(lambda name: message.address(name).uri, name))
        seen.append(header)
    for via in attempt_list(lambda: message.via):
        attempt(partial(lambda via: (via.params, via.maddr, via.ttl, via.has_cookie, hash(via), repr(via)), via))
    attempt(lambda: repr(message.uri) + str(message.uri and message.uri.params))
    attempt(lambda: message.response(400) if message.is_request else None)
    attempt(lambda: validate(message))
    return seen


def attempt_list(read: Callable[[], list[Any]]) -> list[Any]:
    try:
        return read()
    except DialplaneError:
        return []


def written_again(message: Message) -> bytes:
    """The message from its start line, fields and body."""
    lines = [message.raw.partition(b"\r\n")[0], *(header.raw for header in message.headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + message.body


@pytest.mark.skipif(not GOOD.exists(), reason="the shared messages are not beside the project (DIALPLANE_SHARED)")
def test_good_messages() -> None:
    index = json.loads((GOOD / "index.json").read_text())["messages"]
    assert len(index) == 801
    for entry in index:
        data = (GOOD / entry["file"]).read_bytes()
        message = parse(data)
        assert validate(message) is None, entry["file"]
        assert message.fault is None
        assert written_again(message) == message.raw == data[: len(message.raw)]
        assert (message.method, message.status) == (entry.get("method"), entry.get("status")), entry["file"]
        assert dict.fromkeys(header.name.lower() for header in message.headers) == dict.fromkeys(entry["headers"])
        assert bytes(message.edit()) == message.raw
        read_everything(message)


def torture() -> list[Any]:
    cases = []
    for manifest in MANIFESTS:
        for entry in json.loads(manifest.read_text())["messages"]:
            file = manifest.parent / entry["file"]
            # Where the RFC printed a wrong Content-Length, the twin has the right one.
            fixed = file.with_suffix(".fixed.dat")
            cases.append(
                pytest.param(fixed if fixed.exists() else file, entry, id=f"{file.parent.name}-{entry['name']}")
            )
    return cases


@pytest.mark.parametrize(("file", "entry"), torture())
def test_torture(file: Path, entry: dict[str, Any]) -> None:
    data = file.read_bytes()
    try:
        message = parse(data)
    except DialplaneError:
        assert entry["parse"] != "accept"
        return
    if entry["parse"] == "accept":
        assert validate(message) is None
    elif entry["parse"] == "reject":
        rejection = validate(message)
        assert rejection is not None
        assert rejection.status in entry["answers"] or not entry["answers"]
    if message.fault is None:
        assert written_again(message) == message.raw
    read_everything(message)


@pytest.mark.parametrize("file", sorted((TORTURE / "authored").glob("*.dat")), ids=lambda file: file.stem)
def test_malformed(file: Path) -> None:
    try:
        message = parse(file.read_bytes())
    except DialplaneError:
        return
    read_everything(message)
    assert bytes(message.edit().set("X-Added", "1").remove("X-Added")) == message.raw or message.fault
