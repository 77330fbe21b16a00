"""The HTTP side of the web page: its files, live pictures over a WebSocket, and two commands."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import WSCloseCode, web
from aiohttp.http_exceptions import HttpProcessingError
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from siammaskpp.msg import Box
from siammaskpp.srv import SetTarget
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.image_messages import ImageMessageError
from siammaskpp_ros.common.node_main import NoAnswer
from siammaskpp_ros.web.access import Access
from siammaskpp_ros.web.feed import FeedImage, encode
from siammaskpp_ros.web.node import WebSelector

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


Parsed = TypeVar("Parsed")


class ServeError(UserError):
    """The page cannot be served; the message says why and what to do."""


class BadRequest(UserError):
    """The body of a command cannot be read; the message says why."""


class WebServer:
    """Serves the page of a :class:`WebSelector`; all methods run in one asyncio loop."""

    def __init__(self, node: WebSelector, token: str) -> None:
        self._node = node
        self._sockets: dict[web.WebSocketResponse, asyncio.BaseProtocol] = {}
        self._encoded: tuple[FeedImage, bytes] | None = None
        self._encode_lock = asyncio.Lock()
        access = Access(token, public_paths=_FILES)
        app = web.Application(middlewares=[access.check], client_max_size=_MAX_REQUEST_BYTES)
        app.add_routes([web.get(path, _file(name)) for path, name in _FILES.items()])
        app.add_routes([web.get("/live", self._live), web.get("/token", _no_content)])
        app.add_routes([web.post("/set_target", self._set_target)])
        app.add_routes([web.post("/remove_target", self._remove_target)])
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
            raise ServeError(_reason(error, address, port)) from error
        return int(self._listening.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, close all pages, and cut the connections that are left."""
        if self._listening is not None:
            self._listening.close()
        code, message = WSCloseCode.GOING_AWAY, b"the web selector was stopped"
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
        self._node.viewers = len(self._sockets)
        requested = asyncio.Event()
        sender = asyncio.create_task(self._send(socket, requested))
        try:
            async for _ in socket:
                requested.set()
        finally:
            sender.cancel()
            self._sockets.pop(socket, None)
            self._node.viewers = len(self._sockets)
        return socket

    async def _send(self, socket: web.WebSocketResponse, requested: asyncio.Event) -> None:
        """Send status and pictures until the page is closed; after an error, the page connects again."""
        try:
            await self._send_pictures(socket, requested)
        except Exception:
            await socket.close(code=WSCloseCode.INTERNAL_ERROR, message=b"web_selector has made a mistake")
            raise

    async def _send_pictures(self, socket: web.WebSocketResponse, requested: asyncio.Event) -> None:
        period_s = 1 / self._node.config.max_fps
        last_image: FeedImage | None = None
        last_text, problem = "", ""
        while not socket.closed:
            start_s = time.monotonic()
            data: bytes | None = None
            image = self._node.feed.newest()
            if requested.is_set() and image is not None and image is not last_image:
                last_image = image
                try:
                    data, problem = await self._encode(image), ""
                except ImageMessageError as error:
                    problem = str(error)
                except Exception as error:  # no message may freeze the page
                    problem = f"the image cannot be shown: {type(error).__name__}: {error}"
            # Read after the picture was chosen: an earlier status could say that there are no images.
            status = self._node.status()
            text = json.dumps({**status, "camera": problem or status["camera"]}, allow_nan=False)
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

    async def _encode(self, image: FeedImage) -> bytes:
        """Return the message with `image`, encoded once for all pages."""
        async with self._encode_lock:
            if self._encoded is None or self._encoded[0] is not image:
                data = await asyncio.to_thread(encode, image, self._node.config.max_side_px)
                self._encoded = (image, data)
            return self._encoded[1]

    # Commands --------------------------------------------------------------------------------------

    async def _set_target(self, request: web.Request) -> web.Response:
        try:
            response = await self._node.set_target(await _parsed(request, _set_request))
        except BadRequest as error:
            return _answer(400, str(error))
        except NoAnswer as error:
            return _answer(503, str(error))
        return _answer(200 if response.success else 409, response.message, id=response.id)

    async def _remove_target(self, request: web.Request) -> web.Response:
        try:
            response = await self._node.remove_target(await _parsed(request, lambda body: _text(body["id"])))
        except BadRequest as error:
            return _answer(400, str(error))
        except NoAnswer as error:
            return _answer(503, str(error))
        return _answer(200 if response.success else 409, response.message, remaining=list(response.remaining))


async def _parsed(request: web.Request, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
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


def _set_request(body: dict[str, Any]) -> SetTarget.Request:
    """Return the request for {header: {frame_id, stamp: {sec, nanosec}}, box: [x, y, w, h], id, label}."""
    sec, nanosec = int(body["header"]["stamp"]["sec"]), int(body["header"]["stamp"]["nanosec"])
    if not (-(2**31) <= sec < 2**31 and 0 <= nanosec < 2**32):
        raise ValueError("the stamp is out of range")
    x, y, width, height = map(float, body["box"])
    return SetTarget.Request(
        header=Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=_text(body["header"]["frame_id"])),
        box=Box(x=x, y=y, width=width, height=height),
        id=_text(body["id"]),
        label=_text(body["label"]),
    )


def _text(value: object) -> str:
    """Return a text that a ROS message can carry; raises ValueError for half characters and for NUL."""
    text = str(value)
    text.encode()
    if "\0" in text:
        raise ValueError("a text has the character NUL")
    return text


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


def _reason(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {address} is used by another program; choose another: -p port:={port + 1}"
    if error.errno == errno.EACCES:
        return f"port {port} needs root rights; choose a port above 1023: -p port:=8088"
    return f"cannot listen on {address}, port {port}: {error.strerror or error}; check the parameter address"
