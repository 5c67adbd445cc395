"""Every error of ``list_errors()`` can be raised, and no other can."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import dialplane_native
from dialplane_native import (
    BuildError,
    CaptureError,
    CSeq,
    DatabaseError,
    DialplaneError,
    FieldError,
    Framer,
    Header,
    Limits,
    MissingFieldError,
    NameAddr,
    ParseError,
    Request,
    StoreError,
    Uri,
    UriError,
    Via,
    count,
    list_errors,
    parse,
)
from dialplane_native.server import Connection, Store

from .samples import INVITE, RINGING


def fault(old: bytes, new: bytes) -> Callable[[], object]:
    """Raises the fault of a message in which ``old`` is ``new``."""

    def run() -> None:
        error = parse(INVITE.replace(old, new, 1)).fault
        assert error is not None
        raise error

    return run


def with_field(line: bytes, attribute: str) -> Callable[[], object]:
    return lambda: getattr(parse(b"OPTIONS sip:a@b SIP/2.0\r\n" + line + b"\r\n\r\n"), attribute)


# RFC 4475 names beside those that are taken from there.
CASES: list[tuple[type[DialplaneError], str, Callable[[], object]]] = [
    (ParseError, "content-length", fault(b"Length: 5", b"Length: -999")),  # ncl
    (ParseError, "content-length-conflict", fault(b"Length: 5", b"Length: 5\r\nl: 4")),  # mcl01
    (ParseError, "content-length-exceeds", fault(b"Length: 5", b"Length: 9999")),  # clerr
    (ParseError, "content-length-missing", lambda: parse(INVITE.replace(b"Content-L", b"L"), stream=True)),
    (ParseError, "control-character", fault(b"timer", b"ti\x00mer")),
    (ParseError, "empty", lambda: parse(b"\r\n\r\n")),
    (ParseError, "field-too-long", lambda: _raise(parse(INVITE, limits=Limits(field=20)).fault)),
    (ParseError, "header-line", fault(b"Supported:", b"Supported")),
    (ParseError, "leading-fold", lambda: _raise(parse(RINGING.replace(b"Ringing\r\n", b"Ringing\r\n on\r\n")).fault)),
    (ParseError, "message-too-long", lambda: parse(INVITE, limits=Limits(message=20))),
    (ParseError, "not-sip", lambda: parse(b"GET / HTTP/1.1\r\n\r\n")),
    (ParseError, "start-line", fault(b"INVITE sip", b"INVITE  sip")),  # lwsstart
    (ParseError, "status-code", lambda: _raise(parse(RINGING.replace(b"180", b"4294967301")).fault)),  # bigcode
    (ParseError, "too-many-fields", lambda: parse(INVITE, limits=Limits(fields=3))),
    (ParseError, "unterminated", lambda: parse(INVITE[:60])),
    (ParseError, "version", fault(b"SIP/2.0\r\n", b"SIP/7.0\r\n")),  # badvers
    (ParseError, "incomplete", lambda: parse(INVITE[:60], stream=True)),
    (FieldError, "malformed", with_field(b"CSeq: x", "cseq")),
    (FieldError, "out-of-range", with_field(b"CSeq: 36893488147419103232 OPTIONS", "cseq")),  # scalar02
    (FieldError, "repeated", with_field(b"CSeq: 1 OPTIONS\r\nCSeq: 2 OPTIONS", "cseq")),  # multi01
    (MissingFieldError, "missing", with_field(b"CSeq: 1 OPTIONS", "call_id")),  # insuf
    (UriError, "escape", lambda: Uri("sip:%a@b")),
    (UriError, "headers", lambda: Uri("sip:a@b?x")),
    (UriError, "host", lambda: Uri("sip:a@-b")),
    (UriError, "params", lambda: Uri("sip:a@b;=x")),
    (UriError, "port", lambda: Uri("sip:a@b:65536")),
    (UriError, "scheme", lambda: Uri("alice")),
    (UriError, "telephone", lambda: Uri("tel:+")),
    (UriError, "user", lambda: Uri("sip:@b")),
    (BuildError, "header-name", lambda: Header("a b", "c")),
    (BuildError, "line-break", lambda: Header("a", "b\nc")),
    (BuildError, "method", lambda: CSeq(1, "")),
    (BuildError, "status", lambda: parse(INVITE).response(700)),
    (BuildError, "value", lambda: Via.build("UDP", "a b")),
    (BuildError, "hops", lambda: parse(INVITE.replace(b"70", b"0")).edit().decrement_max_forwards()),
    (BuildError, "start-line", lambda: parse(RINGING).response(200)),
    (CaptureError, "not-a-capture", lambda: count(b"no capture")),
    (DatabaseError, "database", lambda: Connection("/nonexistent/dialplane.db", 0)),
    (StoreError, "store", lambda: Store("/nonexistent/dialplane", "reader")),
]


def _raise(error: BaseException | None) -> None:
    assert error is not None
    raise error


@pytest.mark.parametrize(("kind_of_error", "kind", "run"), CASES, ids=[f"{c.__name__}-{k}" for c, k, _ in CASES])
def test_each_can_be_raised(kind_of_error: type[DialplaneError], kind: str, run: Callable[[], object]) -> None:
    with pytest.raises(DialplaneError) as caught:
        run()
    error = caught.value
    assert type(error) is kind_of_error
    assert error.kind == kind
    assert (type(error).__name__, error.kind, error.status) in list_errors()
    assert str(error) == error.text != ""
    assert "\n" not in error.text
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), vars(again)) == (type(error), vars(error))


def test_the_list_is_what_can_be_raised() -> None:
    listed = [(name, kind) for name, kind, _ in list_errors()]
    assert len(set(listed)) == len(listed)
    assert sorted(listed) == sorted((kind_of_error.__name__, kind) for kind_of_error, kind, _ in CASES)


def test_one_tree() -> None:
    errors = {
        value for value in vars(dialplane_native).values() if isinstance(value, type) and issubclass(value, Exception)
    }
    assert errors == {DialplaneError} | {kind_of_error for kind_of_error, _, _ in CASES}
    assert all(issubclass(error, DialplaneError) for error in errors)
    assert all(issubclass(error, ValueError) for error in errors - {DialplaneError, DatabaseError, StoreError})


@pytest.mark.parametrize(
    "run",
    [
        lambda: Uri("sip:\r\n"),
        lambda: NameAddr("<"),
        lambda: Request("OPTIONS", "x", via="v", from_="f", to="t", call_id="c", cseq=1),
        lambda: Framer().feed(b"x" * 70_000),
    ],
)
def test_whatever_is_wrong_is_one_of_them(run: Callable[[], Any]) -> None:
    with pytest.raises(DialplaneError):
        run()
