"""Who may use the server: the token, pages of other sites, the size of requests; and headers that keep the page to this server."""

from __future__ import annotations

import ipaddress
import secrets
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "gi-plugin-token"
OPEN = {"/health", "/openapi.json"}  # answered without a token
PROTECTION = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # browsers ask whether a script has changed: those of two versions must not mix
    "Referrer-Policy": "no-referrer",  # the first address of a visitor holds the token
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Return True if only this machine can open a page at this address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Access:
    """ASGI middleware that refuses requests which are not allowed.

    :param token: the password that every request must carry; empty: none is needed, but then a request must name this machine as its
        host, so that no page of another site can reach the server under a name of its own.
    :param upload: most bytes of a request.
    """

    def __init__(self, app: ASGIApp, token: str, upload: int) -> None:
        self._app, self._token, self._upload = app, token, upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 400, 401, 403 or 413 in JSON."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        answer = self._refused(scope) or self._entered(scope)
        if answer is not None:
            return await answer(scope, receive, _protecting(send))
        return await self._app(scope, _Limited(receive, self._upload), _protecting(send))

    def _refused(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is not allowed."""
        headers = Headers(scope=scope)
        if not self._token and not is_loopback(_without_port(headers.get("host", ""))):
            return refusal(403, "this server has no token, so it answers only requests to localhost or 127.0.0.1")
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site") and scope["method"] != "GET":
            return refusal(403, "the request comes from a page of another site")
        if self._token and scope["path"] not in OPEN and not self._knows_token(scope, headers):
            return refusal(
                401, "the token is missing or wrong: send the header 'Authorization: Bearer TOKEN', or open the page at /?token=TOKEN"
            )
        if int(headers.get("content-length") or 0) > self._upload:
            return refusal(413, too_long(self._upload))
        return None

    def _knows_token(self, scope: Scope, headers: Headers) -> bool:
        kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        given = [headers.get("authorization", "").removeprefix("Bearer "), kept.value if kept else "", *_in_query(scope)]
        return any(secrets.compare_digest(text.encode(), self._token.encode()) for text in given)

    def _entered(self, scope: Scope) -> Response | None:
        """Return the answer to a visitor who opens the page with the token: keep it in a cookie, and remove it from the address."""
        if not self._token or scope["path"] != "/" or not _in_query(scope):
            return None
        rest = {name: values for name, values in parse_qs(scope["query_string"].decode()).items() if name != "token"}
        answer = RedirectResponse(f"/?{urlencode(rest, doseq=True)}" if rest else "/", 303)
        answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
        return answer


class _Limited:
    """A `receive` callable that ends a request whose body is longer than its limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left, self._limit = receive, limit, limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413, too_long(self._limit))
        return message


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An answer that says in JSON why a request is refused."""
    return JSONResponse({"error": message}, status, headers)


def too_long(limit: int) -> str:
    """The message about a request that is too long."""
    return f"the request is longer than {limit // 2**20} MB, which is the limit of this server"


def _without_port(host: str) -> str:
    return host if host.endswith("]") or (host.count(":") != 1 and not host.startswith("[")) else host.rpartition(":")[0]


def _in_query(scope: Scope) -> list[str]:
    return parse_qs(scope["query_string"].decode("latin-1")).get("token", [])


def _protecting(send: Send) -> Send:
    """A `send` callable that adds the headers that protect the page."""

    async def protecting(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(PROTECTION)
        await send(message)

    return protecting
