"""One registration kept alive. RFC 3261 §10.2, RFC 5626 (Outbound), RFC 3608 (Service-Route), RFC 3327 (Path), RFC 5627
(GRUU).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import random
from typing import TYPE_CHECKING

from dialplane.ua.draft import new_call_id, new_tag
from dialplane.ua.errors import RejectedError, UnreachableError, UserAgentError, rejected
from dialplane.ua.keepalive import KeepAlive
from dialplane_native import Uri, UriError

if TYPE_CHECKING:
    from dialplane.ua.agent import UserAgent
    from dialplane.ua.client import Attempt
    from dialplane.ua.transport import Flow
    from dialplane_native import Message

_log = logging.getLogger("dialplane.ua")

_BASE_SECONDS, _MOST_SECONDS = 30.0, 1800.0
"""RFC 5626 §4.5: pauses between tries when all flows have failed."""


class RegistrationState(enum.Enum):
    """Where a registration is."""

    NEW = "not tried yet"
    REGISTERED = "registered"
    FAILED = "failed; tried again later"
    ENDED = "ended"


class Registration:
    """The binding of our Contact at one registrar."""

    def __init__(self, agent: UserAgent, registrar: str, number: int, expires: int) -> None:
        self.registrar = registrar
        self.state = RegistrationState.NEW
        self.expires = expires
        """Seconds that were granted last, or are asked for."""
        self.flow: Flow | None = None
        self.service_route: tuple[str, ...] = ()
        self.gruu: str | None = None
        """Our public GRUU: a URI that leads to this user agent and no other of its user, from anywhere. RFC 5627."""
        self.problem: UserAgentError | None = None
        """Why it failed last."""
        self.has_outbound = False
        self._agent = agent
        self._number = number
        self._wanted = expires
        self._call_id, self._tag = new_call_id(), new_tag()
        self._cseq = 0
        self._failures = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.keep_alive = KeepAlive(agent.spawn, self._on_flow_failed)
        """What keeps the flow open."""
        self._busy = asyncio.Lock()
        self.changed = asyncio.Event()
        """Set whenever :attr:`state` changes."""

    async def register(self) -> None:
        """Registers and keeps the binding. Raises what stands against it the first time."""
        async with self._busy:
            await self._register()

    async def end(self) -> None:
        """Removes the binding. RFC 3261 §10.2.2. A registrar that does not answer is not waited for."""
        self._stop()
        was, self.state = self.state, RegistrationState.ENDED
        if was is RegistrationState.REGISTERED:
            with contextlib.suppress(UserAgentError, TimeoutError):
                async with asyncio.timeout(2.0), self._busy:
                    await self._ask(0)
        self.changed.set()

    def on_lost(self, flow: Flow) -> None:
        """A connection is gone; if it was ours, another is opened. RFC 5626 §4.4."""
        if flow is self.flow and self.state is RegistrationState.REGISTERED:
            self._later(0)

    async def _register(self) -> None:
        self.keep_alive.stop()
        response, attempt = await self._ask(self._wanted)
        status = response.status or 0
        if status == 423:  # §10.2.8
            least = (response.get("Min-Expires") or "").strip()
            if least.isdecimal() and int(least) > self._wanted:
                self._wanted = min(int(least), 7 * 86400)
                response, attempt = await self._ask(self._wanted)
                status = response.status or 0
        if not 200 <= status < 300:
            raise rejected(response, "REGISTER")
        self.flow = attempt.flow
        self.expires = self._granted(response, attempt)
        self.service_route = tuple(f"<{address.uri_text}>" for address in response.addresses("Service-Route"))
        self.gruu = self._public_gruu(response)
        self.has_outbound = "outbound" in {tag.lower() for tag in response.elements("Require")}
        if self._agent.keep_alive:
            self.keep_alive.begin(attempt.flow, response)
        if self.keep_alive.is_proven:
            self._failures = 0
        self._set(RegistrationState.REGISTERED)
        # Early enough for two tries, and not all at one time.
        self._later(self.expires * random.uniform(0.8, 0.9) if self.expires > 20 else self.expires / 2)

    async def _ask(self, expires: int) -> tuple[Message, Attempt]:
        """One REGISTER with its credentials."""
        self._cseq += 1
        agent = self._agent
        fields = [("Expires", str(expires)), ("Supported", "path, outbound, gruu"), ("Allow", agent.allow)]
        draft = agent.draft(
            "REGISTER", self.registrar, self._call_id, self._tag, self._cseq, to=f"<{agent.aor}>", fields=fields
        )
        draft.offers_keep_alives = agent.keep_alive and expires > 0

        def started(attempt: Attempt) -> None:
            attempt.draft.contact = self._contact(attempt.flow)
            self._cseq = attempt.draft.cseq

        flow = self.flow if self.flow is not None and getattr(self.flow, "is_open", True) else None
        return await agent.client.perform(draft, flow=flow, started=started)

    def _contact(self, flow: Flow) -> str:
        """With instance and number, by which a registrar knows that a new flow replaces the old one. RFC 5626 §4.2."""
        contact = self._agent.contact(flow, outbound=False)
        return f'{contact};+sip.instance="<{self._agent.instance}>";reg-id={self._number}'

    def _public_gruu(self, response: Message) -> str | None:
        """What the registrar has given to our instance. RFC 5627 §4.2: to be used as it stands."""
        for contact in response.contacts:
            instance = contact.params.get("+sip.instance") or ""
            given = contact.params.get("pub-gruu")
            if given and instance.strip('"') == f"<{self._agent.instance}>":
                with contextlib.suppress(UriError):
                    uri = Uri(given)
                    if uri.scheme in {"sip", "sips"} and "gr" in uri.params:
                        return given
        return None

    def _granted(self, response: Message, attempt: Attempt) -> int:
        """Seconds that the registrar has granted to our Contact. RFC 3261 §10.2.4."""
        ours = Uri(self._agent.contact(attempt.flow, outbound=False).strip("<>"))
        for contact in response.contacts:
            if contact.uri == ours and contact.expires is not None:
                return max(contact.expires, 1)
        granted = response.expires
        return max(granted, 1) if granted else self._wanted

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, lambda: self._agent.spawn(self._refresh()))

    async def _refresh(self) -> None:
        if self.state is RegistrationState.ENDED:
            return
        try:
            await self.register()
        except UserAgentError as error:
            self._fail(error)

    def _fail(self, error: UserAgentError) -> None:
        """Tries again later. RFC 5626 §4.5."""
        self.problem = error
        self.flow = self.gruu = None
        self._set(RegistrationState.FAILED)
        most = min(_MOST_SECONDS, _BASE_SECONDS * 2**self._failures)
        self._failures += 1
        seconds = random.uniform(most / 2, most)
        if isinstance(error, RejectedError):
            after = (error.response.get("Retry-After") or "").partition(";")[0].strip()
            seconds = max(seconds, min(float(after), _MOST_SECONDS)) if after.isdecimal() else seconds
        _log.warning("%s: %s; tried again in %d s", self.registrar, error, seconds)
        self._later(seconds)

    def _on_flow_failed(self) -> None:
        """Keep-alives are not answered, or a NAT has moved us. A flow that has worked is replaced at once."""
        if self.state is not RegistrationState.REGISTERED:
            return
        if self.keep_alive.had_worked:
            self._failures = 0
            self._later(0)
        else:
            self._fail(
                UnreachableError("it takes registrations, and does not answer the keep-alives that it asked for")
            )

    def _set(self, state: RegistrationState) -> None:
        if self.state is not RegistrationState.ENDED:
            self.state = state
            self.changed.set()

    def _stop(self) -> None:
        self.keep_alive.stop()
        if self._timer is not None:
            self._timer.cancel()
