"""What is filled in when a configuration is put in force."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dialplane.configuration import parse, resolve


def test_what_is_left_open_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    config = resolve(parse("").config, tmp_path)
    assert config.server.workers == len(os.sched_getaffinity(0))
    assert config.server.data == str(tmp_path / "state" / "dialplane")
    assert config.database.url == f"sqlite:{tmp_path}/state/dialplane/dialplane.db"


def test_the_state_folder_has_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve(parse("").config, tmp_path).server.data == str(tmp_path / ".local" / "state" / "dialplane")


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").touch()
    text = (
        '[server]\nworkers = 3\ndata = "d"\n[database]\nurl = "sqlite:x/y.db"\n[[table]]\nname = "t"\nfile = "t.csv"\n'
    )
    config = resolve(parse(text, base=tmp_path).config, tmp_path)
    assert config.server.workers == 3
    assert config.server.data == str(tmp_path / "d")
    assert config.database.url == f"sqlite:{tmp_path}/d/x/y.db"
    assert config.table[0].file == str(tmp_path / "t.csv")


@pytest.mark.parametrize("url", ["none", "postgresql://u:p@h/db", "sqlite:/var/lib/x.db"])
def test_what_is_absolute_stays(tmp_path: Path, url: str) -> None:
    assert resolve(parse(f'database.url = "{url}"').config, tmp_path).database.url == url


def test_resolving_twice_changes_nothing(tmp_path: Path) -> None:
    once = resolve(parse("").config, tmp_path)
    assert resolve(once, Path("/elsewhere")) == once


def test_a_domain_of_fewer_cores_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {4, 7, 9})
    assert resolve(parse("").config, tmp_path).server.workers == 3
