"""Access control of the web page: a token for other machines, and no commands from other web pages."""

from __future__ import annotations

import hmac
import html
import ipaddress
import secrets
import socket
import string
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from siammaskpp_core.config import ConfigError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TOKEN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_")
_MIN_TOKEN_LENGTH = 8
_DENIED = Path(__file__).with_name("page") / "denied.html"
_WITH_TOKEN = (
    "Open the complete address that <code>{name}</code> printed when it started: the line "
    "<code>{name}: open http://…</code>, with <code>?token=</code> near its end. "
    "After a restart the token may be a new one."
)
_OWN_TOKEN = " To choose it yourself, start <code>{name}</code> with <code>{token}</code>."
_LOCAL = (
    "On the machine itself, open <code>http://localhost</code> with the port that <code>{name}</code> "
    "printed. "
    "For other machines, start it with <code>{address}</code>: it then prints an address with a token."
)
_RELOAD = "Open the address that <code>{name}</code> printed when it started, and use the page there."
_HEADERS = {
    # The page loads nothing from other sites, and other sites cannot show it in a frame.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class Program:
    """The program that serves the page, as messages name it and its options."""

    name: str
    option_format: str
    """An option with its value, such as ``--{name} {value}``."""
    has_token_option: bool = False
    """True when the user may choose the token, with the option ``token``."""

    def option(self, name: str, value: object) -> str:
        """Return an option as it is written on the command line."""
        return self.option_format.format(name=name, value=value)


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


def url(address: str, port: int, token: str) -> str:
    """Return the URL to open in a browser, with the token if there is one."""
    host = _own_address() if address in ("", "0.0.0.0", "::") else address
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")


def _own_address() -> str:
    """Return the address at which other machines most likely reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; the system only selects a route
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


class Access:
    """The check before every request.

    With a token, everybody gets the files of the page, which hold no secret. Pictures, status and commands
    need the token: in the header Authorization, or, as browsers set no headers for a WebSocket, in its
    address. The page takes the token from its own address (``/?token=...``) and keeps it in the storage of
    its origin; a cookie would reach every other server of the host, on any port.

    Without a token, the page answers only to names of this machine, because the name of another site can
    be made to point here (DNS rebinding). Commands must come from this page itself (Origin header).
    """

    def __init__(self, token: str, program: Program, public_paths: Container[str] = ()) -> None:
        self._token = token
        self._program = program
        self._public_paths = public_paths

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
        """Return the response to a request that is refused; None when it may pass."""
        host = _host(request)
        if not self._token and not is_loopback(host):
            return self._denied(
                403, f"Without a token this page answers only to localhost, not to {host!r}.", _LOCAL
            )
        is_command = request.method not in ("GET", "HEAD") or "Upgrade" in request.headers
        is_public = request.path in self._public_paths and not is_command
        if self._token and not is_public and not self._is_token(_given_token(request)):
            return self._denied(
                401, "This page needs a token, and the token that was sent is wrong or missing.", _WITH_TOKEN
            )
        origin = request.headers.get("Origin", "")
        if is_command and origin.lower().partition("://")[2] != request.host.lower():
            return self._denied(
                403, f"This page takes commands from itself only, not from {origin!r}.", _RELOAD
            )
        return None

    def _denied(self, status: int, reason: str, remedy: str) -> web.Response:
        """Return a page that says why access was refused and, as the HTML `remedy`, how to get it."""
        program = self._program
        if remedy is _WITH_TOKEN and program.has_token_option:
            remedy += _OWN_TOKEN
        options = {"address": program.option("address", "0.0.0.0"), "token": program.option("token", "…")}
        text = _DENIED.read_text(encoding="utf-8").replace("{reason}", html.escape(reason))
        text = text.replace("{remedy}", remedy.format(name=program.name, **options))
        return web.Response(status=status, text=text, content_type="text/html")

    def _is_token(self, given: str) -> bool:
        return bool(self._token) and hmac.compare_digest(given.encode(errors="replace"), self._token.encode())


def _given_token(request: web.Request) -> str:
    """Return the token of a request; empty when it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer":
        return token
    return request.query.get("token", "") if "Upgrade" in request.headers else ""


def _host(request: web.Request) -> str:
    """Return the host name in the Host header; empty when it cannot be parsed."""
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""
