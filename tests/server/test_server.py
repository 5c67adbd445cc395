"""The whole server: telephones, database, death, reload."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest

from dialplane.errors import ExitStatus

from .phone import Phone
from .running import DIALPLANE, Server, log_lines, metrics, until

Make = Callable[..., Server]


def test_two_softphones_and_no_file(make_server: Make) -> None:
    folder = make_server().folder
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.bind(("127.0.0.1", 5060))
        admin = socket.create_server(("127.0.0.1", 8060))
    except OSError:
        pytest.skip("port 5060 or 8060 of the loopback address is in use")
    probe.close()
    admin.close()
    environment = {"XDG_STATE_HOME": str(folder)}
    process = subprocess.Popen(
        [*DIALPLANE, "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    shown = ""
    while "Ctrl-C" not in shown:
        shown += process.stdout.readline().decode()
    passwords = dict(re.findall(r"(alice|bob)\s+([a-z2-7]{10})\s", shown))
    alice, bob = (Phone(name, "127.0.0.1", ("127.0.0.1", 5060), passwords[name]) for name in ("alice", "bob"))
    try:
        assert bob.register() == 200
        alice.send_with_credentials("INVITE", "sip:bob@127.0.0.1")
        invite = bob.receive()
        assert invite.startswith(f"INVITE sip:bob@127.0.0.1:{bob.port}".encode())
        bob.answer(invite, "200 OK")
        assert alice.receive().startswith(b"SIP/2.0 200 OK")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        alice.close()
        bob.close()
    assert process.returncode == 0


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_a_registration_is_known_everywhere(server: Server, algorithm: str) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register(algorithm=algorithm) == 200
        contact = f"sip:alice@127.0.0.1:{alice.port}"
        took = until(lambda: server.sql("SELECT contact FROM location") == [(contact,)])
        assert took < 1.0
    shown = server.command("locations", "alice@example.com")
    assert contact in shown.stdout
    assert server.command("locations", "bob@example.com").returncode == ExitStatus.NO_USER
    assert contact in server.command("locations", "--json").stdout


def test_a_wrong_password_is_refused(server: Server) -> None:
    with contextlib.closing(server.phone("alice", "wrong")) as alice:
        assert alice.register() in {401, 403}


def test_a_call_reaches_whom_it_is_for(server: Server) -> None:
    server.add_user("bob")
    with contextlib.closing(server.phone("alice")) as alice, contextlib.closing(server.phone("bob")) as bob:
        until(lambda: bob.register() == 200, 3)
        alice.send_with_credentials("MESSAGE", "sip:bob@example.com")
        message = bob.receive()
        assert message.startswith(f"MESSAGE sip:bob@127.0.0.1:{bob.port}".encode())
        bob.answer(message, "200 OK")
        assert alice.receive().startswith(b"SIP/2.0 200 OK")


def test_a_user_of_any_sql_client_is_known_within_two_seconds(server: Server) -> None:
    with contextlib.closing(server.phone("carol", "pass")) as carol:
        assert carol.register() in {401, 403}
        server.sql("INSERT INTO subscriber (username, domain, password) VALUES ('carol', 'example.com', 'pass')")
        assert until(lambda: carol.register() == 200, 3) < 2
        server.sql("DELETE FROM subscriber WHERE username = 'carol'")
        assert until(lambda: carol.register() != 200, 3) < 2


def test_bindings_outlive_every_worker(server: Server) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register() == 200
        for worker in server.workers():
            os.kill(worker["pid"], signal.SIGKILL)
        until(lambda: [w["restarts"] for w in server.workers()] == [1, 1] and all(w["ready"] for w in server.workers()))
        assert alice.register() == 200
    assert "alice@example.com" in server.command("locations").stdout


def test_what_is_queued_for_a_dead_worker_is_answered(make_server: Make) -> None:
    server = make_server(workers=1)
    server.start()
    pid = server.workers()[0]["pid"]
    with contextlib.closing(server.phone("alice")) as alice:
        os.kill(pid, signal.SIGSTOP)
        for _ in range(100):
            alice.socket.send(alice.request("OPTIONS", f"sip:127.0.0.1:{server.port}", "sip:127.0.0.1"))
        os.kill(pid, signal.SIGKILL)
        answers = [alice.receive() for _ in range(100)]
    assert all(answer.startswith(b"SIP/2.0 ") for answer in answers)
    gap = server.workers()[0]["last_gap"]
    assert gap is not None
    assert gap < 0.3


def test_bindings_outlive_every_process(server: Server) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register() == 200
        server.kill_all()
        assert server.start() < 5
        assert f"sip:alice@127.0.0.1:{alice.port}" in server.command("locations", "alice@example.com").stdout
        assert alice.register() == 200


def test_workers_end_with_their_supervisor(server: Server) -> None:
    pids = server.pids()
    server.process.kill()
    server.wait()
    for pid in pids[1:]:
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())  # type: ignore[misc]


def test_after_a_power_cut_bindings_come_from_the_database(server: Server) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register() == 200
        until(lambda: server.sql("SELECT contact FROM location"))
        server.kill_all()
        # What a power cut leaves of it cannot be trusted; the server finds that out by the boot id.
        shutil.rmtree(server.data.store)
        server.start()
        contact = f"sip:alice@127.0.0.1:{alice.port}"
        until(lambda: contact in server.command("locations", "alice@example.com").stdout)
        assert alice.register() == 200


def test_an_expired_binding_goes_by_itself(make_server: Make) -> None:
    server = make_server(more="[registrar]\nmin_expires = 1\n")
    server.add_user("alice")
    server.start()
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register(expires=1) == 200
        until(lambda: server.sql("SELECT 1 FROM location"))
        until(lambda: server.sql("SELECT 1 FROM location") == [], 6)


def test_bindings_of_kamailio_are_taken_over_while_it_runs(server: Server) -> None:
    kamailio = server.folder / "kamailio.sql"
    kamailio.write_text(
        "INSERT INTO location (ruid, username, domain, contact, expires, q, callid, cseq, user_agent) VALUES "
        "('uloc-1', 'alice', 'example.com', 'sip:alice@192.0.2.7:5062', '2035-01-01 00:00:00', -1.0, 'c', 1, 'X');\n"
        "INSERT INTO subscriber (username, domain, password) VALUES ('dave', 'example.com', 'x');\n"
    )
    done = server.command("users", "import", str(kamailio))
    assert done.stdout == "1 users imported, 0 existed, 1 bindings\n"
    until(lambda: "sip:alice@192.0.2.7:5062" in server.command("locations", "alice@example.com").stdout, 5)


def test_reload_is_in_force_or_changes_nothing(server: Server) -> None:
    server.write('[[route]]\nmethods = ["MESSAGE"]\nreply = { status = 480 }\nauthenticate = false\n')
    assert server.command("reload").stdout == f"reloaded {server.file} (1 rules)\n"
    with contextlib.closing(server.phone("alice")) as alice:
        for _ in range(20):
            alice.socket.send(alice.request("MESSAGE", "sip:x@example.com", "sip:x@example.com"))
            assert alice.receive().startswith(b"SIP/2.0 480")
        server.write('[[route]]\nuri = "("\ndrop = true\n')
        refused = server.command("reload")
        assert refused.returncode == ExitStatus.CONFIG
        line = server.file.read_text().splitlines().index('uri = "("') + 1
        assert refused.stderr.splitlines()[0].startswith(f"{server.file}:{line}: route[0].uri: ")
        alice.socket.send(alice.request("MESSAGE", "sip:x@example.com", "sip:x@example.com"))
        assert alice.receive().startswith(b"SIP/2.0 480")


def test_fifty_reloads_lose_nothing(server: Server) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        for number in range(50):
            server.write(f'[[route]]\nname = "r{number}"\nmethods = ["INFO"]\ndrop = true\n')
            server.process.send_signal(signal.SIGHUP)
            alice.socket.send(alice.request("OPTIONS", f"sip:127.0.0.1:{server.port}", "sip:127.0.0.1"))
            assert alice.receive().startswith(b"SIP/2.0 ")
    pids = {worker["pid"] for worker in server.workers()}
    assert all(worker["restarts"] == 0 for worker in server.workers())
    assert len(pids) == 2


def test_status_metrics_and_health(server: Server) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register() == 200
    base = f"http://127.0.0.1:{server.admin}"
    until(lambda: metrics(httpx.get(f"{base}/metrics").text)["dialplane_messages_received_total"] == 2)
    document = httpx.get(f"{base}/status").json()
    assert document["counters"]["registrations"] == 1
    assert document["counters"]["challenges"] == 1
    assert document["store"]["bindings"] == 1
    assert document["healthy"] is True
    assert httpx.get(f"{base}/healthz").text == "ok\n"
    shown = server.command("status").stdout
    assert "worker-1" in shown
    assert "registrations" in shown


def test_counters_go_on_after_the_control_process_died(server: Server) -> None:
    control = server.pids()[3]
    os.kill(control, signal.SIGKILL)
    base = f"http://127.0.0.1:{server.admin}"
    # The supervisor holds the socket: the question waits for the successor.
    assert httpx.get(f"{base}/healthz", timeout=10).status_code == 200


def test_it_stops_as_told_and_everything_is_in_the_database(server: Server) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register() == 200
        pids = server.pids()
        assert server.stop() == 0
        assert server.sql("SELECT contact FROM location") == [(f"sip:alice@127.0.0.1:{alice.port}",)]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_second_server_is_one_line_and_a_status(server: Server, make_server: Make) -> None:
    locked = subprocess.run([*DIALPLANE, "serve", str(server.file)], capture_output=True, text=True, check=False)
    assert locked.returncode == ExitStatus.LOCKED
    assert locked.stderr.count("\n") == 1
    other = make_server()
    other.file.write_text(server.file.read_text())
    taken = subprocess.run([*DIALPLANE, "serve", str(other.file)], capture_output=True, text=True, check=False)
    assert taken.returncode == ExitStatus.SYSTEM
    assert taken.stderr == f"udp:127.0.0.1:{server.port}: the address is in use; is another server running?\n"


@pytest.mark.parametrize(
    ("url", "status"),
    [("postgresql://127.0.0.1:1/x", ExitStatus.UNAVAILABLE), ("sqlite:none/x.db", ExitStatus.UNAVAILABLE)],
)
def test_without_its_database_it_does_not_start(make_server: Make, url: str, status: int) -> None:
    server = make_server(url=url)
    done = subprocess.run([*DIALPLANE, "serve", str(server.file)], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("database ")


def test_a_broken_database_stops_no_call(server: Server) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        blocker = sqlite3.connect(server.data.path / "dialplane.db", isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        assert alice.register() == 200
        blocker.execute("ROLLBACK")
        blocker.close()
        until(lambda: server.sql("SELECT contact FROM location"), 10)


def test_the_log_names_nobody(server: Server) -> None:
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register() == 200
    server.stop()
    assert log_lines(server)[0]["event"] == "ready"
    assert "alice" not in server.log()


def test_it_is_ready_soon(make_server: Make) -> None:
    server = make_server()
    begin = time.process_time()
    assert server.start() < 10
    assert time.process_time() - begin < 1


def test_with_postgresql(make_server: Make, postgres_server: str) -> None:
    server = make_server(url=postgres_server)
    server.add_user("alice")
    server.start()
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register() == 200
        contact = f"sip:alice@127.0.0.1:{alice.port}"
        until(lambda: asyncio.run(contacts(postgres_server)) == [contact])
        server.kill_all()
        shutil.rmtree(server.data.store)
        server.start()
        until(lambda: contact in server.command("locations", "alice@example.com").stdout)
    assert "secret" not in server.log()


async def contacts(url: str) -> list[str]:
    """Of all bindings in a PostgreSQL database."""
    client = await asyncpg.connect(url)
    try:
        return [row["contact"] for row in await client.fetch("SELECT contact FROM location")]
    finally:
        await client.close()


def test_without_a_database_calls_go_on(make_server: Make) -> None:
    server = make_server(url="none", more="[auth]\nregister = false\n")
    server.start()
    with contextlib.closing(server.phone("alice")) as alice:
        assert alice.register() == 200
        server.kill_all()
        server.start()
        assert f"127.0.0.1:{alice.port}" in server.command("locations", "alice@example.com").stdout
    assert "database: none" in server.command("status").stdout
