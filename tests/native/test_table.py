"""``compile_table``, and redirects from what it made."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from dialplane_native import parse
from dialplane_native.server import check, compile_table, explain

from .samples import INVITE
from .serving import configuration, rule

REDIRECT = {"table": "numbers", "contacts": [], "lookup": False, "status": 302}


def compiled(folder: Path, text: str) -> Path:
    csv, dpt = folder / "numbers.csv", folder / "numbers.dpt"
    csv.write_text(text)
    compile_table(str(csv), str(dpt))
    return dpt


def test_a_number_is_redirected(tmp_path: Path) -> None:
    dpt = compiled(tmp_path, "number,uri\n49,sip:de.example.net\n+4930,<sip:{user}@berlin.example.net>;q=0.5\n")
    config = configuration(table=[{"name": "numbers", "file": str(dpt)}], route=[rule(redirect=REDIRECT)])
    text = json.dumps(config).encode()
    assert check(text) == []

    def contact(user: str) -> str | None:
        message = INVITE.replace(b"sip:bob@biloxi.com SIP", f"sip:{user}@example.com SIP".encode())
        answer = json.loads(explain(text, str(tmp_path / "none"), message, "udp:192.0.2.9:5060"))
        return parse(base64.b64decode(answer["sends"][0]["message"])).get("Contact")

    assert contact("+49301234") == "<sip:+49301234@berlin.example.net>;q=0.5"
    assert contact("49 89 1".replace(" ", "-")) == "<sip:de.example.net>"
    assert contact("+1212") is None


def test_progress_and_count(tmp_path: Path) -> None:
    csv = tmp_path / "numbers.csv"
    csv.write_text("".join(f"49{number:08},sip:{number % 10}.example.net\n" for number in range(200_000)))
    seen: list[tuple[int, int]] = []
    assert compile_table(str(csv), str(tmp_path / "x.dpt"), lambda done, whole: seen.append((done, whole))) == 200_000
    size = csv.stat().st_size
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[-1] == (size, size)
    assert {whole for _, whole in seen} == {size}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("49,sip:a\n4x,sip:b\n", "^line 2: the first field has to be a number"),
        ("49,sip:a\n49,sip:b\n", "^line 2: the number is in line 1 already"),
        ("49\n", "^line 1: expected NUMBER,VALUE$"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(tmp_path: Path, text: str, error: str) -> None:
    dpt = compiled(tmp_path, "1,sip:us\n")
    before = dpt.read_bytes()
    with pytest.raises(ValueError, match=error):
        compiled(tmp_path, text)
    assert dpt.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numbers.csv", "numbers.dpt"]


def test_a_callback_that_raises_ends_it(tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text("49,sip:a\n")

    def stop(done: int, whole: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        compile_table(str(tmp_path / "numbers.csv"), str(tmp_path / "numbers.dpt"), stop)
    assert not (tmp_path / "numbers.dpt").exists()


def test_files_that_are_not_there(tmp_path: Path) -> None:
    csv = tmp_path / "numbers.csv"
    with pytest.raises(FileNotFoundError) as caught:
        compile_table(str(csv), str(tmp_path / "x.dpt"))
    assert caught.value.filename == str(csv)
    csv.write_text("1,sip:a\n")
    with pytest.raises(FileNotFoundError) as caught:
        compile_table(str(csv), str(tmp_path / "none" / "x.dpt"))
    assert caught.value.filename == str(tmp_path / "none" / "x.dpt")


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "x.dpt").write_bytes(b"something else" * 1000)
    config = configuration(
        table=[{"name": "numbers", "file": str(tmp_path / "x.dpt")}], route=[rule(redirect=REDIRECT)]
    )
    ((path, problem),) = check(json.dumps(config).encode())
    assert path == "table.0.file"
    assert "not a compiled number table" in problem
