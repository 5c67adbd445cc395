"""What the control process asks of the shared store; ``dialplane_native.server.Store`` is the one that serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialplane_native.records import Binding, Credentials, IdRange
    from dialplane_native.server import Connection


class MirroredStore(Protocol):
    """See ``dialplane_native.server.Store`` for what each does."""

    @property
    def discarded(self) -> bool: ...  # noqa: D102
    def restored(self) -> None: ...  # noqa: D102
    def mirror(self, on: bool) -> None: ...  # noqa: D102, FBT001
    def changes(self, urgent: bool, limit: int) -> tuple[object, list[IdRange], list[Binding]]: ...  # noqa: D102, FBT001
    def acknowledge(self, token: object) -> None: ...  # noqa: D102
    def write_changes(self, database: Connection, urgent: bool, limit: int) -> tuple[int, int]: ...  # noqa: D102, FBT001
    def backlog(self) -> tuple[int, int]: ...  # noqa: D102
    def sweep(self, now: float, limit: int) -> int: ...  # noqa: D102
    def bindings(self, cursor: bytes | None, limit: int) -> tuple[bytes | None, list[Binding]]: ...  # noqa: D102
    def lookup(self, username: str, domain: str) -> list[Binding]: ...  # noqa: D102
    def restore(self, rows: Sequence[Binding]) -> int: ...  # noqa: D102
    def put_credentials(  # noqa: D102
        self, user: str, realm: str, md5: str | None, sha256: str | None, sha512_256: str | None
    ) -> None: ...
    def remove_credentials(self, user: str, realm: str) -> bool: ...  # noqa: D102
    def credentials(self, cursor: bytes | None, limit: int) -> tuple[bytes | None, list[Credentials]]: ...  # noqa: D102
    def sizes(self) -> dict[str, int]: ...  # noqa: D102
