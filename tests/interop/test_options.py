"""The server answers for itself: OPTIONS, RFC 3261 §11; Max-Forwards §16.3; extensions §16.3, §20.29."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .differs import differs
from .endpoint import Endpoint
from .subject import EVERYBODY, Server, Setup


def test_options_to_the_server_itself(serve: Callable[[Setup], Server], alice: Endpoint) -> None:
    serve(Setup(trusted=EVERYBODY))
    answer = alice.ask(alice.request("OPTIONS", "sip:192.0.2.1"))
    assert answer.status == 200
    assert "received" in answer["via"] or "rport=5060" in answer["via"]


def test_max_forwards_zero(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    serve(Setup(trusted=EVERYBODY))
    answer = alice.ask(alice.request("INVITE", "sip:bob@192.0.2.12", fields=[("Max-Forwards", "0")]))
    bob.receive_nothing()
    assert answer.status == 483


def test_unknown_proxy_require(serve: Callable[[Setup], Server], alice: Endpoint, bob: Endpoint) -> None:
    serve(Setup(trusted=EVERYBODY))
    answer = alice.ask(alice.request("INVITE", "sip:bob@192.0.2.12", fields=[("Proxy-Require", "teleport")]))
    bob.receive_nothing()
    assert answer.status == 420
    assert answer.all("unsupported") == ["teleport"]


@differs(kamailio="answers 400 to schemes that its URI parser does not know")
@pytest.mark.parametrize("uri", ["soap.beep://192.0.2.103:3002", "nobodyKnowsThisScheme:totallyopaquecontent"])
def test_unknown_scheme(serve: Callable[[Setup], Server], alice: Endpoint, uri: str) -> None:
    serve(Setup(trusted=EVERYBODY))
    answer = alice.ask(alice.request("OPTIONS", uri, to_uri="sip:bob@example.org"))
    assert answer.status == 416
