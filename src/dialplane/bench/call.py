"""A call from its INVITE to the 200 for its BYE: the caller. RFC 3261 §13.2, §15.1.1."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dialplane.bench.exchange import Exchange
from dialplane.ua.dialog import Dialog
from dialplane_native import DialplaneError

if TYPE_CHECKING:
    from dialplane.bench.desk import Desk
    from dialplane.bench.subscriber import Subscriber
    from dialplane.ua.draft import Draft
    from dialplane.ua.transport import Flow
    from dialplane_native import Message


def description(host: str, port: int) -> bytes:
    """An offer or answer for G.711 as telephones send it; nobody listens there."""
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- 3923081 3923081 IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    return "\r\n".join([*lines, ""]).encode()


class Invite(Exchange):
    """The beginning of a call; the call is good when its BYE is answered."""

    __slots__ = ("_acks", "_dialog", "_due", "_has_rung", "_timer", "arrived")
    method = "INVITE"

    def __init__(self, desk: Desk, subscriber: Subscriber, due: int, uri: str, body: bytes) -> None:
        super().__init__(desk, subscriber, due, subscriber.request("INVITE", uri, desk.word(), body, "application/sdp"))
        self.arrived = not desk.is_answering
        self._has_rung = False
        self._acks: dict[str, tuple[bytes, Flow]] = {}
        """By the tag of who answered."""
        self._dialog: Dialog | None = None
        self._due = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Sends it; our callee is to see it."""
        self.desk.expected[self.draft.call_id] = self
        super().begin()

    def fault(self, message: Message) -> str | None:
        """A 2xx makes a dialog and brings an answer."""
        if not self.arrived:
            return "answered by somebody else than our callee"
        if message.contact is None:
            return "no Contact"
        return None if message.body else "no session description"

    def on_provisional(self, message: Message) -> None:
        """It rings, or is on its way."""
        if (message.status or 0) > 100 and not self._has_rung:
            self._has_rung = True
            self.desk.note(f"INVITE to {message.status}", self.due)

    def on_success(self, message: Message) -> None:
        """Up: ACK, and BYE when its time has come."""
        self._dialog = self._confirm(message)
        hold = 0.0 if self.desk.is_leaving else self.desk.plan.hold
        self._due = self.desk.now() + int(hold * 1e9)
        self.desk.standing.add(self)
        if hold > 0:
            self._timer = asyncio.get_running_loop().call_later(hold, self.hang_up)
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """BYE, by the way of the dialog."""
        if self._timer is not None:
            self._timer.cancel()
        if self._dialog is None:
            return
        bye = Bye(self, self._dialog, min(self._due, self.desk.now()))
        flow = self.line.flow_now(self._dialog.next_hop)
        if flow is not None:
            bye.go(flow)
        else:
            self.desk.spawn(bye.find_way())

    def on_bad(self) -> None:
        """No call."""
        self.desk.expected.pop(self.draft.call_id, None)

    def on_late(self, message: Message | None) -> None:
        """A 2xx after the end, again, or of another fork: acknowledged, and ended unless it is ours (§13.2.2.4)."""
        if message is None or not 200 <= (message.status or 0) < 300:
            return
        tag = message.to.tag or ""
        if tag in self._acks:
            self.line.send(self._acks[tag][1], self._acks[tag][0])
            return
        try:
            dialog = self._confirm(message)
        except DialplaneError:
            return
        flow = self.line.flow_now(dialog.next_hop) or self.line.flow
        self.line.request(dialog.draft("BYE"), flow, _Nobody())

    def _confirm(self, message: Message) -> Dialog:
        """The dialog, acknowledged. RFC 3261 §13.2.2.4."""
        dialog = Dialog.of_response(self.draft, message, self.draft.call_id)
        draft = dialog.draft("ACK", cseq=self.draft.cseq)
        flow = self.line.flow_now(dialog.next_hop)
        if flow is None:
            self.desk.spawn(self._acknowledge_by(dialog, draft))
        else:
            self._acks[dialog.remote_tag] = (self.line.acknowledge(draft, flow), flow)
        return dialog

    async def _acknowledge_by(self, dialog: Dialog, draft: Draft) -> None:
        flow = await self.line.flow_to(dialog.next_hop)
        self._acks[dialog.remote_tag] = (self.line.acknowledge(draft, flow), flow)


class Bye(Exchange):
    """The end of a call, which says what became of the whole."""

    __slots__ = ("_invite", "_way")
    method = "BYE"

    def __init__(self, invite: Invite, dialog: Dialog, due: int) -> None:
        dialog.local_cseq = invite.subscriber.next_cseq(dialog.local_cseq) - 1
        super().__init__(invite.desk, invite.subscriber, due, dialog.draft("BYE"))
        self._invite = invite
        self._way: Flow = invite.line.flow

    @property
    def flow(self) -> Flow:
        """By the route of the dialog."""
        return self._way

    def go(self, flow: Flow) -> None:
        """Sends it by this way."""
        self._way = flow
        self.desk.standing.discard(self._invite)
        self.begin()

    async def find_way(self) -> None:
        """Opens a connection where one is needed."""
        self.go(await self.line.flow_to(self.draft.next_hop))

    def on_success(self, message: Message) -> None:
        """The call is over and was good."""
        self.desk.expected.pop(self._invite.draft.call_id, None)
        super().on_success(message)

    def on_bad(self) -> None:
        """The call is over."""
        self._invite.on_bad()


class _Nobody:
    """Owner of what nobody counts."""

    def on_reply(self, message: Message, flow: Flow) -> None:
        pass

    def on_failure(self, kind: str) -> None:
        pass
