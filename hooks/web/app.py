"""The web application: the page, what it asks for, and the HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gi_plugin.errors import Cancelled, ConfigError, EngineError, GiError, ImageError, PluginError

from . import api, page
from .access import Access, refusal
from .state import ServerState

STATIC = Path(__file__).with_name("static")
NO_SUCH_CALL = "there is no such call; /openapi.json lists the calls and their methods"
TIDY_EVERY = 60  # seconds between two searches for unused photos
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, 400),
    (ImageError, 422),
    (Cancelled, 504),  # by its deadline: nobody reads the answer to a client that left
    (PluginError, 500),
    (EngineError, 500),
    (GiError, 500),
)


def make_app(state: ServerState, token: str) -> Starlette:
    """Make the application of a server.

    :param token: see `Access`.
    """
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(Access, token=token, upload=state.limits.upload)],
        exception_handlers=HANDLERS,
        lifespan=_tidying,
    )
    app.state.shared = state
    return app


async def _index(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


@asynccontextmanager
async def _tidying(app: Starlette) -> AsyncIterator[None]:
    """Delete unused photos from time to time while the server runs."""

    async def tidy() -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY)
            app.state.shared.photos.tidy()

    task = asyncio.create_task(tidy())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # see `HANDLERS`
    headers: Mapping[str, str] | None = error.headers
    unknown = error.status_code in (404, 405) and error.detail == HTTPStatus(error.status_code).phrase  # Starlette says no more
    return refusal(error.status_code, NO_SUCH_CALL if unknown else error.detail, dict(headers) if headers else None)


async def _our_error(_: Request, error: Exception) -> Response:
    return refusal(next(status for kind, status in STATUS if isinstance(error, kind)), str(error))


async def _failure(*_: Any) -> Response:
    return refusal(500, "the server failed; its log says why")


HANDLERS: dict[Any, Any] = {HTTPException: _refused, GiError: _our_error, Exception: _failure}
PHOTO = "/photos/{key}"
ROUTES = [
    Route("/", _index),
    Mount("/static", StaticFiles(directory=STATIC)),
    Route("/settings", page.settings),
    Route("/photos", page.load, methods=["POST"]),
    Route(f"{PHOTO}/preview", page.preview),
    Route(f"{PHOTO}/fill", page.fill, methods=["POST"]),
    Route(f"{PHOTO}/mask", page.mask, methods=["POST"]),
    Route(f"{PHOTO}/read-mask", page.read_mask, methods=["POST"]),
    Route(f"{PHOTO}/versions/{{version:int}}/{{kind:str}}.png", page.picture),
    Route(f"{PHOTO}/download", page.download),
    Route(f"{PHOTO}/leave", page.leave, methods=["POST"]),
    Route("/inpaint", api.inpaint, methods=["POST"]),
    Route("/health", api.health),
    Route("/openapi.json", api.describe),
]
