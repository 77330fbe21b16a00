"""The HTTP side of the web page: its files, live pictures over a WebSocket, and two commands."""

from __future__ import annotations

import asyncio
import errno
import json
import time
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, web
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
_MAX_REQUEST_BYTES = 4096
_HEARTBEAT_S = 5.0  # a phone that has lost its network is noticed after this time


class ServeError(UserError):
    """The page cannot be served; the message says why and what to do."""


class WebServer:
    """Serves the page of a :class:`WebSelector`; all methods run in one asyncio loop."""

    def __init__(self, node: WebSelector, token: str) -> None:
        self._node = node
        self._sockets: set[web.WebSocketResponse] = set()
        self._encoded: tuple[FeedImage, bytes] | None = None
        self._encode_lock = asyncio.Lock()
        app = web.Application(middlewares=[Access(token).check], client_max_size=_MAX_REQUEST_BYTES)
        app.add_routes([web.get(path, _file(name)) for path, name in _FILES.items()])
        app.add_routes([web.get("/live", self._live)])
        app.add_routes([web.post("/set_target", self._set_target)])
        app.add_routes([web.post("/remove_target", self._remove_target)])
        app.on_shutdown.append(self._close_sockets)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, address: str, port: int) -> int:
        """Start to listen and return the port; raises :class:`ServeError`."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, address, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ServeError(_reason(error, address, port)) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close all pages and stop listening."""
        await self._runner.cleanup()

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
        self._sockets.add(socket)
        self._node.viewers = len(self._sockets)
        requested = asyncio.Event()
        sender = asyncio.create_task(self._send(socket, requested))
        try:
            async for _ in socket:
                requested.set()
        finally:
            sender.cancel()
            self._sockets.discard(socket)
            self._node.viewers = len(self._sockets)
        return socket

    async def _send(self, socket: web.WebSocketResponse, requested: asyncio.Event) -> None:
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
            text = json.dumps({**status, "camera": problem or status["camera"]})
            try:
                if text != last_text:
                    last_text = text
                    await socket.send_str(text)
                if data is not None:
                    await socket.send_bytes(data)
                    requested.clear()
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

    async def _close_sockets(self, _: web.Application) -> None:
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the web selector was stopped")

    # Commands --------------------------------------------------------------------------------------

    async def _set_target(self, request: web.Request) -> web.Response:
        try:
            set_request = _set_request(await request.json())
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            return _answer(400, f"the request cannot be read: {type(error).__name__}: {error}")
        try:
            response = await self._node.set_target(set_request)
        except NoAnswer as error:
            return _answer(503, str(error))
        return _answer(200 if response.success else 409, response.message, id=response.id)

    async def _remove_target(self, request: web.Request) -> web.Response:
        try:
            id = str((await request.json())["id"])
        except (KeyError, TypeError, ValueError) as error:
            return _answer(400, f"the request cannot be read: {type(error).__name__}: {error}")
        try:
            response = await self._node.remove_target(id)
        except NoAnswer as error:
            return _answer(503, str(error))
        return _answer(200 if response.success else 409, response.message, remaining=list(response.remaining))


def _set_request(body: dict[str, Any]) -> SetTarget.Request:
    """Return the request for {header: {frame_id, stamp: {sec, nanosec}}, box: [x, y, w, h], id, label}."""
    stamp = Time(sec=int(body["header"]["stamp"]["sec"]), nanosec=int(body["header"]["stamp"]["nanosec"]))
    x, y, width, height = map(float, body["box"])
    return SetTarget.Request(
        header=Header(stamp=stamp, frame_id=str(body["header"]["frame_id"])),
        box=Box(x=x, y=y, width=width, height=height),
        id=str(body["id"]),
        label=str(body["label"]),
    )


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
