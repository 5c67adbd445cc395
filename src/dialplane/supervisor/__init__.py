"""The first process: opens the sockets, starts and watches the others, reloads, stops. Knows no SIP."""

from dialplane.supervisor.parts import Parts
from dialplane.supervisor.supervisor import Supervisor

__all__ = ["Parts", "Supervisor"]
