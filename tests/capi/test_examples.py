"""The examples of the C library, alone, under AddressSanitizer and under Valgrind."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import CAPI, ROOT, Compile, run

MESSAGES = ROOT / "benchmarks" / "parser" / "messages"
TORTURE = ROOT / "native" / "syntax" / "tests" / "corpus"
EXAMPLES = sorted((CAPI / "examples").glob("*.c"))
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def response(status: int) -> bytes:
    return f"SIP/2.0 {status} Whatever\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n\r\n".encode()


def frames() -> Iterator[bytes]:
    """UDP over IPv4 on Ethernet, and two frames that hold no SIP."""
    payloads = [
        *[(MESSAGES / "invite.sip").read_bytes()] * 3,
        (MESSAGES / "options.sip").read_bytes(),
        *[response(180)] * 2,
        response(200),
        b"\r\n\r\n",
    ]
    for payload in payloads:
        udp = struct.pack("!HHHH", 5060, 5060, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4)) + udp
        yield bytes(12) + b"\x08\x00" + ip
    yield bytes(12) + b"\x08\x06" + bytes(46)


def capture(order: str, magic: int) -> bytes:
    head = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack(order + "IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames())


COUNTS = "INVITE 3\nOPTIONS 1\n180 2\n200 1\nother methods 0, not SIP 2\n"


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D], ids=["micro", "nano"])
def test_pcap_statistics_counts(compile_c: Compile, tmp_path: Path, order: str, magic: int) -> None:
    file = tmp_path / "calls.pcap"
    file.write_bytes(capture(order, magic))
    program = compile_c(CAPI / "examples" / "pcap_statistics.c", "-D_GNU_SOURCE")
    assert run(program, file).stdout.decode() == COUNTS


def test_pcap_statistics_is_about_sixty_lines() -> None:
    assert len((CAPI / "examples" / "pcap_statistics.c").read_text().splitlines()) <= 65


def test_an_edit_changes_what_it_names_and_nothing_else(compile_c: Compile) -> None:
    invite = (MESSAGES / "invite.sip").read_bytes()
    out = run(compile_c(CAPI / "examples" / "edit.c", static=True), input=invite).stdout
    via = b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKexample\r\n"
    assert out.replace(via, b"").replace(b"Max-Forwards: 69", b"Max-Forwards: 70") == invite
    assert via in out


def torture() -> list[Path]:
    found = sorted(TORTURE.glob("*/*.dat"))
    assert len(found) >= 60
    return found


def test_no_torture_message_troubles_the_sanitizers(compile_c: Compile) -> None:
    program = compile_c(Path(__file__).with_name("check.c"), *SANITIZERS, static=True)
    run(program, *torture(), *MESSAGES.glob("*.sip"), env={"ASAN_OPTIONS": "detect_leaks=1"})


def test_no_torture_message_troubles_valgrind(compile_c: Compile) -> None:
    if shutil.which("valgrind") is None:
        pytest.fail("valgrind is needed (make deps-debian)")
    program = compile_c(Path(__file__).with_name("check.c"))
    run("valgrind", "--quiet", "--leak-check=full", "--error-exitcode=9", program, *torture(), *MESSAGES.glob("*.sip"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_under_the_sanitizer(compile_c: Compile, tmp_path: Path, example: Path) -> None:
    file = tmp_path / "calls.pcap"
    file.write_bytes(capture("<", 0xA1B2C3D4))
    program = compile_c(example, "-D_GNU_SOURCE", *SANITIZERS, static=True)
    run(program, *([file] if "pcap" in example.name else []), input=(MESSAGES / "invite.sip").read_bytes())


def test_the_shared_library_exports_its_own_names_only(prefix: Path) -> None:
    names = subprocess.check_output(["nm", "-D", "--defined-only", prefix / "lib" / "libdialplane.so"], text=True)
    exported = {line.split()[-1] for line in names.splitlines()}
    header = (prefix / "include" / "dialplane.h").read_text()
    assert exported
    assert {name for name in exported if not name.startswith("dp_")} == set()
    assert all(f"{name}(" in header for name in exported)
