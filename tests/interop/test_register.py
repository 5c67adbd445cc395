"""Registration by SIPp with digest: the flows of RFC 3665 §2, one user or many."""

from __future__ import annotations

import re
from collections.abc import Callable

from .capture import Capture
from .message import Message, parse
from .sipp import Sipp
from .subject import Server, Setup, User
from .waiting import eventually


def last_response(capture: Capture, registrations: int) -> Message:
    """The response that was sent last, once the capture has all of so many registrations: two requests each."""
    eventually(lambda: len(capture.datagrams()) >= 4 * registrations)
    return next(message for one in reversed(capture.datagrams()) if (message := parse(one.payload)).status is not None)


def contacts(message: Message) -> set[str]:
    """Contact URIs of a 200 to REGISTER."""
    return {found[0] for value in message.all("contact") if (found := re.search(r"(?<=<)[^>]*", value))}


def credentials(password: str) -> list[str]:
    return ["-au", "alice", "-ap", password, "-auth_uri", "example.org"]


def register(sipp: Sipp, contact: str, *, expires: str = "600") -> None:
    keys = {"expires": expires, "contact": contact}
    sipp.run("register", "alice", service="alice", keys=keys, options=credentials("wonderland"))


def test_new_update_fetch_and_cancel(serve: Callable[[Setup], Server], sipp: Sipp, capture: Capture) -> None:
    """RFC 3665 §2.1 new, §2.2 update of the list, §2.3 request for the list, §2.4 cancellation."""
    serve(Setup())
    first, second = "sip:alice@192.0.2.11:5060", "sip:alice@192.0.2.13:5070"
    register(sipp, f"Contact: <{first}>")
    assert contacts(last_response(capture, 1)) == {first}
    register(sipp, f"Contact: <{second}>;q=0.5")
    assert contacts(last_response(capture, 2)) == {first, second}
    register(sipp, "Subject: no Contact, a fetch")
    assert contacts(last_response(capture, 3)) == {first, second}
    register(sipp, "Contact: *", expires="0")
    assert contacts(last_response(capture, 4)) == set()
    register(sipp, "Subject: no Contact, a fetch")
    assert contacts(last_response(capture, 5)) == set()


def test_wrong_password(serve: Callable[[Setup], Server], sipp: Sipp, capture: Capture) -> None:
    """RFC 3665 §2.5: no binding comes of it."""
    server = serve(Setup())
    keys = {"expires": "600", "contact": "Contact: <sip:alice@192.0.2.11:5060>"}
    sipp.run("register-refused", "alice", service="alice", keys=keys, options=credentials("not-it"))
    assert server.locations() == {}


def test_many_users(serve: Callable[[Setup], Server], sipp: Sipp) -> None:
    users = tuple(User(f"user{number}", f"secret{number}") for number in range(200))
    server = serve(Setup(users=users))
    rows = [(user.name, f"[authentication username={user.name} password={user.password}]") for user in users]
    sipp.run(
        "register-many",
        "alice",
        calls=len(users),
        rate=200,
        rows=rows,
        keys={"expires": "600"},
        options=["-auth_uri", "example.org"],
    )
    eventually(lambda: server.locations().keys() == {f"sip:{user.name}@example.org" for user in users})
