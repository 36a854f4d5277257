"""Middleware before the web page: it passes the requests that the page needs and refuses all others.

Without it, Gradio's server would also fetch files from other servers, share the state of a session by link, and run functions outside the
queue.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|(assets|static|svelte)/.*)"
    r"|/gradio_api/(info|startup-events|upload|upload_progress|queue/(join|data)|heartbeat/\w+|cancel|reset|file=(?!\w+:).*)"
)
UPLOAD = "/gradio_api/upload"  # streamed to the disk, with its own size limit
MAX_BODY = 2**20  # bytes of any other request: they hold names of files, not files
FETCHED = re.compile(r'"path": "https?:')  # a file that the server would have to download


class Gate:
    """ASGI middleware that refuses requests which the page does not make."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 404 (not part of the page), 413 (body too long) or 403 (names a file on another server)."""
        from starlette.responses import PlainTextResponse  # noqa: PLC0415  # comes with gradio

        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"].rstrip("/") or "/"
        if not OPEN.fullmatch(path):
            return await PlainTextResponse("This address does not exist.", 404)(scope, receive, send)
        if scope["method"] != "POST" or path == UPLOAD:
            return await self._app(scope, receive, send)
        body = await _body(receive)
        if body is None:
            return await PlainTextResponse(f"The request is longer than {MAX_BODY} bytes.", 413)(scope, receive, send)
        if _fetches(body):
            return await PlainTextResponse("Files are uploaded, not fetched from an address.", 403)(scope, receive, send)
        return await self._app(scope, _Replay(body, receive), send)


class _Replay:
    """A `receive` callable that returns a body that was read already, then the messages after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._first: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        if self._first is None:
            return await self._receive()
        message, self._first = self._first, None
        return message


async def _body(receive: Receive) -> bytes | None:
    """Read the body of a request; None if it is too long or the client disconnects."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if message["type"] != "http.request" or len(body) > MAX_BODY:
            return None
    return body


def _fetches(body: bytes) -> bool:
    """Return True if JSON names a file by a web address, also if characters are escaped."""
    try:
        return FETCHED.search(json.dumps(json.loads(body))) is not None
    except (ValueError, RecursionError):
        return False  # not JSON: Gradio refuses it
