"""Nobody's name or number reaches a log."""

from __future__ import annotations

import io
import json

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from dialplane import log
from dialplane.log import Personal, scrub


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    log.set_up("json", "info", stream)
    return stream


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("alice", "…"),
        ("alice@example.com", "…@example.com"),
        ("sip:alice@example.com:5060;transport=udp", "sip:…@example.com:5060;transport=udp"),
        ("sip:alice:secret@[2001:db8::1]", "sip:…@[2001:db8::1]"),
        ('"Alice Liddell" <sip:alice@example.com>', '"…" <sip:…@example.com>'),
        ("tel:+49-30-1234567", "tel:…"),
        ("+49301234567", "…"),
        ("030 1234567", "030 …"),
        ("sip:+49301234567@192.0.2.1", "sip:…@192.0.2.1"),
        ("", "…"),
    ],
)
def test_a_personal_value_shows_no_more_than_its_host(value: str, shown: str) -> None:
    assert str(Personal(value)) == shown
    assert f"{Personal(value)}" == shown
    assert repr(Personal(value)) == f"Personal({shown})"
    assert Personal(value).reveal() == value


@pytest.mark.parametrize(
    "text",
    [
        "udp:192.0.2.1:5060",
        "192.168.100.200",
        "2026-11-22T10:11:12Z",
        "dialplane.toml:12: route[0].uri: bad",
        "z9hG4bK776asdhds",
    ],
)
def test_what_names_nobody_stays(text: str) -> None:
    assert scrub(text) == text


def test_a_log_line_has_no_user_part_wherever_it_stands(lines: io.StringIO) -> None:
    logger = structlog.get_logger()
    logger.info(
        "registered sip:alice@example.com",
        user="alice",
        contact="sip:alice@192.0.2.1:5060",
        aor=Personal("alice@example.com"),
        number=49301234567,
        detail={"to": "alice", "note": ["call +49301234567", "tel:alice"]},
        count=3,
    )
    logger.error("failed", exc_info=ValueError("cannot reach sip:alice@example.com"))
    text = lines.getvalue()
    assert "alice" not in text.replace("test_log.py", "")
    assert "4930" not in text
    first = json.loads(text.splitlines()[0])
    assert first["event"] == "registered sip:…@example.com"
    assert first["contact"] == "sip:…@192.0.2.1:5060"
    assert first["count"] == 3
    assert first["level"] == "info"
    assert "ValueError: cannot reach sip:…@example.com" in json.loads(text.splitlines()[1])["exception"]


@given(st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=3, max_size=12).map("user-{}".format))
def test_no_user_part_survives_in_any_surrounding(user: str) -> None:
    for text in (f"sip:{user}@h", f"<sip:{user}@h>;tag=1", f"{user}@h", f'key={user}@h, "x"', f"sips:{user}:pw@h:1"):
        assert user not in scrub(text)


def test_levels_below_the_configured_one_are_dropped(lines: io.StringIO) -> None:
    structlog.get_logger().debug("not seen")
    assert lines.getvalue() == ""


def test_the_console_is_for_people() -> None:
    stream = io.StringIO()
    log.set_up("console", "debug", stream)
    structlog.get_logger().debug("seen", user="alice")
    assert "seen" in stream.getvalue()
    assert "user=…" in stream.getvalue()


def test_auto_is_json_where_nobody_sits() -> None:
    stream = io.StringIO()
    log.set_up("auto", "info", stream)
    structlog.get_logger().info("seen")
    assert json.loads(stream.getvalue())["event"] == "seen"
