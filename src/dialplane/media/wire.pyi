import socket as sockets

from typing_extensions import disjoint_base

def now() -> float:
    """Seconds of the monotonic clock, which all times here are counted in."""

@disjoint_base
class Port:
    """One UDP socket: where it sends, and what has come."""

    socket: sockets.socket
    remote: tuple[str, int] | None
    truncated: int
    """Datagrams of more than 1600 octets: dropped."""
    failed: int
    """Datagrams that the kernel did not take, and refusals from the way."""
    def __init__(self, socket: sockets.socket) -> None: ...
    def direct(self, remote: tuple[str, int] | None) -> None:
        """From now on datagrams go to this host (an address) and port; to nobody, for None."""

    def close(self) -> None:
        """Gives the socket back; what is still in an outbox goes nowhere."""

    def receive(self) -> list[tuple[bytes, float, tuple[str, int] | None]]:
        """All that has come: octets, monotonic time of arrival, and the source, None for who we send to."""

@disjoint_base
class Outbox:
    """Datagrams of many ports, sent together."""

    def put(self, port: Port, datagram: bytes) -> None:
        """To be sent at the next ``flush``; nothing happens if the port is directed to nobody."""

    def flush(self) -> int:
        """Sends all; gives how many the kernel took. A datagram that it does not take is lost, as on the way."""

@disjoint_base
class Ticker:
    """A timer that the event loop can watch: readable each ``interval`` seconds."""

    def __init__(self, interval: float) -> None: ...
    def fileno(self) -> int:
        """The descriptor."""

    def ticks(self) -> int:
        """How many intervals have passed since the last call."""

    def close(self) -> None:
        """Gives the descriptor back."""
