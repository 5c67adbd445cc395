"""A way to a peer and back: a socket and a remote address, or a connection. RFC 5626 §1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeAlias

from dialplane.ua.errors import UnreachableError

if TYPE_CHECKING:
    from dialplane.ua.transport.stun import Binding

Address: TypeAlias = tuple[str, int]
"""IP address without brackets, and port."""


class FlowError(UnreachableError):
    """The flow is gone or does not take the message."""


class Flow(ABC):
    """One way. It never changes; a connection that is lost is a flow that failed."""

    transport: str
    reliable: bool
    remote: Address
    via: str
    """Value of Via without branch."""
    contact_host: str
    """Host and port of a Contact by which we are reached, and the transport as a URI parameter when it is not UDP."""
    is_secure = False
    binding: Binding | None = None
    """STUN, on a datagram flow."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Sends one message. Raises :class:`FlowError` when that is certainly in vain."""

    @abstractmethod
    def keep_alive(self) -> None:
        """Sends what keeps NAT bindings open and shows whether the peer lives. RFC 5626 §3.5."""

    @abstractmethod
    def close(self) -> None:
        """Ends a connection; a datagram flow has none."""

    def __str__(self) -> str:
        return f"{self.transport} {joined(*self.remote)}"


def joined(host: str, port: int) -> str:
    """Host and port as they are written in a URI or Via."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def contact_host(host: str, port: int, transport: str) -> str:
    """What :attr:`Flow.contact_host` holds."""
    parameter = "" if transport == "UDP" else f";transport={transport.lower()}"
    return joined(host, port) + parameter
