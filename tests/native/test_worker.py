"""``run_worker`` in a process of its own: datagrams in, datagrams out, orders over the control channel."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dialplane_native.server import Store, counter_names, counters

from .serving import WORKER, Phone, Worker, configuration, rule, worker


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_listener = Store(str(tmp_path), "supervisor", ["udp:127.0.0.1:5060"])
    yield with_listener
    with_listener.close()


@pytest.fixture
def serving(tmp_path: Path, store: Store) -> Iterator[Worker]:
    with worker(tmp_path) as started:
        yield started


@pytest.fixture
def phone(serving: Worker) -> Iterator[Phone]:
    with Phone(serving.address) as made:
        yield made


def values(folder: Path) -> dict[str, int]:
    (page,) = counters(str(folder))
    return page["values"]


def test_options(phone: Phone) -> None:
    answer = phone.ask(phone.request("OPTIONS", f"sip:127.0.0.1:{phone.to[1]}"))
    assert (answer.status, answer.cseq.method) == (200, "OPTIONS")
    assert answer.top_via.rport == phone.port
    assert answer.to.tag


def test_register_is_in_the_store(phone: Phone, store: Store) -> None:
    contact = f"<sip:alice@{phone.host}:{phone.port}>;q=0.5"
    register = phone.request(
        "REGISTER", "sip:example.com", to="<sip:Alice@Example.COM>", contact=contact, headers={"Expires": 600}
    )
    before = time.time()
    answer = phone.ask(register)
    assert answer.status == 200
    assert answer.contact is not None
    assert answer.contact.expires == 600
    (binding,) = store.lookup("Alice", "example.com")
    assert binding[2:5] == ("Alice", "example.com", f"sip:alice@{phone.host}:{phone.port}")
    assert before + 599 <= binding[8] <= time.time() + 601
    assert (binding[9], binding[11]) == (0.5, 1)
    assert store.sizes()["bindings"] == 1
    assert store.lookup("alice", "example.com") == [], "the user part compares with case"


def test_a_request_for_a_registered_user_reaches_its_phone(phone: Phone, store: Store) -> None:
    with Phone(phone.to) as bob:
        contact = f"<sip:bob@{bob.host}:{bob.port}>"
        assert (
            bob.ask(bob.request("REGISTER", "sip:example.com", to="<sip:bob@example.com>", contact=contact)).status
            == 200
        )
        phone.socket.sendto(phone.request("MESSAGE", "sip:bob@example.com", body="hello"), phone.to)
        received = bob.hear()
        assert received.uri is not None
        assert (received.uri.port, received.body, received.max_forwards) == (bob.port, b"hello", 69)
        bob.socket.sendto(received.response(200, to_tag="2"), phone.to)
        answer = phone.hear()
        assert (answer.status, len(answer.via)) == (200, 1)
        assert phone.ask(phone.request("MESSAGE", "sip:carol@example.com")).status == 404


def test_counters(phone: Phone, serving: Worker, tmp_path: Path) -> None:
    for _ in range(3):
        phone.ask(phone.request("OPTIONS", f"sip:127.0.0.1:{phone.to[1]}"))
    serving.say({"stop": 1})
    assert serving.wait()[0] == 0
    (page,) = counters(str(tmp_path))
    assert (page["worker"], page["pid"]) == (0, serving.process.pid)
    assert 0 <= time.time() - page["started"] < 60
    assert list(page["values"]) == [name for name, _ in counter_names()]
    assert (page["values"]["messages_received"], page["values"]["answered_2xx"]) == (3, 3)


def test_counter_names() -> None:
    names = counter_names()
    assert len({name for name, _ in names}) == len(names) > 30
    assert all(help_ and "\n" not in help_ for _, help_ in names)
    assert ("messages_received", "Datagrams and stream messages received.") in names


def test_stop_reads_what_is_queued(serving: Worker, phone: Phone) -> None:
    serving.process.send_signal(signal.SIGSTOP)
    for _ in range(5):
        phone.socket.sendto(phone.request("OPTIONS", f"sip:127.0.0.1:{phone.to[1]}"), phone.to)
    serving.say({"stop": 5})
    serving.process.send_signal(signal.SIGCONT)
    assert [phone.hear().status for _ in range(5)] == [200] * 5
    assert serving.wait() == (0, "")


def test_a_supervisor_that_is_gone_means_stop(serving: Worker) -> None:
    serving.control.close()
    assert serving.wait() == (0, "")


def test_reload(serving: Worker, phone: Phone) -> None:
    def probe() -> int | None:
        return phone.ask(phone.request("OPTIONS", "sip:alice@example.com")).status

    assert probe() == 404
    serving.say({"reload": serving.config | {"route": [rule(reply={"status": 603, "reason": None})]}})
    assert serving.heard() == {"reloaded": True}
    assert probe() == 603
    serving.say({"reload": serving.config | {"route": [rule(forward="nowhere")]}})
    refused = serving.heard()["refused"]
    assert refused[0][0].startswith("route")
    assert probe() == 603, "the old one stays"


def test_reload_from_a_file(serving: Worker, phone: Phone, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(serving.config | {"route": [rule(reply={"status": 480, "reason": None})]}))
    serving.say({"reload": str(file)})
    assert serving.heard() == {"reloaded": True}
    assert phone.ask(phone.request("OPTIONS", "sip:alice@example.com")).status == 480


def test_nonsense_gets_no_answer_and_does_no_harm(phone: Phone, tmp_path: Path) -> None:
    for data in (b"", b"\0" * 50, b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"x" * 60_000):
        phone.socket.sendto(data, phone.to)
    answer = phone.ask(phone.request("OPTIONS", f"sip:127.0.0.1:{phone.to[1]}"))
    assert answer.status == 200
    assert phone.is_quiet()


def test_a_worker_that_is_killed_has_a_successor(tmp_path: Path, store: Store) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        host, port = listening.getsockname()
        config = configuration(f"udp:{host}:{port}")
        with Phone((host, port)) as phone:
            with Worker(tmp_path, listening, config) as first:
                assert first.heard() == {"ready": True}
                contact = f"<sip:alice@{phone.host}:{phone.port}>"
                register = phone.request("REGISTER", "sip:example.com", to="<sip:a@example.com>", contact=contact)
                assert phone.ask(register).status == 200
            phone.socket.sendto(phone.request("MESSAGE", "sip:a@example.com"), phone.to)
            with Worker(tmp_path, listening, config) as second:
                assert second.heard() == {"ready": True}
                assert phone.hear().method == "MESSAGE", (
                    "the socket kept what was queued, the store what was registered"
                )


# The channel must stay the caller's, who may have something to say over it.
REPORT = """
def report(kind, error, trace):
    os.fstat(int(sys.argv[1]))
    print(f"{kind.__name__}: {error}", file=sys.stderr)
