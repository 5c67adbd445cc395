"""What Python pays for one INVITE: to have the message, and to read the fields that every server reads.

``python -m pytest benchmarks/test_parse.py --benchmark-group-by=group``. All readers must give the same eight values,
otherwise they are not compared. Readers that are not installed are skipped: ``pip install sipmessage sippy``.
"""

from __future__ import annotations

import importlib
import warnings
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

Values = tuple[str, str, str, str, str, str, int, int]
"""Method, Request-URI, branch, From tag, To URI, Call-ID, CSeq number, Max-Forwards."""


def invite() -> bytes:
    """The desk phone's INVITE of the load generator, 726 octets."""
    text = (Path(__file__).parent / "load" / "messages" / "invite-desk.sip").read_text()
    fields = {
        "target": "127.0.0.1:16090",
        "domain": "bench.example",
        "user": "123456789",
        "caller": "130825576",
        "port": "16100",
        "branch": "773fea7369339697",
        "tag": "9d476cd90e05fec5",
        "call": "3034dd770a0d8ce5",
        "cseq": "10002",
        "session": "443071225",
        "media": "40110",
    }
    for name, value in fields.items():
        text = text.replace(f"{{{name}}}", value)
    text = text.replace("\n", "\r\n")
    missing = 726 - len(text.replace("{pad}", "").replace("{length}", "000"))
    head, _, body = text.replace("{pad}", "x" * missing).partition("\r\n\r\n")
    return f"{head}\r\n\r\n{body}".replace("{length}", str(len(body))).encode()


MESSAGE = invite()
EXPECTED: Values = (
    "INVITE",
    "sip:+493123456789@127.0.0.1:16090;user=phone",
    "z9hG4bK773fea7369339697",
    "9d476cd90e05fec5",
    "sip:+493123456789@bench.example;user=phone",
    "3034dd770a0d8ce5@127.0.0.1",
    10002,
    70,
)


def dialplane_parse(data: bytes) -> Any:  # noqa: ANN401 (typed in the module's own stubs)
    """The message, nothing read yet."""
    return native.parse(data)


def dialplane_values(data: bytes) -> Values:
    """The typed values."""
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


def str_values(data: bytes) -> Values:
    """What one writes in a hurry: right for this message, wrong for folds, compact forms, lists and quotes."""
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


def email_values(data: bytes) -> Values:
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


def sipmessage_values(data: bytes) -> Values:
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


def sippy_values(data: bytes) -> Values:
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


def module(name: str) -> Any:  # noqa: ANN401 (whatever it is)
    """A module that need not be installed; ``None`` without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other people's modules
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


native, sipmessage, sippy = module("dialplane_native"), module("sipmessage"), module("sippy.SipRequest")
CANDIDATES: list[tuple[Any, Callable[[bytes], Values]]] = [
    (native, dialplane_values),
    (str, str_values),
    (BytesHeaderParser, email_values),
    (sipmessage, sipmessage_values),
    (sippy, sippy_values),
]
READERS = [reader for needs, reader in CANDIDATES if needs is not None]


@pytest.mark.benchmark(group="parse only")
@pytest.mark.skipif(native is None, reason="dialplane_native is not built")
def test_parse(benchmark: BenchmarkFixture) -> None:
    """One message object."""
    assert benchmark(dialplane_parse, MESSAGE).method == "INVITE"


@pytest.mark.benchmark(group="eight values of an INVITE of 726 octets")
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__.removesuffix("_values"))
def test_read(benchmark: BenchmarkFixture, reader: Callable[[bytes], Values]) -> None:
    """Parse and read the values that every server reads."""
    assert benchmark(reader, MESSAGE) == EXPECTED
