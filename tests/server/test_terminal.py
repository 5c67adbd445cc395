"""The server on a terminal: what a newcomer sees, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from pathlib import Path

from .running import DIALPLANE, free_port


def test_control_c_stops_without_a_traceback_at_any_moment(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(
        f'[server]\ndata = "data"\nworkers = 2\n[admin]\naddress = ""\n'
        f'[[listen]]\naddress = "udp:127.0.0.1:{free_port()}"\n'
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(DIALPLANE[0], [*DIALPLANE, "serve", str(file)])
    seen = ""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and select.select([terminal], [], [], 60)[0]:
        try:
            seen += os.read(terminal, 65536).decode()
        except OSError:
            break
        if "ready" in seen and "^C" not in seen:
            # The spare process has just been started and is still importing.
            os.write(terminal, b"\x03")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    assert status == 0, seen
    assert "Traceback" not in seen
    assert "stopped" in seen
    assert re.search(r"\[.*info", seen), "a person gets the console, not JSON"
