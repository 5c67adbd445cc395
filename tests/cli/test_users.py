"""``dialplane users`` on a database that no server has touched yet."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from dialplane.errors import ExitStatus

from .conftest import Run

DATA = Path(__file__).parents[1] / "imports" / "data"


def test_a_user_is_added_listed_and_removed(run: Run, tmp_path: Path) -> None:
    assert run("users", "list").out == "no users yet; add one: dialplane users add alice@example.com\n"
    added = run("users", "add", "alice@127.0.0.1", "--password-stdin", stdin="secret\n")
    assert added == (0, "added alice@127.0.0.1\n", "")
    assert "alice@127.0.0.1  MD5, SHA-256, SHA-512-256" in run("users", "list").out
    entry = json.loads(run("users", "list", "--json").out)
    assert entry == {"user": "alice", "domain": "127.0.0.1", "digests": ["MD5", "SHA-256", "SHA-512-256"]}
    with sqlite3.connect(tmp_path / "state" / "dialplane" / "dialplane.db") as connection:
        row = connection.execute("SELECT password, ha1, ha1_sha256 FROM subscriber").fetchone()
    connection.close()
    assert row == (
        "",
        hashlib.md5(b"alice:127.0.0.1:secret").hexdigest(),
        hashlib.sha256(b"alice:127.0.0.1:secret").hexdigest(),
    )
    assert run("users", "remove", "alice@127.0.0.1") == (0, "removed alice@127.0.0.1\n", "")
    assert run("users", "list").out.startswith("no users yet")


def test_a_password_is_made_and_shown(run: Run) -> None:
    result = run("users", "add", "alice@127.0.0.1", "--generate")
    assert len(result.out.strip()) == 16
    assert result.out.strip().isalnum()


def test_a_domain_that_is_not_ours_is_noted(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text('domains = ["Example.com"]\n')
    foreign = run("users", "add", "a@example.org", "--generate", "-c", str(config))
    assert foreign.err == "note: example.org is not among the domains of this configuration\n"
    assert run("users", "add", "a@EXAMPLE.com", "--generate", "-c", str(config)).err == ""


def test_a_configured_realm_is_used(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text(f'auth.realm = "sip"\n[server]\ndata = "{tmp_path}"\n')
    run("users", "add", "a@example.org", "--password-stdin", "-c", str(config), stdin="p\n")
    with sqlite3.connect(tmp_path / "dialplane.db") as connection:
        assert connection.execute("SELECT ha1 FROM subscriber").fetchone()[0] == hashlib.md5(b"a:sip:p").hexdigest()
    connection.close()


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "line"),
    [
        (["add", "alice"], "", ExitStatus.DATA, '"alice" is not an address-of-record such as alice@example.com'),
        (["add", "a b@c"], "", ExitStatus.DATA, '"a b@c" is not an address-of-record such as alice@example.com'),
        (
            ["add", "a@b"],
            "",
            ExitStatus.DATA,
            "no terminal to ask for a password on: use --password-stdin or --generate",
        ),
        (["add", "a@b", "--password-stdin"], "\n", ExitStatus.DATA, "the password is empty"),
        (["remove", "a@b"], "", ExitStatus.NO_USER, "a@b: no such user"),
        (["import", "none.sql"], "", ExitStatus.NO_INPUT, "none.sql: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: list[str], stdin: str, status: int, line: str) -> None:
    assert run("users", *arguments, stdin=stdin) == (status, "", line + "\n")


def test_a_user_who_exists_is_only_replaced_on_demand(run: Run) -> None:
    run("users", "add", "alice@127.0.0.1", "--generate")
    again = run("users", "add", "alice@127.0.0.1", "--generate")
    assert again == (ExitStatus.DATA, "", "alice@127.0.0.1 exists; --replace gives a new password\n")
    assert run("users", "add", "alice@127.0.0.1", "--generate", "--replace").status == 0


def test_without_a_database_there_are_no_users(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text('database.url = "none"\n')
    assert run("users", "list", "-c", str(config)) == (
        ExitStatus.UNAVAILABLE,
        "",
        "database.url is none: there is nowhere to keep users\n",
    )


@pytest.mark.parametrize(
    ("name", "users", "bindings"), [("mysql.sql", 3, 1), ("postgresql.sql", 2, 0), ("sqlite.sql", 2, 1)]
)
def test_a_dump_is_imported(run: Run, tmp_path: Path, name: str, users: int, bindings: int) -> None:
    assert run("users", "import", str(DATA / name)) == (
        0,
        f"{users} users imported, 0 existed, {bindings} bindings\n",
        "",
    )
    again = run("users", "import", str(DATA / name), "--no-bindings")
    assert again.out == f"0 users imported, {users} existed, 0 bindings\n"
    listed = [json.loads(line)["user"] for line in run("users", "list", "--json").out.splitlines()]
    assert listed[:1] == ["alice"]
    assert len(listed) == users


def test_rows_that_cannot_be_used_are_told_and_left_out(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    rows = [f"user{n},,secret" for n in range(2500)] + [",example.com,x"] + [f"bad{n},," for n in range(7)]
    file.write_text("username,domain,password\n" + "\n".join(rows) + "\n")
    result = run("users", "import", str(file), "--domain", "example.com")
    assert result.status == ExitStatus.DATA
    assert result.out == "2500 users imported, 0 existed, 0 bindings\n"
    lines = result.err.splitlines()
    assert lines[0] == f"{file}:2502: a row without user name"
    assert lines[-1] == "8 rows were left out"
    assert len(lines) == 6
