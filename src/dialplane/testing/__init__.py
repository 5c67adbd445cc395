"""Testing what uses SIP: user agents without sockets, in virtual time. See :mod:`dialplane.testing.plugin` for pytest.

>>> from dialplane.testing import Network, run
>>> from dialplane.ua import UserAgent
>>> async def main():
...     network = Network()
...     alice = UserAgent("sip:alice@192.0.2.1", transports=network.transports("192.0.2.1"))
...     bob = UserAgent("sip:bob@192.0.2.2", transports=network.transports("192.0.2.2"))
...     async with alice, bob:
...         return (await alice.options("sip:bob@192.0.2.2")).status
>>> run(main())
200
"""

from dialplane.testing.loop import StuckError, VirtualLoop, run
from dialplane.testing.network import Network, NetworkTransports, Sent
from dialplane.testing.peer import DESCRIPTION, Peer
from dialplane.testing.server import Server

__all__ = ["DESCRIPTION", "Network", "NetworkTransports", "Peer", "Sent", "Server", "StuckError", "VirtualLoop", "run"]
