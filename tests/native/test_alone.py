"""The wheel works without the server and without any other package, and without Python's lock where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import dialplane_native

from .captures import ip, pcap, udp
from .samples import INVITE

PROGRAM = """\
import sys
sys.path.insert(0, sys.argv[1])
import dialplane_native
from dialplane_native import Framer, count, parse, parse_many
data, capture = (open(name, "rb").read() for name in sys.argv[2:4])
assert parse(data).essentials().call_id == "a84b4c76e66710"
assert [message.raw for message in Framer().feed(data)] == [data]
assert count(capture).requests == {"INVITE": 1}
assert [packet.raw for batch in parse_many(sys.argv[3]) for packet in batch] == [data]
outside = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"__main__", "__mp_main__"}
assert outside == {"dialplane_native"}, outside
"""


def test_nothing_else_is_needed(tmp_path: Path) -> None:
    shutil.copytree(Path(dialplane_native.__file__).parent, tmp_path / "path" / "dialplane_native")
    (tmp_path / "invite.sip").write_bytes(INVITE)
    (tmp_path / "x.pcap").write_bytes(pcap([ip(udp(INVITE))]))
    arguments = [str(tmp_path / name) for name in ("path", "invite.sip", "x.pcap")]
    # -I and -S: neither the environment nor site-packages.
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this interpreter has a lock")
@pytest.mark.skipif(os.environ.get("PYTHON_GIL") == "1", reason="the lock was asked for")
def test_the_lock_stays_off() -> None:
    assert not sys._is_gil_enabled()
