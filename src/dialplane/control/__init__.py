"""The control process: status and metrics over HTTP, the mirror in the database, expiry. Sees no datagram."""
