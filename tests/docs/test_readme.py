"""What the README shows is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dialplane.cli import app
from dialplane.configuration import ConfigurationError, parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_example_is_a_configuration() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    config = parse(text).config
    assert config.route[0].forward == config.target_set[0].name


def test_the_mistakes_are_told_as_shown() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    broken = text.replace('address = "udp', 'adress = "udp').replace('forward = "carrier"', 'forward = "carier"')
    with pytest.raises(ConfigurationError) as raised:
        parse(broken, file="dialplane.toml")
    told = [str(problem) for problem in raised.value.problems]
    shown = re.findall(r"^    dialplane\.toml:(?:\d+): (.*)$", README, re.MULTILINE)
    assert len(shown) == 2
    for line in shown:
        assert any(problem.endswith(line) for problem in told), line


def test_every_command_is_in_the_table() -> None:
    names = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback}
    names |= {group.name for group in app.registered_groups if group.name}
    assert len(names) == 19
    for name in names:
        assert re.search(rf"^\| `dialplane {name}\b", README, re.MULTILINE), name


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
