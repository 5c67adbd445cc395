"""We are asked to call somebody: the implicit subscription of a REFER and its NOTIFYs. RFC 3515 §2.4, RFC 4488."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dialplane.ua.errors import RejectedError, UserAgentError

if TYPE_CHECKING:
    from dialplane.ua.agent import TransferHandler, UserAgent
    from dialplane.ua.dialog import Dialog
    from dialplane.ua.transfer import Referral
    from dialplane_native.transactions import Incoming

_log = logging.getLogger("dialplane.ua")


async def refer(
    agent: UserAgent, incoming: Incoming, referral: Referral, dialog: Dialog, handler: TransferHandler
) -> None:
    """Asks the program, answers 202 and tells what becomes of the call."""
    try:
        accepted = await handler(referral)
    except UserAgentError as error:
        _log.info("a transfer: %s", error)
        accepted = False
    except Exception:
        _log.exception("the handler of a transfer has failed")
        agent.endpoint.respond(incoming, 500, to_tag=dialog.local_tag)
        return
    if not accepted:
        agent.endpoint.respond(incoming, 603, to_tag=dialog.local_tag)
        return
    silent = (incoming.message.get("Refer-Sub") or "").strip().lower().startswith("false")
    contact = agent.contact(incoming.flow)
    fields = [("Contact", contact)] + ([("Refer-Sub", "false")] if silent else [])
    agent.endpoint.respond(incoming, 202, to_tag=dialog.local_tag, fields=fields)
    number = incoming.message.cseq.number

    async def tell(status: int, reason: str, *, over: bool) -> None:
        if silent:
            return
        state = "terminated;reason=noresource" if over else "active;expires=60"
        draft = dialog.draft(
            "NOTIFY",
            contact=contact,
            fields=[("Event", f"refer;id={number}"), ("Subscription-State", state)],
            body=f"SIP/2.0 {status} {reason}\r\n".encode(),
            content_type="message/sipfrag;version=2.0",
        )
        try:
            await agent.client.perform(draft, flow=agent.client.flow_now(dialog.next_hop))
        except UserAgentError as error:
            _log.info("news of a transfer: %s", error)

    await tell(100, "Trying", over=False)
    call = agent.call(referral.target, media=referral.media, fields=referral.fields)
    try:
        await call
    except RejectedError as error:
        await tell(error.code, error.reason, over=True)
    except UserAgentError:
        await tell(503, "Service Unavailable", over=True)
    else:
        referral.on_call(call)
        await tell(200, "OK", over=True)
