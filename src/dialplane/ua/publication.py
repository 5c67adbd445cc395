"""Event state that we publish, such as our presence. RFC 3903.

async with ua.publish("presence", write_presence(ua.aor, is_open=True)) as publication:
await publication.update(write_presence(ua.aor, is_open=False, note="lunch"))
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Self

from dialplane.ua.draft import new_call_id, new_tag
from dialplane.ua.errors import UserAgentError, rejected

if TYPE_CHECKING:
    from types import TracebackType

    from dialplane.ua.agent import UserAgent
    from dialplane_native import Message

_log = logging.getLogger("dialplane.ua")


class Publication:
    """One piece of event state, refreshed until it is left."""

    def __init__(self, agent: UserAgent, uri: str, event: str, body: bytes, *, content_type: str, expires: int) -> None:
        self.uri, self.event = uri, event
        self.expires = expires
        """Seconds that were granted last, or are asked for."""
        self.entity_tag: str | None = None
        """How the server names our state. RFC 3903 §11.3.1."""
        self._agent = agent
        self._body, self._content_type = body, content_type
        self._wanted = expires
        self._call_id, self._tag = new_call_id(), new_tag()
        self._cseq = 0
        self._timer: asyncio.TimerHandle | None = None
        self._busy = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.update(self._body)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.remove()

    async def update(self, body: bytes) -> None:
        """Publishes another state in place of the one before. RFC 3903 §4.1."""
        async with self._busy:
            self._body = body
            await self._publish(self._wanted, body)

    async def remove(self) -> None:
        """Takes the state back. RFC 3903 §4.5."""
        if self._timer is not None:
            self._timer.cancel()
        if self.entity_tag is not None:
            with contextlib.suppress(UserAgentError, TimeoutError):
                async with asyncio.timeout(2.0), self._busy:
                    await self._ask(0, b"")
            self.entity_tag = None

    async def _publish(self, expires: int, body: bytes) -> None:
        response = await self._ask(expires, body)
        status = response.status or 0
        if status == 412:  # §4.1: the server has forgotten it; all of it is sent again
            self.entity_tag = None
            response = await self._ask(expires, self._body)
            status = response.status or 0
        if status == 423 and (least := (response.get("Min-Expires") or "").strip()).isdecimal():
            self._wanted = max(int(least), expires)
            response = await self._ask(self._wanted, self._body)
            status = response.status or 0
        if not 200 <= status < 300:
            raise rejected(response, "PUBLISH")
        self.entity_tag = response.get("SIP-ETag") or self.entity_tag
        self.expires = response.expires or self._wanted
        self._later(self.expires * 0.85)

    async def _ask(self, expires: int, body: bytes) -> Message:
        self._cseq += 1
        fields = [("Event", self.event), ("Expires", str(expires))]
        if self.entity_tag is not None:
            fields.append(("SIP-If-Match", self.entity_tag))
        draft = self._agent.draft("PUBLISH", self.uri, self._call_id, self._tag, self._cseq, fields=fields, body=body)
        draft.content_type = self._content_type
        response, attempt = await self._agent.client.perform(draft)
        self._cseq = attempt.draft.cseq
        return response

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, lambda: self._agent.spawn(self._refresh()))

    async def _refresh(self) -> None:
        """A refresh has no body: the state is as it was."""
        try:
            async with self._busy:
                await self._publish(self._wanted, b"" if self.entity_tag is not None else self._body)
        except UserAgentError as error:
            _log.warning("%s: %s; tried again in a minute", self.uri, error)
            self._later(random.uniform(30, 60))
