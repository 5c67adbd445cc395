"""STUN on the SIP port, asked by a client of another maker: coturn's ``turnutils_stunclient``. RFC 5626 §3.5.2."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from .differs import differs
from .namespace import HOSTS, SUBJECT
from .process import Process
from .subject import Server, Setup

pytestmark = differs(kamailio="the control has no STUN on its SIP port")


def test_a_client_learns_its_address(serve: Callable[[Setup], Server], tmp_path: Path) -> None:
    serve(Setup())
    command = ["turnutils_stunclient", "-p", "5060", "-L", HOSTS["alice"], SUBJECT]
    with Process(command, tmp_path / "stun.log") as process:
        process.wait(seconds=20)
        told = re.search(rf"reflexive addr: {re.escape(HOSTS['alice'])}:(\d+)", process.text())
        assert told, process.text()
        assert 1024 <= int(told[1]) <= 65535
