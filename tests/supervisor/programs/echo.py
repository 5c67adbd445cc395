"""A worker that answers each datagram with who it is, and does what the datagram or the configuration says.

Datagrams: ``die`` (exit 3), ``config`` (answers with ``server.name``), anything else (answers ``INDEX PID TEXT``).
``server.name``: ``refuse N`` makes worker N refuse a reload, ``die N`` die in it, ``fail`` fail at the start,
``mute`` never get ready, ``deaf`` not stop.
"""

import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

signal.signal(signal.SIGINT, signal.SIG_IGN)
control = socket.socket(fileno=int(sys.argv[1]))
if not control.recv(64):
    sys.exit(0)
boot = json.load(sys.stdin)
me = boot["worker"]
state = {"config": boot["config"]}
listeners = [socket.socket(fileno=fd) for _, fd in boot["listeners"]]


def say(**message: object) -> None:
    control.send(json.dumps(message).encode())


def name() -> str:
    return str(state["config"]["server"]["name"])


def reload(given: dict[str, Any] | str) -> None:
    fresh: dict[str, Any] = json.loads(Path(given).read_text()) if isinstance(given, str) else given
    wanted = fresh["server"]["name"]
    if wanted == f"refuse {me}":
        say(refused=[["route.0.uri", "not a regular expression"]])
    elif wanted == f"die {me}":
        os._exit(4)
    else:
        state["config"] = fresh
        say(reloaded=True)


def answer(listener: socket.socket) -> None:
    datagram, peer = listener.recvfrom(65536)
    if datagram == b"die":
        os._exit(3)
    if datagram == b"config":
        listener.sendto(name().encode(), peer)
    else:
        listener.sendto(f"{me} {os.getpid()} ".encode() + datagram, peer)


if name() == "fail":
    say(failed="ValueError: cannot serve this")
    sys.exit(1)
say(log={"event": "starting", "level": "debug", "user": "alice"})
if name() != "mute":
    say(ready=True)
stopping = False
while not stopping:
    for readable in select.select([control, *listeners], [], [])[0]:
        if readable is not control:
            answer(readable)
            continue
        message = json.loads(control.recv(1 << 20) or b'{"stop": 1}')
        if "reload" in message:
            reload(message["reload"])
        elif "stop" in message and name() != "deaf":
            stopping = True
for listener in listeners:
    while select.select([listener], [], [], 0)[0]:
        answer(listener)
