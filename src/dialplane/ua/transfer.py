"""Transfers: REFER and what becomes of it. RFC 3515, RFC 3891 (Replaces), RFC 5589, RFC 4488 (norefersub)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from dialplane.ua.errors import CallEndedError, MisuseError, NoAnswerError, rejected
from dialplane.ua.events import Transferred
from dialplane_native import DialplaneError, Uri, parse

if TYPE_CHECKING:
    from dialplane.ua.call import Call
    from dialplane.ua.media import Media
    from dialplane.ua.outgoing import OutgoingCall
    from dialplane_native import Message


class Transfer:
    """We ask the peer of a call to call somebody else."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._outcome: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

    async def run(self, target: str | Call, seconds: float) -> None:
        """Until the peer says what became of it. RFC 5589 §6, §7."""
        call = self._call
        if call.transfer_under_way is not None:
            raise MisuseError("a transfer of this call is under way")
        call.transfer_under_way = self
        try:
            fields = [("Refer-To", refer_to(target)), ("Referred-By", f"<{call.agent.aor}>")]
            await call.request("REFER", fields=fields)
            try:
                async with asyncio.timeout(seconds):
                    final = await self._outcome
            except TimeoutError:
                text = f"the peer said nothing about the transfer within {seconds:g} s"
                raise NoAnswerError(text) from None
            if final is not None and not 200 <= (final.status or 0) < 300:
                raise rejected(final, "the transfer")
        finally:
            call.transfer_under_way = None

    def on_notify(self, message: Message) -> None:
        """News: a status line in a body of type ``message/sipfrag``. RFC 3515 §2.4.5."""
        status = read_fragment(message.body)
        if status is not None:
            self._call.tell(Transferred(status.status or 0, status.reason or ""))
            if (status.status or 0) >= 200 and not self._outcome.done():
                self._outcome.set_result(status)
        over = (message.get("Subscription-State") or "").partition(";")[0].strip().lower() == "terminated"
        if over and not self._outcome.done():
            self._outcome.set_result(None)

    def on_call_ended(self) -> None:
        """The peer may hang up at us as soon as the new call is up."""
        if not self._outcome.done():
            self._outcome.set_exception(
                CallEndedError("the call ended before the peer said what became of the transfer")
            )
            self._outcome.exception()


def refer_to(target: str | Call) -> str:
    """The value of Refer-To; for a call of ours, one that takes its place. RFC 3891 §3, RFC 5589 §7.1."""
    if isinstance(target, str):
        return f"<{target}>"
    dialog = target.dialog
    if dialog is None:
        raise MisuseError("the other call of an attended transfer must be up")
    # The referee sees our tag as the remote one: to-tag is that of the target (RFC 3891 §3).
    replaces = f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"
    return f"<{dialog.target}?Replaces={quote(replaces, safe='')}>"


def read_fragment(body: bytes) -> Message | None:
    """The status line of a ``message/sipfrag`` as a response. RFC 3420."""
    line = body.split(b"\r\n", 1)[0].split(b"\n", 1)[0].strip()
    if not line.startswith(b"SIP/2.0 "):
        return None
    try:
        return parse(line + b"\r\n\r\n")
    except DialplaneError:
        return None


class Referral:
    """The peer asks us to call somebody: what :meth:`UserAgent.on_transfer` is given."""

    def __init__(self, call: Call | None, request: Message) -> None:
        self.call = call
        """The call in which it was asked."""
        self.request = request
        address = request.address("Refer-To")
        self.target = bytes(address.uri).decode("utf-8", "surrogateescape").partition("?")[0]
        """Whom to call."""
        self.referred_by = request.get("Referred-By")
        self.media: Media | None = None
        """The media of the new call: to be set before it is agreed to."""
        self.new_call: asyncio.Future[OutgoingCall] = asyncio.get_running_loop().create_future()
        """The new call, once it is up."""
        self.fields: list[tuple[str, str]] = []
        """Header fields that the new INVITE is to have: Replaces, for an attended transfer. RFC 3261 §19.1.5."""
        for name, value in Uri(bytes(address.uri)).headers:
            if name.lower() in {"replaces", "require"}:
                self.fields.append((name, unquote(value)))
        if self.referred_by:
            self.fields.append(("Referred-By", self.referred_by))

    def on_call(self, call: OutgoingCall) -> None:
        """The new call is up."""
        if not self.new_call.done():
            self.new_call.set_result(call)
