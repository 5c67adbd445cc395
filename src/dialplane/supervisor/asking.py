"""The socket in the data folder where the command line asks the running server: one JSON line in, one out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import structlog

from dialplane.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from dialplane.supervisor.folder import DataFolder

    Handler = Callable[[dict[str, Any], int], Awaitable[dict[str, Any]]]

_log = structlog.get_logger()


@contextlib.asynccontextmanager
async def answering(folder: DataFolder, handler: Handler) -> AsyncIterator[None]:
    """Answers questions as long as the context lasts. The handler also gets the descriptor of who asks."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError, asyncio.IncompleteReadError):
            question = json.loads(await reader.readuntil(b"\n"))
            try:
                answer = await handler(question, writer.get_extra_info("socket").fileno())
            except Exception:
                _log.exception("a question was not answered")
                answer = {"error": "internal error; see the log of the server"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    folder.socket.unlink(missing_ok=True)
    with folder.short_socket_path() as path:
        server = await asyncio.start_unix_server(serve, path)
    folder.socket.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        folder.socket.unlink(missing_ok=True)


def ask(folder: DataFolder, question: dict[str, Any], *, timeout: float = 120.0) -> dict[str, Any]:
    """Asks the server that runs on ``folder``. Raises :class:`UnavailableError` when none does."""
    not_running = UnavailableError(f"no server is running on data folder {folder.path}")
    try:
        with folder.short_socket_path() as path, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(json.dumps(question).encode() + b"\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except TimeoutError:
        raise UnavailableError(f"the server does not answer (waited {timeout:.0f} seconds)") from None
    except OSError:
        raise not_running from None
    if not answer:
        raise not_running
    reply: dict[str, Any] = json.loads(answer)
    if "error" in reply:
        raise UnavailableError(str(reply["error"]))
    return reply
