"""Dialogs, without input or output. RFC 3261 §12.

What both sides know of each other for the time of a call or subscription. The table below says what each event does to
each state; there is no other way from one to another.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from dialplane.ua.draft import Draft, Fields

if TYPE_CHECKING:
    from dialplane_native import Message, NameAddr


class State(enum.Enum):
    """RFC 3261 §12: created by a provisional response, confirmed by a 2xx."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Event(enum.Enum):
    """What happens to a dialog."""

    PROVISIONAL = "a response 101 to 199 with a To tag"
    SUCCESS = "a 2xx"
    REFUSAL = "a final response 300 to 699 to the request that made it"
    BYE = "BYE was sent or received, or a subscription ended"
    GONE = "408 or 481 to a request within it, or no answer at all"


TABLE: dict[tuple[State, Event], State] = {
    (State.EARLY, Event.PROVISIONAL): State.EARLY,
    (State.EARLY, Event.SUCCESS): State.CONFIRMED,
    (State.EARLY, Event.REFUSAL): State.TERMINATED,  # §12.3
    (State.EARLY, Event.BYE): State.TERMINATED,  # §15: the caller may end an early dialog so
    (State.EARLY, Event.GONE): State.TERMINATED,
    (State.CONFIRMED, Event.PROVISIONAL): State.CONFIRMED,  # overtaken by the 2xx
    (State.CONFIRMED, Event.SUCCESS): State.CONFIRMED,  # a retransmission, or a target refresh
    (State.CONFIRMED, Event.REFUSAL): State.CONFIRMED,  # §14.1: a refused re-INVITE leaves the session as it was
    (State.CONFIRMED, Event.BYE): State.TERMINATED,
    (State.CONFIRMED, Event.GONE): State.TERMINATED,  # §12.2.1.2
    (State.TERMINATED, Event.PROVISIONAL): State.TERMINATED,
    (State.TERMINATED, Event.SUCCESS): State.TERMINATED,
    (State.TERMINATED, Event.REFUSAL): State.TERMINATED,
    (State.TERMINATED, Event.BYE): State.TERMINATED,
    (State.TERMINATED, Event.GONE): State.TERMINATED,
}


class Dialog:
    """One dialog, seen from our side."""

    __slots__ = (
        "call_id",
        "is_caller",
        "local",
        "local_cseq",
        "local_tag",
        "remote",
        "remote_cseq",
        "remote_tag",
        "routes",
        "state",
        "target",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        target: str,
        routes: tuple[str, ...],
        local_cseq: int,
        remote_cseq: int | None,
        is_caller: bool,
        state: State,
    ) -> None:
        self.call_id = call_id
        self.local, self.local_tag = local, local_tag
        self.remote, self.remote_tag = remote, remote_tag
        self.target = target
        self.routes = routes
        self.local_cseq, self.remote_cseq = local_cseq, remote_cseq
        self.is_caller = is_caller
        self.state = state

    @classmethod
    def of_response(cls, request: Draft, response: Message, local_tag: str) -> Dialog:
        """The dialog that a response to our request makes. RFC 3261 §12.1.2."""
        to = response.to
        dialog = cls(
            call_id=request.call_id,
            local=request.from_,
            local_tag=local_tag,
            remote=str(bytes(to), "utf-8", "surrogateescape"),
            remote_tag=to.tag or "",
            target=request.uri,
            routes=(),
            local_cseq=request.cseq,
            remote_cseq=None,
            is_caller=True,
            state=State.EARLY,
        )
        dialog.learn(response)
        return dialog

    @classmethod
    def of_request(cls, request: Message, local_tag: str) -> Dialog:
        """The dialog that our response to a request makes. RFC 3261 §12.1.1."""
        from_, to = request.from_, request.to
        contact = request.contact
        return cls(
            call_id=request.call_id,
            local=f"{_text(bytes(to))};tag={local_tag}",
            local_tag=local_tag,
            remote=_text(bytes(from_)),
            remote_tag=from_.tag or "",
            target=_target(contact or from_),
            routes=_route_set(request),
            local_cseq=0,
            remote_cseq=request.cseq.number,
            is_caller=False,
            state=State.EARLY,
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """What a message within it is found by: Call-ID, local tag, remote tag."""
        return (self.call_id, self.local_tag, self.remote_tag)

    def on_event(self, event: Event) -> State:
        """One step of the table."""
        self.state = TABLE[self.state, event]
        return self.state

    def learn(self, response: Message) -> None:
        """Route set and remote target from the response that made or confirmed it. RFC 3261 §12.1.2, §13.2.2.4."""
        self.routes = _route_set(response)[::-1]
        self.refresh(response)
        self.on_event(Event.SUCCESS if (response.status or 0) >= 200 else Event.PROVISIONAL)

    def refresh(self, message: Message) -> None:
        """A target refresh request, or the 2xx to one, may bring another remote target. RFC 3261 §12.2.1.2, §12.2.2."""
        contact = message.contact
        if contact is not None:
            self.target = _target(contact)

    def accepts(self, cseq: int) -> bool:
        """Whether a request comes in order; one with a lower CSeq is answered 500. RFC 3261 §12.2.2."""
        if self.remote_cseq is not None and cseq < self.remote_cseq:
            return False
        self.remote_cseq = cseq
        return True

    def draft(
        self,
        method: str,
        *,
        contact: str | None = None,
        fields: Fields = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
        cseq: int | None = None,
    ) -> Draft:
        """A request within the dialog. RFC 3261 §12.2.1.1. ACK is given the ``cseq`` of its INVITE."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = self.target, self.routes
        if routes and not _is_loose(routes[0]):
            # A strict router takes its own URI from the request line and finds the target behind the others.
            uri, routes = _uri_of(routes[0]), (*routes[1:], f"<{self.target}>")
        return Draft(
            method=method,
            uri=uri,
            from_=self.local,
            to=self.remote,
            call_id=self.call_id,
            cseq=cseq,
            routes=routes,
            contact=contact,
            fields=list(fields),
            body=body,
            content_type=content_type,
        )

    @property
    def next_hop(self) -> str:
        """The URI that requests of it go to."""
        return _uri_of(self.routes[0]) if self.routes else self.target


def _route_set(message: Message) -> tuple[str, ...]:
    """The URIs in Record-Route with their parameters. RFC 3261 §12.1.1. Raises an error for one that cannot be read."""
    if "Record-Route" not in message:
        return ()
    return tuple(f"<{_target(address)}>" for address in message.record_route)


def _target(address: NameAddr) -> str:
    """A URI of the peer that can be read, without the headers that a request line may not have. RFC 3261 §19.1.1."""
    return bytes(address.uri).decode("utf-8", "surrogateescape").partition("?")[0]


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _uri_of(route: str) -> str:
    return route[route.index("<") + 1 : route.index(">")] if "<" in route else route


def _is_loose(route: str) -> bool:
    """RFC 3261 §19.1.1: the ``lr`` parameter of the URI."""
    return any(part.partition("=")[0].strip().lower() == "lr" for part in _uri_of(route).split(";")[1:])
