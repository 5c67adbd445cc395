"""The database of record: subscribers and bindings, in Kamailio's tables, in SQLite or PostgreSQL.

Only the control process and the command line come here; no SIP message ever waits for a database.
"""

from __future__ import annotations

from dialplane.database.base import Database, DatabaseError
from dialplane.database.rows import Subscriber

__all__ = ["Database", "DatabaseError", "Subscriber", "database"]


def database(url: str) -> Database:
    """The database at ``url`` (``sqlite:/absolute/path`` or ``postgresql://…``), not yet opened."""
    if url.startswith("sqlite:"):
        from dialplane.database.sqlite import SqliteDatabase  # noqa: PLC0415 - only what is configured is imported

        return SqliteDatabase(url.removeprefix("sqlite:"))
    try:
        from dialplane.database.postgresql import PostgresqlDatabase  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise DatabaseError('PostgreSQL needs asyncpg: pip install "dialplane[postgresql]"') from missing
    return PostgresqlDatabase(url)
