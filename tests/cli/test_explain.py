"""``dialplane explain``: by the engine's own code."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from dialplane.errors import ExitStatus

from .conftest import Run


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "x.toml"
    (tmp_path / "t.csv").write_text("number,uri\n+4940,sip:hamburg@example.net\n")
    file.write_text(
        'domains = ["example.com"]\n[server]\ndata = "data"\n[proxy]\ntrusted = ["127.0.0.1"]\n'
        '[[target_set]]\nname = "carrier"\ntargets = [{ uri = "sip:198.51.100.7" }]\n'
        '[[table]]\nname = "ported"\nfile = "t.csv"\n'
        '[[route]]\nname = "ported"\nprefixes = ["+4940"]\nredirect = { table = "ported" }\n'
        '[[route]]\nname = "out"\nprefixes = ["+49"]\nstrip = 1\nprepend = "00"\nforward = "carrier"\n'
        '[[route]]\nname = "closed"\nusers = ["info"]\nreply = { status = 480, reason = "Closed" }\n'
    )
    return str(file)


def test_a_uri_is_enough(run: Run, config: str) -> None:
    shown = run("explain", "sip:+49301@example.com", "-c", config)
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert lines[0] == "forward by route[1] out"
    assert "to udp:198.51.100.7:5060" in lines
    assert "- INVITE sip:+49301@example.com SIP/2.0" in lines
    assert "+ INVITE sip:0049301@example.com SIP/2.0" in lines
    assert "- Max-Forwards: 70" in lines
    assert "+ Max-Forwards: 69" in lines
    assert "  Call-ID: explain@dialplane" in lines


def test_a_reply_is_shown_whole(run: Run, config: str) -> None:
    lines = run("explain", "sip:info@example.com", "-c", config).out.splitlines()
    assert lines[0] == "reply by route[2] closed"
    assert "  SIP/2.0 480 Closed" in lines


def test_a_table_is_compiled_for_it(run: Run, config: str) -> None:
    shown = run("explain", "sip:+49401234@example.com", "-c", config).out
    assert "route[0] ported" in shown
    assert "hamburg@example.net" in shown


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_message_from_a_file_and_from_standard_input(run: Run, config: str, tmp_path: Path, newline: str) -> None:
    lines = [
        "MESSAGE sip:+49302@example.com SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
        "Max-Forwards: 10",
        "From: <sip:bob@example.com>;tag=1",
        "To: <sip:+49302@example.com>",
        "Call-ID: 1",
        "CSeq: 1 MESSAGE",
        "Content-Length: 0",
        "",
        "",
    ]
    file = tmp_path / "message.sip"
    file.write_bytes(newline.join(lines).encode())
    of_file = run("explain", str(file), "-c", config, "--json")
    of_stdin = run("explain", "-", "-c", config, "--json", stdin=newline.join(lines))
    answer = json.loads(of_file.out)
    assert answer["verdict"] == json.loads(of_stdin.out)["verdict"] == "forward"
    assert answer["rule"] == 1
    sent = base64.b64decode(answer["sends"][0]["message"])
    assert sent.startswith(b"MESSAGE sip:0049302@example.com SIP/2.0\r\n")
    assert b"\r\nMax-Forwards: 9\r\n" in sent


def test_the_source_counts(run: Run, config: str) -> None:
    answer = json.loads(
        run("explain", "sip:+49301@example.com", "-c", config, "--source", "udp:203.0.113.5:5060", "--json").out
    )
    assert answer["verdict"] == "reply", "a stranger may not call out"


@pytest.mark.parametrize(
    ("message", "source", "status"),
    [
        ("none.sip", "udp:127.0.0.1:5060", ExitStatus.NO_INPUT),
        ("-", "udp:127.0.0.1:5060", ExitStatus.DATA),
        ("sip:a@b", "nowhere", ExitStatus.DATA),
    ],
)
def test_what_cannot_be_explained_is_one_line(run: Run, config: str, message: str, source: str, status: int) -> None:
    result = run("explain", message, "-c", config, "--source", source, stdin="not SIP\r\n\r\n")
    assert result.status == status
    assert result.err.count("\n") == 1
    assert result.out == ""
