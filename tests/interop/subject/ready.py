"""Whether a server answers yet: asked with OPTIONS over the network, as any peer could."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from tests.interop.message import request
from tests.interop.process import Process, ProcessError

from .setup import Setup


def wait_until_answering(setup: Setup, process: Process, *, seconds: float = 20.0) -> None:
    """Returns at the first answer to an OPTIONS request for the server itself; fails when its process has ended."""
    host = f"[{setup.host}]" if ":" in setup.host else setup.host
    family = socket.AF_INET6 if ":" in setup.host else socket.AF_INET
    deadline = time.monotonic() + seconds
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((setup.host, setup.port))
        asking.settimeout(0.05)
        own = asking.getsockname()
        source = (f"[{own[0]}]" if ":" in own[0] else own[0], own[1])
        while time.monotonic() < deadline:
            if process.status is not None:
                raise ProcessError(f"{process.name} ended with status {process.status}\n{process.text()[-4000:]}")
            asked = request("OPTIONS", f"sip:{host}:{setup.port}", source=source, from_uri="sip:ready@example.net")
            with suppress(TimeoutError, ConnectionRefusedError):
                asking.send(asked.encode())
                if asking.recv(4096).startswith(b"SIP/2.0 "):
                    return
            time.sleep(0.02)
    raise ProcessError(f"{process.name} does not answer after {seconds} s\n{process.text()[-4000:]}")
