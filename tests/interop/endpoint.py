"""A UDP socket that speaks SIP one message at a time: the test itself as user agent."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from .message import Message, challenge_of, credentials, parse, request, response, unique
from .namespace import HOSTS, SUBJECT

SERVER = (SUBJECT, 5060)


class Endpoint:
    """One actor of ``HOSTS``; every wait is bounded."""

    def __init__(self, host: str, port: int = 5060, *, server: tuple[str, int] = SERVER) -> None:
        self.address = (HOSTS[host], port)
        self.server = server
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(self.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def contact(self) -> str:
        """A Contact value that leads here."""
        return f"<sip:{self.address[0]}:{self.address[1]}>"

    def send(self, message: Message | bytes, to: tuple[str, int] | None = None) -> None:
        """One datagram, to the server unless told otherwise."""
        self._socket.sendto(message if isinstance(message, bytes) else message.encode(), to or self.server)

    def receive(self, *, seconds: float = 2.0) -> Message:
        """The next message; too late is a failure."""
        self._socket.settimeout(seconds)
        try:
            return parse(self._socket.recv(65536))
        except TimeoutError:
            raise AssertionError(f"{self.address} received nothing within {seconds} s") from None

    def receive_nothing(self, *, seconds: float = 0.3) -> None:
        """Fails when a message comes."""
        self._socket.settimeout(seconds)
        try:
            message = parse(self._socket.recv(65536))
        except TimeoutError:
            return
        raise AssertionError(f"{self.address} received a message that should not be\n{message.text()}")

    def receive_request(self, method: str, *, seconds: float = 2.0) -> Message:
        """The next message, which must be a request of this method."""
        message = self.receive(seconds=seconds)
        assert message.status is None, message.text()
        assert message.method == method, message.text()
        return message

    def receive_response(self, *, call_id: str | None = None, seconds: float = 2.0) -> Message:
        """The next response that is not 100."""
        deadline = time.monotonic() + seconds
        while True:
            message = self.receive(seconds=max(deadline - time.monotonic(), 0.001))
            assert message.status is not None, message.text()
            if message.status != 100 and (call_id is None or message["call-id"] == call_id):
                return message

    def ask(self, message: Message, *, seconds: float = 2.0) -> Message:
        """Sends a request and gives the final response to it."""
        self.send(message)
        answer = self.receive_response(seconds=seconds)
        while answer.status is not None and answer.status < 200:
            answer = self.receive_response(seconds=seconds)
        assert (answer["call-id"], answer["cseq"]) == (message["call-id"], message["cseq"]), answer.text()
        return answer

    def request(
        self,
        method: str,
        uri: str,
        *,
        from_uri: str = "sip:alice@example.org",
        to_uri: str | None = None,
        call_id: str | None = None,
        cseq: int = 1,
        contact: str | None = None,
        fields: Sequence[tuple[str, str]] = (),
        body: str = "",
        content_type: str = "application/sdp",
    ) -> Message:
        """A request from here."""
        return request(
            method,
            uri,
            source=self.address,
            from_uri=from_uri,
            to_uri=to_uri,
            call_id=call_id,
            cseq=cseq,
            contact=contact,
            fields=fields,
            body=body,
            content_type=content_type,
        )

    def respond(
        self,
        to: Message,
        status: int,
        reason: str = "Whatever",
        *,
        tag: str = "callee",
        fields: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A response to a request that was received here, sent where its top Via says (RFC 3261 §18.2.2)."""
        self.send(response(to, status, reason, tag=tag, fields=fields))

    def register(
        self,
        user: str,
        *,
        password: str | None = None,
        domain: str = "example.org",
        contact: str | None = None,
        expires: int | None = 600,
        call_id: str | None = None,
        cseq: int = 1,
        algorithm: str | None = None,
        fields: Sequence[tuple[str, str]] = (),
    ) -> Message:
        """The final response to a REGISTER, with credentials if it is challenged and there is a password."""
        call_id = call_id or unique("reg-")
        extra = [*fields]
        if expires is not None:
            extra.append(("Expires", str(expires)))
        aor = f"sip:{user}@{domain}"
        asked = self.request(
            "REGISTER",
            f"sip:{domain}",
            from_uri=aor,
            to_uri=aor,
            call_id=call_id,
            cseq=cseq,
            contact=self.contact if contact is None else contact,
            fields=extra,
        )
        if contact == "":
            asked = asked.without("Contact")
        answer = self.ask(asked)
        if answer.status != 401 or password is None:
            return answer
        value = credentials(
            challenge_of(answer, algorithm), user=user, password=password, method="REGISTER", uri=f"sip:{domain}"
        )
        again = asked.with_fields(
            ("Via", f"SIP/2.0/UDP {self.address[0]}:{self.address[1]};branch={unique('z9hG4bKt')};rport"),
            ("CSeq", f"{cseq + 1} REGISTER"),
            ("Authorization", value),
        )
        return self.ask(again)
