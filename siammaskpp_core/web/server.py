"""The server of the web page: its files, live pictures over a WebSocket, and commands."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, web
from aiohttp.http_exceptions import HttpProcessingError

from siammaskpp_core.errors import UserError
from siammaskpp_core.web.access import Access, Program
from siammaskpp_core.web.source import Command, Source, Unavailable

_FOLDER = Path(__file__).with_name("page")
_FILES = {"/": "index.html"} | {
    f"/{name}": name for name in ("page.js", "camera_view.js", "style.css", "icon.svg")
}
_MAX_VIEWERS = 8
# A browser opens up to 6 connections; each takes one of the 1,024 file descriptors of this process.
_MAX_CONNECTIONS = 96
_MAX_REQUEST_BYTES = 4096
_REQUEST_TIMEOUT_S = 5.0  # for the body of a command, which is smaller than a packet
_CLOSE_TIMEOUT_S = 1.0
_MAX_REASON = 200  # characters
_HEARTBEAT_S = 5.0  # a phone that has lost its network is noticed after this time


class ServeError(UserError):
    """The page cannot be served; the message says why and what to do."""


class BadRequest(UserError):
    """The body of a command cannot be read; the message says why."""


class WebServer:
    """Serves the page of a :class:`Source`; all methods run in one asyncio loop."""

    def __init__(self, source: Source, token: str, program: Program) -> None:
        self._source = source
        self._program = program
        self._sockets: dict[web.WebSocketResponse, asyncio.BaseProtocol] = {}
        self._encoded: tuple[Any, bytes] | None = None
        self._encode_lock = asyncio.Lock()
        access = Access(token, program, public_paths=_FILES)
        app = web.Application(middlewares=[access.check], client_max_size=_MAX_REQUEST_BYTES)
        app.add_routes([web.get(path, _file(name)) for path, name in _FILES.items()])
        app.add_routes([web.get("/live", self._live), web.get("/token", _no_content)])
        app.add_routes([web.post(f"/{name}", _handler(item)) for name, item in source.commands.items()])
        # aiohttp would log a traceback for every request that is no HTTP, and for broken compressed bodies.
        logging.getLogger("aiohttp.server").addFilter(_is_no_bad_request)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        self._listening: asyncio.Server | None = None

    async def start(self, address: str, port: int) -> int:
        """Start to listen and return the port; raises :class:`ServeError`."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(self._new_connection, address, port)
        except OSError as error:
            await self._runner.cleanup()
            raise ServeError(self._reason(error, address, port)) from error
        return int(self._listening.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, close all pages, and cut the connections that are left."""
        if self._listening is not None:
            self._listening.close()
        code, message = WSCloseCode.GOING_AWAY, f"{self._program.name} was stopped".encode()
        closing = [asyncio.create_task(socket.close(code=code, message=message)) for socket in self._sockets]
        if closing:
            await asyncio.wait(closing, timeout=_CLOSE_TIMEOUT_S)
        for connection in self._connections():
            _cut(connection)
        await asyncio.sleep(0)  # aiohttp would wait up to a minute for connections of which it still knows
        await self._runner.cleanup()

    # Connections -----------------------------------------------------------------------------------

    def _connections(self) -> list[web.RequestHandler]:
        """Return the open connections, the oldest first."""
        server = self._runner.server
        assert server is not None
        return [item for item in server.connections if item.transport and not item.transport.is_closing()]

    def _new_connection(self) -> web.RequestHandler:
        """Return the protocol of a new connection, and cut old ones where there are too many.

        The oldest connection of the address that has the most is cut, but none that shows pictures: who
        opens many connections loses them, and others do not notice it.
        """
        open_ones = self._connections()
        watching = set(self._sockets.values())
        for _ in range(len(open_ones) - _MAX_CONNECTIONS + 1):
            address = Counter(map(_address, open_ones)).most_common(1)[0][0]
            idle = (item for item in open_ones if _address(item) == address and item not in watching)
            oldest = next(idle, None)
            if oldest is None:
                break
            open_ones.remove(oldest)
            _cut(oldest)
        assert self._runner.server is not None
        return self._runner.server()

    # Live pictures ---------------------------------------------------------------------------------

    async def _live(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one page: each of its messages requests one picture.

        Over a slow network, a page gets fewer pictures, never older ones.
        """
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_REQUEST_BYTES)
        await socket.prepare(request)
        if len(self._sockets) >= _MAX_VIEWERS:
            message = f"{_MAX_VIEWERS} pages are open already; close one of them"
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=message.encode())
            return socket
        self._sockets[socket] = request.protocol
        self._source.viewers = len(self._sockets)
        requested = asyncio.Event()
        sender = asyncio.create_task(self._send(socket, requested))
        try:
            async for _ in socket:
                requested.set()
        finally:
            sender.cancel()
            self._sockets.pop(socket, None)
            self._source.viewers = len(self._sockets)
        return socket

    async def _send(self, socket: web.WebSocketResponse, requested: asyncio.Event) -> None:
        """Send status and pictures until the page is closed; after an error, the page connects again."""
        try:
            await self._send_pictures(socket, requested)
        except Exception:
            await socket.close(
                code=WSCloseCode.INTERNAL_ERROR, message=f"{self._program.name} has made a mistake".encode()
            )
            raise

    async def _send_pictures(self, socket: web.WebSocketResponse, requested: asyncio.Event) -> None:
        period_s = 1 / self._source.max_fps
        last_image: Any = None
        last_text, problem = "", ""
        while not socket.closed:
            start_s = time.monotonic()
            data: bytes | None = None
            image = self._source.newest()
            if requested.is_set() and image is not None and image is not last_image:
                last_image = image
                try:
                    data, problem = await self._encode(image), ""
                except UserError as error:
                    problem = str(error)
                except Exception as error:  # no message may freeze the page
                    problem = f"the image cannot be shown: {type(error).__name__}: {error}"
            # Read after the picture was chosen: an earlier status could say that there are no images.
            status = self._source.status()
            shown = {**status, "camera": problem or status["camera"], "commands": list(self._source.commands)}
            text = json.dumps(shown, allow_nan=False)
            try:
                if text != last_text:
                    last_text = text
                    await socket.send_str(text)
                if data is not None:
                    requested.clear()  # before the page can request the next picture
                    await socket.send_bytes(data)
            except (ConnectionError, RuntimeError):  # the page was closed in the meantime
                return
            await asyncio.sleep(max(0.0, start_s + period_s - time.monotonic()))

    async def _encode(self, image: Any) -> bytes:
        """Return the message with `image`, encoded once for all pages."""
        async with self._encode_lock:
            if self._encoded is None or self._encoded[0] is not image:
                self._encoded = (image, await asyncio.to_thread(self._source.encode, image))
            return self._encoded[1]

    def _reason(self, error: OSError, address: str, port: int) -> str:
        """Return why the server cannot listen, and what to do."""
        if error.errno == errno.EADDRINUSE:
            other = self._program.option("port", port + 1)
            return f"port {port} of {address} is used by another program; choose another: {other}"
        if error.errno == errno.EACCES:
            other = self._program.option("port", 8088)
            return f"port {port} needs root rights; choose a port above 1023: {other}"
        return f"cannot listen on {address}, port {port}: {error.strerror or error}; check the address"


