"""Side-by-side measurements of dialplane, Kamailio and a relay without SIP. ``python -m benchmarks --help``."""
