"""Commands that look at a configuration, and what the command line says to mistakes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from dialplane import __version__
from dialplane.cli.output import duration, octets
from dialplane.errors import DialplaneError, ExitStatus

from .conftest import Run

DOCS = Path(__file__).parents[2] / "docs"


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"dialplane {__version__}\n", "")


def test_it_is_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "dialplane", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == f"dialplane {__version__}\n"


def test_an_unknown_command_is_a_matter_of_usage(run: Run) -> None:
    result = run("serf")
    assert result.status == ExitStatus.USAGE
    assert "serf" in result.err


def test_the_example_is_good(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    shutil.copytree(DOCS, folder)
    authority = trustme.CA()
    certificate = authority.issue_cert("sip.example.com")
    for name in ("carriers.pem", "authorities.pem"):
        authority.cert_pem.write_to_path(folder / name)
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "sip.example.com.pem", append=True)
    certificate.private_key_pem.write_to_path(folder / "sip.example.com.key")
    result = run("check", str(folder / "dialplane.toml"))
    assert result.err == ""
    assert result.out.endswith("dialplane.toml: good (3 listeners, 8 rules, 1 target set, 1 table, 2 workers)\n")


def test_nothing_is_good_too(run: Run) -> None:
    assert run("check").out.startswith("built-in configuration: good (2 listeners, 0 rules")


def test_every_problem_has_its_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[server]\nworker = 1\n[[route]]\nforward = "x"\n')
    assert run("check", str(file)) == (
        ExitStatus.CONFIG,
        "",
        (
            f'{file}:2: server.worker: unknown key; did you mean "workers"?\n'
            f'{file}:4: route[0].forward: no target set is named "x"; known: request-uri\n'
        ),
    )


def test_what_only_the_engine_knows_is_found_too(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[[route]]\nname = "x"\nuri = "sip:("\ndrop = true\n')
    result = run("check", str(file))
    assert result.status == ExitStatus.CONFIG
    assert result.err.startswith(f"{file}:3: route[0].uri: ")


@pytest.mark.parametrize(
    "arguments", [["check"], ["serve"], ["status", "-c"], ["explain", "sip:a@b", "-c"], ["users", "list", "-c"]]
)
def test_a_file_that_is_not_there(run: Run, arguments: list[str]) -> None:
    assert run(*arguments, "none.toml") == (ExitStatus.NO_INPUT, "", "none.toml: No such file or directory\n")


def test_the_schema_describes_every_key(run: Run) -> None:
    schema = json.loads(run("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    definitions = schema["$defs"]
    assert definitions["Server"]["properties"]["log"]["enum"] == ["auto", "console", "json"]
    assert definitions["Listen"]["required"] == ["address"]
    assert definitions["Route"]["additionalProperties"] is False


@pytest.mark.parametrize("command", ["status", "reload"])
def test_without_a_server_there_is_nobody_to_ask(run: Run, command: str) -> None:
    result = run(command)
    assert result.status == ExitStatus.UNAVAILABLE
    assert result.err.startswith("no server is running on data folder ")
    assert result.err.count("\n") == 1


def test_locations_before_any_server(run: Run) -> None:
    result = run("locations")
    assert result.status == ExitStatus.UNAVAILABLE
    assert result.err.startswith("no store in data folder ")


def test_a_fault_of_ours_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialplane.cli.running.ask", lambda *_, **__: 1 / 0)
    result = run("status")
    assert result.status == ExitStatus.INTERNAL
    assert result.err == (
        "internal error: ZeroDivisionError: division by zero\n"
        "this is a fault of dialplane; DIALPLANE_TRACEBACK=1 shows where\n"
    )


def test_every_status_is_documented() -> None:
    text = (DOCS / "operations.md").read_text()
    for status in ExitStatus:
        assert f"| {status.value} |" in text, status


def test_every_error_has_a_status() -> None:
    kinds = DialplaneError.__subclasses__()
    assert len(kinds) >= 8
    assert all(kind.status not in {ExitStatus.OK, ExitStatus.INTERNAL} for kind in kinds)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (59.9, "59s"), (61, "1m 01s"), (3600, "1h 00m"), (90000, "1d 1h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5e12, "4656.6 GiB")])
def test_sizes(count: float, text: str) -> None:
    assert octets(count) == text
