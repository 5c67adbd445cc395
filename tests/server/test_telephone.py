"""The telephone in the terminal against the server: one registers and waits, another one calls it."""

from __future__ import annotations

import subprocess

from .running import DIALPLANE, Server, until


def phone(server: Server, command: str, *arguments: str) -> list[str]:
    """A command line of the telephone for a user of the server."""
    return [*DIALPLANE, command, *arguments, "--password", "secret", "--proxy", f"127.0.0.1:{server.port}"]


def test_one_registers_and_the_other_calls(server: Server) -> None:
    server.add_user("bob")
    listening = subprocess.Popen(
        phone(server, "listen", "--from", "sip:bob@example.com", "--answer", "echo", "--count", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: server.sql("SELECT contact FROM location WHERE username = 'bob'"), 20)
        # Who registers needs no port of his own, and the server may have 5060 of this machine.
        assert not server.sql("SELECT contact FROM location WHERE contact LIKE '%:5060%'")
        calling = phone(server, "call", "sip:bob@example.com", "--from", "sip:alice@example.com", "--seconds", "1")
        called = subprocess.run(calling, capture_output=True, text=True, timeout=60, check=False)
        heard, said = listening.communicate(timeout=30)
    finally:
        listening.kill()
        listening.wait()
    assert called.returncode == 0, called.stderr
    assert "the call is up" in called.stderr
    assert listening.returncode == 0, said
    assert "call from sip:alice@example.com is over" in heard


def test_a_wrong_password_is_one_line_and_a_status(server: Server) -> None:
    command = [*DIALPLANE, "register", "sip:alice@example.com", "--password", "wrong"]
    command += ["--proxy", f"127.0.0.1:{server.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "password" in done.stderr
    assert "Traceback" not in done.stderr
