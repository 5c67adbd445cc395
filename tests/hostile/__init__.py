"""Hostile messages against the live subject, in a network namespace that no datagram can leave."""