sys.excepthook = report
"""


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        (lambda boot: b"{", 1, "ValueError: boot message"),
        (lambda boot: json.dumps(boot | {"extra": 1}).encode(), 1, "ValueError: boot message: unknown field `extra`"),
        (lambda boot: json.dumps(boot | {"data": "/nonexistent"}).encode(), 1, "StoreError: "),
        (
            lambda boot: json.dumps(boot | {"config": boot["config"] | {"route": [rule(forward="x")]}}).encode(),
            1,
            "ValueError: route",
        ),
        (lambda boot: json.dumps(boot | {"counters": "/nonexistent"}).encode(), 1, "Error: "),
    ],
    ids=["json", "field", "store", "config", "counters"],
)
def test_what_cannot_start_says_why(tmp_path: Path, store: Store, change: Any, status: int, text: str) -> None:
    boot = {
        "config": configuration(), "worker": 0, "workers": 1, "listeners": [], "data": str(tmp_path),
        "counters": str(tmp_path), "connections": str(tmp_path / "connections"),
    }  # fmt: skip
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        program = WORKER.replace("sys.exit(", REPORT + "sys.exit(")
        run = subprocess.run(
            [sys.executable, "-c", program, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            input=change(boot),
            stderr=subprocess.PIPE,
            timeout=20,
            check=False,
        )
    assert run.returncode == status
    assert text in run.stderr.decode()
    assert run.stderr.count(b"\n") == 1, "one line"
