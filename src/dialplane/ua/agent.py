"""The user agent: one address-of-record, its registrations, its calls, its messages. RFC 3261 §8, §10, §13.

async with UserAgent("sip:alice@example.com", password="…") as ua:
    call = await ua.call("sip:bob@example.com", media=…)
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import uuid
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from dialplane.ua.client import Client
from dialplane.ua.digest import Wallet
from dialplane.ua.dispatch import Dispatch
from dialplane.ua.draft import ALLOW, SUPPORTED, Draft, Fields, new_call_id, new_tag
from dialplane.ua.endpoint import Endpoint
from dialplane.ua.errors import MisuseError, UnreachableError, UserAgentError, rejected
from dialplane.ua.media import media_of
from dialplane.ua.outgoing import OutgoingCall
from dialplane.ua.publication import Publication
from dialplane.ua.registration import Registration
from dialplane.ua.resolve import Resolver, SystemResolver, numeric_hop
from dialplane.ua.subscription import Subscription, accept_of
from dialplane.ua.transport import SocketTransports
from dialplane.ua.transport.udp import address_towards
from dialplane_native import DialplaneError, Uri, UriError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
    from types import TracebackType

    from dialplane.media import MediaSession
    from dialplane.media.session import Security
    from dialplane.ua.call import Call
    from dialplane.ua.dialog import Dialog
    from dialplane.ua.incoming import IncomingCall
    from dialplane.ua.media import Media
    from dialplane.ua.message import ReceivedMessage
    from dialplane.ua.notifier import IncomingSubscription
    from dialplane.ua.transfer import Referral
    from dialplane.ua.transport import Flow, Transports
    from dialplane_native import Message

_log = logging.getLogger("dialplane.ua")

CallHandler: TypeAlias = "Callable[[IncomingCall], Awaitable[None]]"
MessageHandler: TypeAlias = "Callable[[ReceivedMessage], Awaitable[None]]"
SubscriptionHandler: TypeAlias = "Callable[[IncomingSubscription], Awaitable[None]]"
TransferHandler: TypeAlias = "Callable[[Referral], Awaitable[bool]]"


class UserAgent:
    """A SIP user agent, client and server.

    ``aor``
        Our address: ``sip:alice@example.com``, or ``alice@example.com``.
    ``password``, ``username``
        For digest; the user name is the user part of the address unless it is given.
    ``register``
        Whether to register: by itself only with a password. A registrar, or several, may be named; otherwise it is the
        domain of the address.
    ``proxy``
        A server that every request goes to first (outbound proxy): ``192.0.2.1:5060`` or a SIP URI.
    ``host``, ``port``
        Where to listen, for UDP and TCP alike.
    ``most_calls``
        Calls at one time; whoever calls beyond is told 503.
    ``session_expires``
        Seconds after which a call ends that nobody refreshes (RFC 4028); 0: we ask for none.
    """

    def __init__(
        self,
        aor: str,
        *,
        password: str | None = None,
        username: str | None = None,
        display: str | None = None,
        register: bool | str | Sequence[str] | None = None,
        proxy: str | None = None,
        expires: int = 600,
        host: str | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        session_expires: int = 1800,
        keep_alive: bool = True,
        instance: str | None = None,
        user_agent: str = "dialplane",
        resolver: Resolver | None = None,
        transports: Transports | None = None,
        most_calls: int = 1000,
        t1: float = 0.5,
    ) -> None:
        self.aor = _sip_uri(aor)
        uri = Uri(self.aor)
        self.user = uri.user or "anonymous"
        self.display = display
        self.proxy = f"<{_with_lr(_sip_uri(proxy))}>" if proxy else None
        self.session_expires = session_expires
        self.keep_alive = keep_alive
        self.instance = instance or uuid.uuid4().urn
        self.allow, self.supported = ALLOW, SUPPORTED
        self.registrations: list[Registration] = []
        self._user_agent = user_agent
        self._expires = expires
        self._most_calls = most_calls
        self._host = host
        self._registrars = _registrars(register if register is not None else password is not None, uri)
        transports = transports or SocketTransports(host=host, port=port, tls=tls)
        self.dispatch = Dispatch(self)
        self.endpoint = Endpoint(transports, self.dispatch, t1=t1)
        self.client = Client(self.endpoint, resolver or SystemResolver(), Wallet(username or self.user, password))
        self.call_handler: CallHandler | None = None
        self.message_handler: MessageHandler | None = None
        self.transfer_handler: TransferHandler | None = None
        self.subscription_handlers: dict[str, SubscriptionHandler] = {}
        """By event package."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._calls: set[Call] = set()
        self._is_closing = False

    async def __aenter__(self) -> Self:
        await self.endpoint.start()
        try:
            for number, registrar in enumerate(self._registrars, 1):
                self.registrations.append(Registration(self, registrar, number, self._expires))
            await asyncio.gather(*(registration.register() for registration in self.registrations))
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hangs up every call, removes the registrations, closes the transports."""
        self._is_closing = True
        self.dispatch.close()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.endpoint.close)
            calls = list(self._calls)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    ending = [watcher.end("probation") for watcher in self.dispatch.watchers.values()]
                    await asyncio.gather(*(call.hang_up() for call in calls), *ending, return_exceptions=True)
            await asyncio.gather(*(registration.end() for registration in self.registrations))
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # What the program asks for.

    def call(
        self,
        uri: str,
        *,
        media: Media | bytes | str | None = None,
        fields: Fields = (),
        follow_redirects: bool = True,
    ) -> OutgoingCall:
        """Calls somebody. ``call = await ua.call(…)`` waits for the answer; without ``await`` the call is under way.

        Without ``media`` the callee is asked to offer; then the call must be given media before it is answered.
        """
        self._require_open()
        call = OutgoingCall(self, _sip_uri(uri), media_of(media), fields=fields, follow_redirects=follow_redirects)
        self._calls.add(call)
        return call

    def media(
        self, *, towards: str | None = None, codecs: Sequence[str] = ("PCMU", "PCMA"), srtp: Security = "off"
    ) -> MediaSession:
        """A :class:`dialplane.media.MediaSession` at the address by which the server, or ``towards``, is reached."""
        from dialplane.media import MediaSession  # noqa: PLC0415 - not needed by who brings his own

        return MediaSession(self._address(towards), codecs=codecs, srtp=srtp)

    def _address(self, towards: str | None) -> str:
        if self._host:
            return self._host
        uris = [towards and _sip_uri(towards), self.proxy and self.proxy.strip("<>"), *self._registrars]
        hops = [hop for uri in uris if uri and (hop := numeric_hop(Uri(uri))) is not None]
        remotes = [(hop.host, hop.port) for hop in hops]
        remotes += [registration.flow.remote for registration in self.registrations if registration.flow is not None]
        # No datagram is sent: the kernel says which address the default route has.
        for remote in [*remotes, ("192.0.2.1", 9)]:
            with contextlib.suppress(UnreachableError):
                return address_towards(remote)
        return "127.0.0.1"

    async def message(
        self, uri: str, text: str | bytes, *, content_type: str = "text/plain;charset=UTF-8", fields: Fields = ()
    ) -> Message:
        """Sends a message outside any call and gives the 2xx. RFC 3428."""
        body = text.encode() if isinstance(text, str) else text
        return await self.request("MESSAGE", uri, fields=fields, body=body, content_type=content_type)

    async def options(self, uri: str) -> Message:
        """Asks what somebody can do. RFC 3261 §11. Any final response is an answer: none is raised."""
        response, _ = await self._send("OPTIONS", uri, [("Accept", "application/sdp")], b"", "")
        return response

    async def request(
        self, method: str, uri: str, *, fields: Fields = (), body: bytes = b"", content_type: str = "text/plain"
    ) -> Message:
        """Any request outside dialogs; gives the 2xx, raises :class:`RejectedError` for another final response."""
        response, _ = await self._send(method, uri, list(fields), body, content_type)
        if not 200 <= (response.status or 0) < 300:
            raise rejected(response, method)
        return response

    async def _send(
        self, method: str, uri: str, fields: list[tuple[str, str]], body: bytes, content_type: str
    ) -> tuple[Message, object]:
        self._require_open()
        draft = self.draft(method, _sip_uri(uri), new_call_id(), new_tag(), 1, fields=fields, body=body)
        draft.content_type = content_type
        return await self.client.perform(draft)

    def subscribe(
        self, uri: str, event: str, *, expires: int = 3600, accept: str | None = None, fields: Fields = ()
    ) -> Subscription:
        """Subscribes to an event package of somebody: ``presence``, ``message-summary``, ``dialog`` or another."""
        self._require_open()
        accept = accept or accept_of(event)
        return Subscription(self, _sip_uri(uri), event, expires=expires, accept=accept, fields=fields)

    def publish(
        self, event: str, body: bytes, *, content_type: str | None = None, expires: int = 3600, uri: str | None = None
    ) -> Publication:
        """Publishes our state, such as our presence."""
        self._require_open()
        content_type = content_type or accept_of(event)
        where = _sip_uri(uri) if uri else self.aor
        return Publication(self, where, event, body, content_type=content_type, expires=expires)

    def incoming_calls(self) -> AsyncIterator[IncomingCall]:
        """Calls to us, one after the other: ``async for call in ua.incoming_calls()``."""
        return self.dispatch.calls()

    def incoming_messages(self) -> AsyncIterator[ReceivedMessage]:
        """Messages to us; each is answered 200 when it is taken."""
        return self.dispatch.messages()

    def on_call(self, handler: CallHandler) -> CallHandler:
        """Decorator: every call to us is given to ``handler``, in a task of its own."""
        self.call_handler = handler
        return handler

    def on_message(self, handler: MessageHandler) -> MessageHandler:
        """Decorator: every message to us is given to ``handler``."""
        self.message_handler = handler
        return handler

    def on_transfer(self, handler: TransferHandler) -> TransferHandler:
        """Decorator: whoever asks us to call somebody (REFER) gets what ``handler`` says: ``True`` to do it.

        Without one every transfer is declined: it lets others spend our money.
        """
        self.transfer_handler = handler
        return handler

    def on_subscription(self, *events: str) -> Callable[[SubscriptionHandler], SubscriptionHandler]:
        """Decorator: whoever subscribes to one of these packages is given to the handler; other packages get 489."""
        if not events:
            raise MisuseError('name the packages: @ua.on_subscription("presence", "dialog")')

        def taken(handler: SubscriptionHandler) -> SubscriptionHandler:
            self.subscription_handlers.update(dict.fromkeys((event.lower() for event in events), handler))
            return handler

        return taken

    # What its parts use.

    def draft(
        self,
        method: str,
        uri: str,
        call_id: str,
        tag: str,
        cseq: int,
        *,
        to: str | None = None,
        fields: Fields = (),
        body: bytes = b"",
    ) -> Draft:
        """A request outside dialogs, with the route that is set. RFC 3261 §8.1.1."""
        routes: tuple[str, ...] = (self.proxy,) if self.proxy else ()
        if method != "REGISTER" and self.registrations and self.registrations[0].service_route:
            routes = self.registrations[0].service_route
        name = '"' + self.display.replace("\\", "\\\\").replace('"', '\\"') + '" ' if self.display else ""
        return Draft(
            method=method,
            uri=uri,
            from_=f"{name}<{self.aor}>;tag={tag}",
            to=to or f"<{uri}>",
            call_id=call_id,
            cseq=cseq,
            routes=routes,
            fields=[*fields, ("User-Agent", self._user_agent)],
            body=body,
        )

    def contact(self, flow: Flow, *, outbound: bool = True, is_sips: bool | None = None) -> str:
        """Where we are reached by a flow; ``ob`` when that flow is to be used (RFC 5626 §4.3).

        A sips URI where the request has one (RFC 3261 §8.1.1.8, §12.1.1). By the flow of a registration that got one,
        it is our GRUU (RFC 5627 §4.4); ``outbound=False`` is what the registration itself binds.
        """
        if outbound:
            for one in self.registrations:
                if one.gruu is not None and one.flow is flow and (not is_sips or one.gruu.startswith("sips:")):
                    return f"<{one.gruu}>"
        has_outbound = outbound and any(one.has_outbound and one.flow is flow for one in self.registrations)
        end = ";ob>" if has_outbound else ">"
        if (self.aor.startswith("sips:") if is_sips is None else is_sips) and flow.transport == "TLS":
            return f"<sips:{self.user}@{flow.contact_host.partition(';')[0]}{end}"
        return f"<sip:{self.user}@{flow.contact_host}{end}"

    def identity_fields(self) -> list[tuple[str, str]]:
        """Header fields of every call of ours."""
        return []

    def capabilities(self) -> list[tuple[str, str]]:
        """What a 200 to OPTIONS says. RFC 3261 §11.2."""
        events = [("Allow-Events", ", ".join(self.subscription_handlers))] if self.subscription_handlers else []
        return [
            *events,
            ("Allow", self.allow),
            ("Accept", "application/sdp, text/plain, message/sipfrag"),
            ("Supported", self.supported),
        ]

    def add_dialog(self, dialog: Dialog, call: Call) -> None:
        """Requests within it go to this call."""
        self.dispatch.dialogs[dialog.key] = call

    def remove_dialog(self, dialog: Dialog) -> None:
        """Nobody answers requests within it any more."""
        self.dispatch.dialogs.pop(dialog.key, None)

    def remember(self, call: Call) -> None:
        """A call that is to be hung up when we close."""
        self._calls.add(call)

    @property
    def is_full(self) -> bool:
        """Whether there are as many calls as there may be."""
        return len(self._calls) >= self._most_calls

    def forget(self, call: Call) -> None:
        """A call that is over."""
        self._calls.discard(call)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Does something beside; what goes wrong is told once."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, UserAgentError | DialplaneError):
            _log.info("beside: %s", error)
        elif error is not None:
            _log.error("a task has failed", exc_info=error)

    def _require_open(self) -> None:
        if self._is_closing or not hasattr(self.endpoint, "transactions"):
            raise MisuseError("the user agent is not open: async with UserAgent(…) as ua")


def _registrars(register: bool | str | Sequence[str], aor: Uri) -> list[str]:  # noqa: FBT001 - see UserAgent
    if register is False:
        return []
    if register is True:
        host = aor.host or ""
        return [f"{aor.scheme}:{host}" + (f":{aor.port}" if aor.port else "")]
    return [_sip_uri(register)] if isinstance(register, str) else [_sip_uri(one) for one in register]


@functools.lru_cache(maxsize=1024)
def _sip_uri(text: str) -> str:
    """A URI as people type it: the scheme may be missing."""
    text = text.strip()
    uri = text if text.partition(":")[0].lower() in {"sip", "sips", "tel"} else f"sip:{text}"
    try:
        Uri(uri)
    except UriError as error:
        raise MisuseError(f"{text!r} is no SIP address: {error}; it looks like sip:alice@example.com") from error
    return uri


def _with_lr(uri: str) -> str:
    return uri if ";lr" in uri else f"{uri};lr"
