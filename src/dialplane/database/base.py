"""What dialplane asks of a database, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from dialplane.errors import DialplaneError, ExitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialplane.control.store import MirroredStore
    from dialplane.database.rows import Subscriber
    from dialplane_native.records import Account, Binding, IdRange


class DatabaseError(DialplaneError):
    """The database is not there or does not do what it is asked."""

    status = ExitStatus.UNAVAILABLE


class Database(ABC):
    """A connection to the database of record. Every method but :meth:`close` raises :class:`DatabaseError`."""

    name: str
    """What to call it in messages; holds no password."""

    @abstractmethod
    async def open(self) -> None:
        """Connects, and makes what is missing: tables, columns, triggers."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnects. May be called at any time, and again."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def write_changes(self, store: MirroredStore, *, urgent: bool, limit: int) -> tuple[int, bool]:
        """Writes what the store's ``changes`` gives, and acknowledges it.

        Returns the number of rows that were written, and whether anything had changed.
        """
        token, gone, rows = store.changes(urgent, limit)
        if not gone and not rows:
            return 0, False
        await self.write_bindings(gone, rows)
        # Only now: a process that dies in between writes the same again, which changes nothing.
        store.acknowledge(token)
        return len(rows), True

    @abstractmethod
    async def write_bindings(self, gone: Sequence[IdRange], rows: Sequence[Binding]) -> None:
        """Deletes the ids in ``gone``, then writes ``rows`` over what has their ids. One transaction, durable."""

    @abstractmethod
    async def bindings(self, after: int, limit: int) -> list[Binding]:
        """Own rows of ``location`` with an ``id`` above ``after``, by ``id``."""

    @abstractmethod
    async def foreign_bindings(self, limit: int) -> list[Binding]:
        """Rows of ``location`` that others wrote (Kamailio, an import), by address-of-record."""

    @abstractmethod
    async def insert_foreign_bindings(self, rows: Sequence[Binding]) -> None:
        """Adds rows as others would; their ``id`` is made here. A running server takes them in within two seconds."""

    @abstractmethod
    async def delete_bindings(self, ids: Sequence[int]) -> None:
        """Deletes rows of ``location``."""

    @abstractmethod
    async def subscribers(self, after: Account | None, limit: int) -> list[Subscriber]:
        """Rows of ``subscriber`` behind ``after``, by domain and user name."""

    @abstractmethod
    async def subscriber(self, account: Account) -> Subscriber | None:
        """One row of ``subscriber``."""

    @abstractmethod
    async def put_subscribers(self, rows: Sequence[Subscriber], *, replace: bool) -> int:
        """Adds rows, in one transaction. Those that exist are replaced or left alone. Returns how many were written."""

    @abstractmethod
    async def remove_subscriber(self, account: Account) -> bool:
        """Deletes a row of ``subscriber``. Whether there was one."""

    @abstractmethod
    async def last_change(self) -> int:
        """Serial number of the last change of ``subscriber`` by anyone; 0 when there was none."""

    @abstractmethod
    async def changes(self, after: int, limit: int) -> list[tuple[int, Account, Subscriber | None]]:
        """Changes of ``subscriber`` behind serial number ``after``: what the row is now, ``None`` when it is gone."""

    @abstractmethod
    async def forget_changes(self, until: int) -> None:
        """Deletes what :meth:`changes` no longer has to give."""
