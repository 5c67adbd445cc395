"""dialplane: SIP proxy, registrar and redirect server."""

__version__ = "0.1.0"
