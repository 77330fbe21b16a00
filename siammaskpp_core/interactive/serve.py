"""The view in a browser: a server of the web page for this machine, or for others with a token."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import webbrowser

from siammaskpp_core.interactive.page import PageSource
from siammaskpp_core.interactive.run import Watched
from siammaskpp_core.web.access import Program, token_for, url
from siammaskpp_core.web.server import ServeError, WebServer

PROGRAM = Program("siammaskpp track", "--{name} {value}")
DEFAULT_PORT = 8088
_PERIOD_S = 0.1
_LAST_ANSWER_S = 0.5


class BrowserView:
    """Serves the page until the outputs are saved or the run is over.

    Without a `port`, a free one is taken when :data:`DEFAULT_PORT` is used already.
    """

    def __init__(self, address: str = "127.0.0.1", port: int | None = None) -> None:
        """See the class; other addresses than those of this machine alone get a token."""
        self._address, self._port = address, port
        self._token = token_for(address, "")

    def __call__(self, watched: Watched) -> None:
        """Serve the page; raises :class:`ServeError` when it cannot be served."""
        asyncio.run(self._serve(watched))

    async def _serve(self, watched: Watched) -> None:
        source = PageSource(watched.player, watched.name, watched.engine, watched.last, watched.save)
        server, port = await self._started(source)
        address = url(self._address, port, self._token)
        print(f"{PROGRAM.name}: open {address} (Ctrl-C saves and ends)", flush=True)
        if _has_display():
            await asyncio.to_thread(webbrowser.open, address)
        try:
            while source.is_saving or not (source.is_saved or watched.is_over()):
                await asyncio.sleep(_PERIOD_S)
            if source.is_saved:
                await asyncio.sleep(_LAST_ANSWER_S)  # the page gets the answer to its command
        finally:
            await server.stop()

    async def _started(self, source: PageSource) -> tuple[WebServer, int]:
        """Return a server that listens, and its port."""
        server = WebServer(source, self._token, PROGRAM)
        try:
            port = DEFAULT_PORT if self._port is None else self._port
            return server, await server.start(self._address, port)
        except ServeError as error:
            cause = error.__cause__
            if self._port is not None or not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE:
                raise
        server = WebServer(source, self._token, PROGRAM)
        return server, await server.start(self._address, 0)


def _has_display() -> bool:
    """Return True where a browser has a screen to open on; text browsers would take the terminal."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
