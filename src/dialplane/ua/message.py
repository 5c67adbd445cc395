"""Messages that have come. RFC 3428."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialplane.ua.call import Call
    from dialplane_native import Message, NameAddr


class ReceivedMessage:
    """A MESSAGE request. It is answered 200 when it is taken; a handler that raises answers 500."""

    def __init__(self, request: Message, call: Call | None) -> None:
        self.request = request
        self.call = call
        """The call in which it was sent, if it was in one."""
        self.sender: NameAddr = request.from_
        self.body = request.body
        self.content_type = request.get("Content-Type") or "text/plain"

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")
