"""A small server for tests: a registrar and a stateless proxy for one domain of a :class:`Network`. RFC 3261 §10, §16.

It takes every registration and checks nothing; for a real one, run ``dialplane serve``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from dialplane.ua.resolve import Hop, hop_of
from dialplane_native import DialplaneError, Message

if TYPE_CHECKING:
    from types import TracebackType

    from dialplane.testing.network import Network
    from dialplane.ua.transport import Flow


class Server:
    """``async with Server(network, "example.com"):`` from then on, users of the domain find each other."""

    def __init__(self, network: Network, domain: str, host: str = "192.0.2.200") -> None:
        self.domain = domain
        self.bindings: dict[str, list[str]] = {}
        """Contact URIs by user."""
        self._transports = network.transports(host, supported="UDP TCP")
        self._host = host
        self._flows: dict[str, Flow] = {}
        network.hosts[domain] = [host]

    async def __aenter__(self) -> Self:
        await self._transports.start(self._receive, lambda _: None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transports.close()

    def _receive(self, message: Message, flow: Flow) -> None:
        try:
            if not message.is_request:
                self._on_response(message)
            elif message.method == "REGISTER":
                self._on_register(message, flow)
            else:
                self._forward(message, flow)
        except DialplaneError as error:
            if message.is_request and message.method != "ACK":
                flow.send(message.response(400, str(error), source=flow.remote))

    def _on_register(self, request: Message, flow: Flow) -> None:
        user = request.to.uri.user or ""
        contacts = [contact.uri_text for contact in request.contacts]
        left = [contact for contact in self.bindings.get(user, []) if contact not in contacts]
        expires = request.expires if request.expires is not None else 3600
        self.bindings[user] = left + (contacts if expires else [])
        for contact in contacts:
            self._flows[contact] = flow
        fields = [("Contact", f"<{contact}>;expires={expires}") for contact in self.bindings[user]]
        flow.send(request.response(200, to_tag="server", source=flow.remote, headers=fields))

    def _forward(self, request: Message, flow: Flow) -> None:
        uri = request.uri
        if uri is None:
            return
        editor = request.edit()
        routes = request.route
        if routes and routes[0].uri.host in {self._host, self.domain}:
            editor.pop("Route")
            routes = routes[1:]
        target = bytes(uri).decode("utf-8", "surrogateescape")
        if uri.host in {self.domain, self._host}:
            found = self.bindings.get(uri.user or "", [])
            if not found:
                if request.method != "ACK":
                    flow.send(request.response(404, to_tag="server", source=flow.remote))
                return
            target = found[-1]
            editor.replace_uri(target)
        if request.method == "INVITE":
            editor.prepend("Record-Route", f"<sip:{self._host};lr>")
        # The same branch each time, so that a retransmission is one (RFC 3261 §16.11).
        branch = hashlib.sha256(f"{request.top_via.branch}{target}".encode()).hexdigest()[:16]
        editor.decrement_max_forwards()
        received = f";received={flow.remote[0]};rport={flow.remote[1]}"
        top = editor.pop_via()
        editor.push_via(bytes(top).decode().replace(";rport", "") + received)
        editor.push_via(f"SIP/2.0/{'TCP' if 'tcp' in target else 'UDP'} {self._host};branch=z9hG4bK{branch}")
        way = self._way(routes[0].uri_text if routes else target)
        if way is not None:
            way.send(bytes(editor))

    def _way(self, uri: str) -> Flow | None:
        """The connection that registered the contact, or a datagram to it."""
        known = self._flows.get(uri)
        if known is not None and known.reliable:
            return known
        hop = hop_of(uri)
        return self._transports.flow_now(hop) if hop is not None else None

    def _on_response(self, response: Message) -> None:
        editor = response.edit()
        editor.pop_via()
        via = editor.message().top_via
        host, port = via.received or via.host, via.rport or via.port or 5060
        way = self._transports.flow_now(Hop(via.transport.upper(), host, port, host))
        if way is not None:
            way.send(bytes(editor))
