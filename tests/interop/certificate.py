"""Certificates for one test: an authority, and the server's chain by it."""

from __future__ import annotations

from pathlib import Path

import trustme

from .namespace import SUBJECT


def issue(folder: Path) -> tuple[Path, tuple[Path, Path]]:
    """The authority's certificate, and chain and key for the server's address."""
    authority = trustme.CA()
    trusted, chain, key = (folder / name for name in ("authority.pem", "chain.pem", "key.pem"))
    authority.cert_pem.write_to_path(trusted)
    issued = authority.issue_cert(SUBJECT)
    issued.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return trusted, (chain, key)
