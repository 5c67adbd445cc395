"""Number tables are compiled when they have changed, and kept as long as somebody uses them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dialplane.configuration import ConfigurationError, Loaded, parse, resolve
from dialplane.supervisor.tables import compile_tables, discard_unused


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "t.csv").write_text("number,uri\n+49,sip:a@b\n")
    (tmp_path / "tables").mkdir()
    return parse('[[table]]\nname = "t"\nfile = "t.csv"\n', file="x.toml", base=tmp_path)


def compiled(loaded: Loaded) -> Path:
    config = resolve(loaded.config, loaded.base)
    return Path(compile_tables(config, loaded.base / "tables", loaded.source.error).table[0].file)


def test_a_table_is_compiled_once(loaded: Loaded) -> None:
    first = compiled(loaded)
    facts = first.stat()
    assert first.parent == loaded.base / "tables"
    assert compiled(loaded) == first
    assert first.stat().st_mtime_ns == facts.st_mtime_ns


def test_a_changed_table_is_another_file_and_the_old_one_stays(loaded: Loaded) -> None:
    first = compiled(loaded)
    (loaded.base / "t.csv").write_text("number,uri\n+49,sip:other@b\n")
    os.utime(loaded.base / "t.csv", ns=(1, 1))
    second = compiled(loaded)
    assert second != first
    assert first.exists()


def test_what_nobody_uses_is_removed(loaded: Loaded) -> None:
    first = compiled(loaded)
    config = resolve(loaded.config, loaded.base)
    in_force = compile_tables(config, loaded.base / "tables", loaded.source.error)
    (loaded.base / "tables" / "old.dpt").touch()
    discard_unused(in_force, loaded.base / "tables")
    assert list((loaded.base / "tables").iterdir()) == [first]


def test_a_compiled_table_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.dpt").touch()
    loaded = parse('[[table]]\nname = "t"\nfile = "t.dpt"\n', base=tmp_path)
    assert compiled(loaded) == tmp_path / "t.dpt"


def test_progress_is_told(loaded: Loaded) -> None:
    rows = "".join(f"+49{n},sip:{n}@example.com\n" for n in range(20000))
    (loaded.base / "t.csv").write_text("number,uri\n" + rows)
    seen: list[tuple[str, int, int]] = []
    config = resolve(loaded.config, loaded.base)
    compile_tables(config, loaded.base / "tables", loaded.source.error, lambda *step: seen.append(step))
    assert seen[-1][0] == "t"
    assert seen[-1][1] <= seen[-1][2] == (loaded.base / "t.csv").stat().st_size


def test_a_bad_row_is_told_with_its_line(loaded: Loaded) -> None:
    (loaded.base / "t.csv").write_text("number,uri\n+49,sip:a@b\nx,sip:a@b\n")
    with pytest.raises(ConfigurationError, match=r"x\.toml:3: table\[0\]\.file: t\.csv: .*3"):
        compiled(loaded)


def test_a_value_that_leads_nowhere_is_told_with_its_line(loaded: Loaded) -> None:
    (loaded.base / "t.csv").write_text("number,uri\n+49,sip:{user}@192.0.2.1;q=0.5 tel:+4930\n+48,192.0.2.2\n")
    with pytest.raises(ConfigurationError, match=r"t\.csv: line 3: the value has to be a URI"):
        compiled(loaded)