def _handler(command: Command) -> Callable[[web.Request], Any]:
    """Return the handler of a command's requests."""

    async def handle(request: web.Request) -> web.Response:
        try:
            answer = await command.run(await _parsed(request, command.parse))
        except BadRequest as error:
            return _answer(400, str(error))
        except Unavailable as error:
            return _answer(503, str(error))
        return _answer(200 if answer.success else 409, answer.message, **answer.more)

    return handle


async def _parsed(request: web.Request, parse: Callable[[dict[str, Any]], Any]) -> Any:
    """Return what `parse` makes of the JSON in the body; raises :class:`BadRequest`."""
    try:
        return parse(await asyncio.wait_for(request.json(), _REQUEST_TIMEOUT_S))
    except web.HTTPException:  # the body is too large
        raise
    except asyncio.TimeoutError as error:
        reason = f"it was not complete after {_REQUEST_TIMEOUT_S:g} s"
        raise BadRequest(f"the request cannot be read: {reason}") from error
    except Exception as error:  # many types, of JSON, of the encoding, of the compression
        reason = f"{type(error).__name__}: {error}"[:_MAX_REASON]
        raise BadRequest(f"the request cannot be read: {reason}") from error


def _address(connection: web.RequestHandler) -> str:
    """Return the address of the other side."""
    assert connection.transport is not None
    peer = connection.transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _cut(connection: web.RequestHandler) -> None:
    """Close a connection at once, even if the other side does not read."""
    if isinstance(connection.transport, asyncio.Transport):
        connection.transport.abort()


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    """Return False for the log entry of a request that is no HTTP, or whose sender has gone."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, ConnectionError))


async def _no_content(_: web.Request) -> web.Response:
    """Answer whoever has the token."""
    return web.Response(status=204)


def _answer(status: int, message: str, **more: object) -> web.Response:
    return web.json_response({"success": status == 200, "message": message, **more}, status=status)


def _file(name: str) -> Any:
    async def send(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_FOLDER / name)

    return send
