"""Datagrams that the kernel drops by chance, in the namespace of the test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def losing(percent: int) -> Iterator[None]:
    """Drops this part of all datagrams, each once on its way: of a call through a server, on all four ways."""
    rules = f"""
        table inet loss {{
            chain input {{
                type filter hook input priority 0;
                meta l4proto udp numgen random mod 100 < {percent} drop;
            }}
        }}
    """
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "loss"], check=True)
