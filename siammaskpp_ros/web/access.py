"""Access control of the web page: a token for other machines, and no commands from other web pages."""

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

_TOKEN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_")
_MIN_TOKEN_LENGTH = 8
_DENIED = Path(__file__).with_name("page") / "denied.html"
_WITH_TOKEN = (
    "Open the complete address that <code>web_selector</code> printed when it started: the line "
    "<code>web_selector: open http://…</code>, with <code>?token=</code> near its end. "
    "After a restart the token may be a new one. "
    "To choose it yourself, start <code>web_selector</code> with <code>-p token:=…</code>."
)
_LOCAL = (
    "On the machine itself, open <code>http://localhost</code> with the port that <code>web_selector</code> "
    "printed. "
    "For other machines, start it with <code>-p address:=0.0.0.0</code>: it then prints an address with a "
    "token."
)
_RELOAD = "Open the address that <code>web_selector</code> printed when it started, and use the page there."
_HEADERS = {
    # The page loads nothing from other sites, and other sites cannot show it in a frame.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def is_loopback(host: str) -> bool:
    """Return whether a host name or address always means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(address: str, token: str) -> str:
    """Return the token that the page asks for: `token` or, where none is given, a new one.

    It is empty when the page is for this machine only and `token` is empty. Raises :class:`ConfigError` for
    a token that is too short or has characters with a meaning in a URL.
    """
    if not token:
        return "" if is_loopback(address) else secrets.token_urlsafe(16)
    if len(token) < _MIN_TOKEN_LENGTH or not _TOKEN_CHARACTERS.issuperset(token):
        raise ConfigError(
            f"token: at least {_MIN_TOKEN_LENGTH} letters, digits, - or _ are expected; empty: a new token"
        )
    return token


class Access:
    """The check before every request.

    With a token, the first request has it in the address (``/?token=...``) and later requests in a cookie.
    Without a token, the page answers only to names of this machine, because the name of another site can
    be made to point here (DNS rebinding). Commands must come from this page itself (Origin header).
    """

    def __init__(self, token: str) -> None:
        self._token = token

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer the request, or refuse it; this is a middleware for aiohttp."""
        response = self._refusal(request)
        if response is None:  # not "or": older versions of aiohttp treat a response as false
            response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        """Return the response to a request that is refused or redirected; None when it may pass."""
        host, _ = _host_and_port(request)
        if not self._token and not is_loopback(host):
            return _denied(
                403, f"Without a token this page answers only to localhost, not to {host!r}.", _LOCAL
            )
        if request.path == "/" and "token" in request.query and self._is_token(request.query["token"]):
            return self._with_cookie(request)
        if self._token and not self._is_token(request.cookies.get(_cookie(request), "")):
            return _denied(
                401, "This page needs a token, and the token that was sent is wrong or missing.", _WITH_TOKEN
            )
        is_command = request.method not in ("GET", "HEAD") or "Upgrade" in request.headers
        origin = request.headers.get("Origin", "")
        if is_command and origin.lower().partition("://")[2] != request.host.lower():
            return _denied(403, f"This page takes commands from itself only, not from {origin!r}.", _RELOAD)
        return None

    def _is_token(self, given: str) -> bool:
        return bool(self._token) and hmac.compare_digest(given.encode(errors="replace"), self._token.encode())

    def _with_cookie(self, request: web.Request) -> web.StreamResponse:
        """Return a redirect that moves the token from the browser's address bar to a cookie."""
        response = web.Response(status=303, headers={"Location": "/"})
        # Lax, not Strict: the link may be opened from a chat or a mail.
        response.set_cookie(_cookie(request), self._token, httponly=True, samesite="Lax")
        return response


def _cookie(request: web.Request) -> str:
    """Return the name of the cookie, one for each port: all ports of a host share their cookies."""
    return f"siammaskpp_{_host_and_port(request)[1]}"


def _host_and_port(request: web.Request) -> tuple[str, int]:
    """Return host name and port in the Host header; an empty name when it cannot be parsed."""
    try:
        parts = urlsplit(f"//{request.host}")
        return parts.hostname or "", parts.port or 80
    except ValueError:
        return "", 0


def _denied(status: int, reason: str, remedy: str) -> web.Response:
    """Return a page that says why access was refused and, as the HTML `remedy`, how to get it."""
    text = _DENIED.read_text(encoding="utf-8")
    text = text.replace("{reason}", html.escape(reason)).replace("{remedy}", remedy)
    return web.Response(status=status, text=text, content_type="text/html")
