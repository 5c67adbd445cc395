"""The stubs are those of the module, and examples written after them type-check and run."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import dialplane_native
from dialplane_native import CSeq, Essentials, NameAddr, Uri, Via, building, capture, messages, parse, values

from . import typed_examples
from .captures import ip, pcap, tcp, udp
from .samples import ALL, INVITE, REGISTER, ROOT


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Away from the project, so that the installed package is looked at.
def test_stubs_are_those_of_the_module(tmp_path: Path) -> None:
    assert run(tmp_path, "mypy.stubtest", "dialplane_native").startswith("Success")


def test_examples_type_check(tmp_path: Path) -> None:
    # With its own name it would be looked for inside the package of the tests.
    (tmp_path / "examples.py").write_text(Path(typed_examples.__file__).read_text())
    strict = ["--strict", "--warn-unreachable", "--enable-error-code", "redundant-expr", "--cache-dir", "cache"]
    assert run(tmp_path, "mypy", *strict, "examples.py").startswith("Success")


def test_wrong_uses_do_not_type_check(tmp_path: Path) -> None:
    wrong = [
        'parse("text")',
        "parse(b'').method.lower()",
        "parse(b'').top_via.branch.lower()",
        "parse(b'').from_.tag = 'x'",
        "Uri(7)",
        "parse(b'').edit().set('X', 1.5)",
        "NameAddr.build('sip:a@b', tag='x')",
        "for message in Framer().feed('x'): pass",
    ]
    code = ["from dialplane_native import Framer, NameAddr, Uri, parse", *wrong]
    (tmp_path / "wrong.py").write_text("\n".join(code) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", "wrong.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    lines = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert lines == set(range(2, len(code) + 1)), done.stdout


def test_examples_run() -> None:
    assert typed_examples.reading(INVITE) == "a84b4c76e66710"
    assert typed_examples.routing(parse(INVITE)) is None
    assert typed_examples.routing(parse(INVITE.replace(b"sip:bob@biloxi.com SIP", b"tel:+49 SIP"))) == "+49"
    assert typed_examples.routing(parse(INVITE.replace(b"bob@biloxi.com SIP", b"bob@example.com SIP"))) == "bob"
    forwarded = parse(typed_examples.forwarding(parse(REGISTER), "z9hG4bKx"))
    assert (forwarded["X-Hops"], forwarded.route) == ("69", [])
    assert [via.host for via in typed_examples.building("x").message().via] == ["192.0.2.1", "192.0.2.2"]
    assert parse(typed_examples.more_headers(parse(INVITE))).elements("Supported") == ["path"]
    assert len(list(typed_examples.framing(iter(ALL)))) == 3
    assert typed_examples.capturing(pcap([ip(udp(INVITE))])) == {"INVITE": 1}
    assert typed_examples.failing(INVITE) is None
    assert typed_examples.failing(b"x\r\n\r\n") is None
    assert typed_examples.failing(INVITE.replace(b"INVITE sip", b"INVITE  sip")) is None


DOCUMENTATION = [
    Path(dialplane_native.__file__),
    ROOT / "native" / "README.md",
    ROOT / "docs" / "parser-python.md",
]


@pytest.mark.parametrize("file", DOCUMENTATION, ids=lambda file: file.name)
def test_documentation_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The examples read this capture.
    (tmp_path / "trunk.pcap").write_bytes(pcap([ip(udp(data)) for data in ALL] + [ip(tcp(INVITE, 1), 6)]))
    monkeypatch.chdir(tmp_path)
    if file.suffix == ".py":
        failed, count = doctest.testmod(dialplane_native)
    else:
        failed, count = doctest.testfile(str(file), module_relative=False)
    assert count >= 3
    assert failed == 0


PARTS = [building, capture, messages, values]


def test_the_parts_are_those_of_the_package() -> None:
    parts = {name: getattr(part, name) for part in PARTS for name in part.__all__}
    assert parts == {name: getattr(dialplane_native, name) for name in parts}
    rest = set(dialplane_native.__all__) - parts.keys()
    assert all(name.endswith("Error") for name in rest - {"__version__", "get_include", "list_errors"})


@pytest.mark.parametrize(
    "one", [Uri, NameAddr, Via, CSeq, Essentials, dialplane_native.Header, dialplane_native.Rejection]
)
def test_match_args_are_attributes(one: type) -> None:
    assert all(hasattr(one, name) for name in one.__match_args__)  # type: ignore[attr-defined]
