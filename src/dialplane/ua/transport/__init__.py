"""How messages travel: datagrams, streams, WebSocket. RFC 3261 §18, RFC 7118."""

from dialplane.ua.transport.flow import Flow, FlowError
from dialplane.ua.transport.sockets import SocketTransports, Transports

__all__ = ["Flow", "FlowError", "SocketTransports", "Transports"]
