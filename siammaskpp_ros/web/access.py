"""Who may use the web page: a token for other machines, and no commands from other web pages."""

from __future__ import annotations

import hmac
import html
import ipaddress
import secrets
import string
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from siammaskpp_core.config import ConfigError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TOKEN_LETTERS = frozenset(string.ascii_letters + string.digits + "-_")
_TOKEN_LENGTH = 8
_DENIED = Path(__file__).with_name("page") / "denied.html"
_HEADERS = {
    # Nothing from elsewhere, and no other page around this one.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def is_loopback(host: str) -> bool:
    """Whether a host name or address always means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(address: str, token: str) -> str:
    """The token the page asks for: `token`, or a new one; empty when none is needed.

    Raises :class:`ConfigError` for a token that is short or does not fit in an address.
    """
    if not token:
        return "" if is_loopback(address) else secrets.token_urlsafe(16)
    if len(token) < _TOKEN_LENGTH or not _TOKEN_LETTERS.issuperset(token):
        raise ConfigError(
            f"token: at least {_TOKEN_LENGTH} letters, digits, - or _ are expected; empty: a new one"
        )
    return token


class Access:
    """The check before every request.

    With a token: it comes in the address once (``/?token=...``) and as a cookie from then on. Without,
    the page is for this machine, and the name it is called by must say so: a name of another site that
    was made to point here (DNS rebinding) does not. Requests that can do something must come from this
    very page (Origin).
    """

    def __init__(self, token: str) -> None:
        self._token = token

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware of the application."""
        response = self._refusal(request)
        if response is None:  # not "or": in older versions of aiohttp a response is false
            response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        """None when the request may pass, else the answer to it."""
        host, _ = _host_and_port(request)
        if not self._token and not is_loopback(host):
            return _denied(403, f"Without a token this page answers only to localhost, not to {host!r}.")
        if request.path == "/" and "token" in request.query and self._is_token(request.query["token"]):
            return self._welcome(request)
        if self._token and not self._is_token(request.cookies.get(_cookie(request), "")):
            return _denied(401, "This page needs a token, and the one that was sent is wrong or missing.")
        is_command = request.method not in ("GET", "HEAD") or "Upgrade" in request.headers
        origin = request.headers.get("Origin", "")
        if is_command and origin.lower().partition("://")[2] != request.host.lower():
            return _denied(403, f"Commands are taken from this page only, not from {origin!r}.")
        return None

    def _is_token(self, given: str) -> bool:
        return bool(self._token) and hmac.compare_digest(given.encode(errors="replace"), self._token.encode())

    def _welcome(self, request: web.Request) -> web.StreamResponse:
        """Keep the token in a cookie and take it out of the browser's address line."""
        response = web.Response(status=303, headers={"Location": "/"})
        # Lax: the link may come from a chat or a mail.
        response.set_cookie(_cookie(request), self._token, httponly=True, samesite="Lax")
        return response


def _cookie(request: web.Request) -> str:
    """Cookies are shared by all ports of a host: each port has a name of its own."""
    return f"siammaskpp_{_host_and_port(request)[1]}"


def _host_and_port(request: web.Request) -> tuple[str, int]:
    """What the browser calls this page; an empty name when that cannot be read."""
    try:
        parts = urlsplit(f"//{request.host}")
        return parts.hostname or "", parts.port or 80
    except ValueError:
        return "", 0


def _denied(status: int, reason: str) -> web.Response:
    text = _DENIED.read_text(encoding="utf-8").replace("{reason}", html.escape(reason))
    return web.Response(status=status, text=text, content_type="text/html")
