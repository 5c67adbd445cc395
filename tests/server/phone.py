"""A telephone of sixty lines: registers with digest, sends requests, waits for them."""

from __future__ import annotations

import hashlib
import re
import socket
import uuid
from typing import Any

_CHALLENGE = re.compile(rb"^(?:WWW|Proxy)-Authenticate:\s*Digest (.*)$", re.MULTILINE | re.IGNORECASE)
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class Phone:
    """One user on one UDP socket."""

    token = "UDP"

    def __init__(self, user: str, domain: str, server: tuple[str, int], password: str = "") -> None:
        self.user, self.domain, self.password = user, domain, password
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(server)
        self.socket.settimeout(10)
        self.port = self.socket.getsockname()[1]
        self._start(self.socket)

    def _start(self, socket: Any) -> None:
        self.socket = socket
        self._call_id = uuid.uuid4().hex
        self._cseq = 0

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@127.0.0.1:{self.port}"

    @property
    def sent_by(self) -> str:
        """What stands in Via, behind :attr:`token`."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self.socket.close()

    def request(self, method: str, uri: str, to: str, *more: str) -> bytes:
        """The octets of a request."""
        self._cseq += 1
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.token} {self.sent_by};branch=z9hG4bK{uuid.uuid4().hex};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{self.domain}>;tag={self._call_id[:8]}",
            f"To: <{to}>",
            f"Call-ID: {self._call_id}",
            f"CSeq: {self._cseq} {method}",
            *more,
            # As long as telephones make it: an answer to a stranger is never longer than the question.
            "Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, SUBSCRIBE, NOTIFY, INFO, REFER, UPDATE, MESSAGE, PRACK",
            "Supported: replaces, outbound, gruu, path, record-aware, 100rel, timer, from-change, norefersub",
            "User-Agent: a telephone of sixty lines, which gives itself a long name to be told apart from others",
            "Accept: application/sdp, text/plain, application/vnd.gsma.rcs-ft-http+xml, application/reginfo+xml",
            "Content-Length: 0",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def ask(self, method: str, uri: str, to: str, *more: str, algorithm: str = "SHA-256") -> int:
        """Sends a request, with credentials when it is challenged. The final status."""
        status, answer = self._exchange(self.request(method, uri, to, *more))
        if status not in {401, 407}:
            return status
        credentials = self._answer_to_challenge(status, answer, method, uri, algorithm)
        return self._exchange(self.request(method, uri, to, credentials, *more))[0]

    def send_with_credentials(self, method: str, uri: str, algorithm: str = "SHA-256") -> None:
        """Sends a request, is challenged, and sends it again; whoever it is for may answer."""
        contact = f"Contact: <{self.contact}>"
        status, answer = self._exchange(self.request(method, uri, uri, contact))
        credentials = self._answer_to_challenge(status, answer, method, uri, algorithm)
        self.socket.send(self.request(method, uri, uri, credentials, contact))

    def answer(self, request: bytes, status: str) -> None:
        """Answers a request. RFC 3261 §8.2.6.2."""
        copied = (b"via:", b"v:", b"from:", b"f:", b"to:", b"t:", b"call-id:", b"i:", b"cseq:", b"record-route:")
        lines = [line for line in request.split(b"\r\n") if line.lower().startswith(copied)]
        head = [f"SIP/2.0 {status}".encode(), *lines, b"Content-Length: 0"]
        self.socket.send(b"\r\n".join(head) + b"\r\n\r\n")

    def bye(self, invite: bytes, uri: str) -> None:
        """Ends the call that ``invite`` began, as the callee: to the Contact ``uri``, by the route set."""
        routes = re.findall(rb"^Record-Route: (.*?)\r$", invite, re.MULTILINE)
        call_id = re.search(rb"^Call-ID: .*?\r$", invite, re.MULTILINE)
        assert call_id
        bye = self.request("BYE", uri, uri, f"Route: {b','.join(routes).decode()}")
        self.socket.send(re.sub(rb"(?m)^Call-ID: .*?\r$", call_id[0], bye))

    def register(self, *, expires: int = 600, algorithm: str = "SHA-256") -> int:
        """Registers this socket as contact. The final status."""
        contact = f"Contact: <{self.contact}>"
        aor = f"sip:{self.user}@{self.domain}"
        return self.ask("REGISTER", f"sip:{self.domain}", aor, contact, f"Expires: {expires}", algorithm=algorithm)

    def receive(self) -> bytes:
        """The next message, but for 100: that is the server's own, and comes when it keeps a transaction."""
        while (message := bytes(self.socket.recv(65536))).startswith(b"SIP/2.0 100 "):
            """Somebody else will answer."""
        return message

    def _exchange(self, request: bytes) -> tuple[int, bytes]:
        self.socket.send(request)
        while True:
            answer = self.receive()
            status = int(answer.split(b" ", 2)[1])
            if status >= 200:
                return status, answer

    def _answer_to_challenge(self, status: int, answer: bytes, method: str, uri: str, algorithm: str) -> str:
        for challenge in _CHALLENGE.findall(answer):
            values = dict(re.findall(rb'(\w+)="?([^",]*)"?', challenge))
            if values.get(b"algorithm", b"MD5").decode() == algorithm:
                header = "Authorization" if status == 401 else "Proxy-Authorization"
                return f"{header}: {self._credentials(method, uri, values, algorithm)}"
        raise AssertionError(f"no challenge with {algorithm}: {answer!r}")

    def _credentials(self, method: str, uri: str, challenge: dict[bytes, bytes], algorithm: str) -> str:
        def digest(text: str) -> str:
            return _HASHES[algorithm](text.encode()).hexdigest()

        realm, nonce = challenge[b"realm"].decode(), challenge[b"nonce"].decode()
        secret, action = digest(f"{self.user}:{realm}:{self.password}"), digest(f"{method}:{uri}")
        answer = digest(f"{secret}:{nonce}:00000001:c0ffee:auth:{action}")
        return (
            f'Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{answer}", '
            f'algorithm={algorithm}, qop=auth, nc=00000001, cnonce="c0ffee"'
        )
