"""HTTP of the control process: ``/status``, ``/metrics``, ``/healthz``. Read only; on loopback by default."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dialplane.control.metrics import metrics_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from dialplane.control.status import Status


def application(status: Status, counter_names: list[tuple[str, str]]) -> Starlette:
    """The HTTP application over ``status``."""

    async def show_status(_: Request) -> Response:
        return Response(msgspec.json.encode(status.document()), media_type="application/json")

    async def show_metrics(_: Request) -> Response:
        return Response(metrics_text(status, counter_names), headers={"content-type": CONTENT_TYPE_LATEST})

    async def show_health(_: Request) -> Response:
        healthy = status.is_healthy()
        return PlainTextResponse("ok\n" if healthy else "not all workers serve\n", 200 if healthy else 503)

    return Starlette(
        routes=[
            Route("/status", show_status),
            Route("/metrics", show_metrics),
            Route("/healthz", show_health),
        ]
    )


class Server(uvicorn.Server):
    """uvicorn on a socket that the supervisor opened, within a loop and signals that are not its own."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=2,
                limit_concurrency=256,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The supervisor says when to stop."""
        yield
