"""A worker process: a thin shell around the engine, which serves the sockets with the GIL released.

Started by the supervisor as ``python -m dialplane.worker CONTROL`` with everything it may need inherited. It imports
next to nothing and then waits: the first message on CONTROL says that the boot message on standard input is complete.
Until then it may be the spare that takes the place of a worker that dies.
"""

import os
import signal
import sys


def main() -> int:
    """Serves until the supervisor says stop, or is gone. Returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = int(sys.argv[1])
    os.set_inheritable(control, False)
    try:
        from dialplane_native.server import run_worker  # noqa: PLC0415

        if not os.read(control, 64):
            return 0
        return run_worker(sys.stdin.buffer.read(), control)
    except Exception as error:
        report(control, f"{type(error).__name__}: {error}")
        return 1


def report(control: int, text: str) -> None:
    """Tells the supervisor, in one line, why this worker cannot serve."""
    import json  # noqa: PLC0415
    import socket  # noqa: PLC0415

    with socket.socket(fileno=control) as channel:
        channel.send(json.dumps({"failed": text[:2000]}).encode())


if __name__ == "__main__":
    sys.exit(main())
