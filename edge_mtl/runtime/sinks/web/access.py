"""Who may look at the page: by a token, and never from another site's page."""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import ip_address
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from edge_mtl.errors import UsageError

_COOKIE = "edge_mtl_page"
_COOKIE_S = 30 * 24 * 3600
_SHORTEST_TOKEN = 16
_OPEN_PATHS = ("/healthz", "/readyz")
_POLICY_VIOLATION = 1008

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(host: str, token: str | None) -> None:
    """Raise where a page at `host` would be open to others, or its token could be guessed.

    Raises:
        UsageError: there is no token though there has to be one, or it is too short.
    """
    advice = "set EDGE_MTL_WEB_TOKEN=$(python3 -c 'import secrets; print(secrets.token_urlsafe())')"
    if token is None and not is_loopback(host):
        raise UsageError(f"others can reach {host}, so that --web needs a token there: {advice}")
    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise UsageError(
            f"expected a token of at least {_SHORTEST_TOKEN} characters in EDGE_MTL_WEB_TOKEN, "
            f"found {len(token)}: {advice}"
        )


class Access:
    """ASGI middleware that lets nobody past who does not know the token.

    It is taken from the header `Authorization: Bearer TOKEN`, or once from `?token=` of an address,
    which then leaves a cookie and the address without it. Without a token only this machine's own
    names are answered to, so that no other site's name can be pointed here.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token
        # Of the token and not the token: it cannot be read back, and holds after a restart.
        self._cookie = "" if token is None else hmac_of(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await WebSocketClose(_POLICY_VIOLATION)(scope, receive, send)
        else:
            await refusal(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """What to answer instead; None where the request may pass."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("another site's page may not ask for this\n", 403)
        if scope["path"] in _OPEN_PATHS:
            return None
        if self._token is None:
            if is_loopback(urlsplit(f"//{host}").hostname or ""):
                return None
            return PlainTextResponse("without a token only localhost is served\n", 403)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(given, self._token):
            return None
        if _same(HTTPConnection(scope).cookies.get(_COOKIE, ""), self._cookie):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["type"] == "http" and _same(query.pop("token", [""])[0], self._token):
            left = urlencode(query, doseq=True)
            answer = RedirectResponse(scope["path"] + (f"?{left}" if left else ""), 303)
            answer.set_cookie(
                _COOKIE, self._cookie, max_age=_COOKIE_S, httponly=True, samesite="strict"
            )
            return answer
        return PlainTextResponse(
            "this page needs a token: open it once as http://HOST:PORT/?token=TOKEN\n",
            401,
            {"WWW-Authenticate": "Bearer"},
        )


def hmac_of(token: str) -> str:
    """What the cookie of those who gave the token says."""
    return hmac.new(token.encode(), b"edge-mtl page", hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    """In a time that does not tell how much of them is the same."""
    return hmac.compare_digest(one.encode(), other.encode())


def _with_headers(send: Send) -> Send:
    async def sending(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            raw = message.setdefault("headers", [])
            assert isinstance(raw, list)
            raw += [(name.lower().encode(), text.encode()) for name, text in _HEADERS.items()]
        await send(message)

    return sending  # type: ignore[return-value]
