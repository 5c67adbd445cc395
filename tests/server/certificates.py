"""An authority of the tests' own, and certificates that it signs."""

from __future__ import annotations

from pathlib import Path

import trustme


class Certificates:
    """Writes what it makes into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authority = trustme.CA()
        self.authority = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.authority)

    def issue(self, file: str, *names: str) -> tuple[Path, Path]:
        """Chain and key for hosts and addresses, in ``file``.pem and ``file``.key."""
        issued = self._authority.issue_cert(*names)
        chain, key = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return chain, key

    def for_client(self, *names: str) -> Path:
        """Key and certificate of a client, in one file."""
        file = self.folder / f"{names[0].replace('*', 'any')}.client.pem"
        self._authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(file)
        return file
