"""The HTTP side of the web page: files, live pictures over a WebSocket, and two commands."""

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
from siammaskpp_ros.web.node import WebSelector
from siammaskpp_ros.web.view import View, packet

_FILES = Path(__file__).with_name("page")
_PAGES = {"/": "index.html"} | {f"/{name}": name for name in ("page.js", "stage.js", "style.css", "icon.svg")}
_MAX_VIEWERS = 8
_MAX_REQUEST_BYTES = 4096
_HEARTBEAT_S = 5.0  # a phone that went away is noticed after this


class ServeError(UserError):
    """The page cannot be served; the text says why and what to do."""


class WebServer:
    """Serves the page of a :class:`WebSelector`; all methods belong to one asyncio loop."""

    def __init__(self, node: WebSelector, token: str) -> None:
        self._node = node
        self._sockets: set[web.WebSocketResponse] = set()
        self._packed: tuple[View, bytes] | None = None
        self._pack_lock = asyncio.Lock()
        app = web.Application(middlewares=[Access(token).check], client_max_size=_MAX_REQUEST_BYTES)
        app.add_routes([web.get(path, _file(name)) for path, name in _PAGES.items()])
        app.add_routes([web.get("/live", self._live)])
        app.add_routes([web.post("/set_target", self._set_target)])
        app.add_routes([web.post("/remove_target", self._remove_target)])
        app.on_shutdown.append(self._close_sockets)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, address: str, port: int) -> int:
        """Listen; the port. Raises :class:`ServeError`."""
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
        """Each message of the page asks for one more picture: a slow network gets fewer, never older ones."""
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_REQUEST_BYTES)
        await socket.prepare(request)
        if len(self._sockets) >= _MAX_VIEWERS:
            message = f"{_MAX_VIEWERS} pages are open already; close one of them"
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=message.encode())
            return socket
        self._sockets.add(socket)
        self._node.viewers = len(self._sockets)
        wanted = asyncio.Event()
        sender = asyncio.create_task(self._send(socket, wanted))
        try:
            async for _ in socket:
                wanted.set()
        finally:
            sender.cancel()
            self._sockets.discard(socket)
            self._node.viewers = len(self._sockets)
        return socket

    async def _send(self, socket: web.WebSocketResponse, wanted: asyncio.Event) -> None:
        period_s = 1 / self._node.config.max_fps
        shown: View | None = None
        told, problem = "", ""
        while not socket.closed:
            begun_s = time.monotonic()
            packed: bytes | None = None
            view = self._node.view.newest()
            if wanted.is_set() and view is not None and view is not shown:
                shown = view
                try:
                    packed, problem = await self._pack(view), ""
                except ImageMessageError as error:
                    problem = str(error)
            # After the picture was chosen: a status from before would call it old.
            status = self._node.status()
            text = json.dumps({**status, "camera": problem or status["camera"]})
            try:
                if text != told:
                    told = text
                    await socket.send_str(text)
                if packed is not None:
                    await socket.send_bytes(packed)
                    wanted.clear()
            except (ConnectionError, RuntimeError):  # the page was closed in the meantime
                return
            await asyncio.sleep(max(0.0, begun_s + period_s - time.monotonic()))

    async def _pack(self, view: View) -> bytes:
        """The packet of `view`, made once for all pages."""
        async with self._pack_lock:
            if self._packed is None or self._packed[0] is not view:
                data = await asyncio.to_thread(packet, view, self._node.config.max_side_px)
                self._packed = (view, data)
            return self._packed[1]

    async def _close_sockets(self, _: web.Application) -> None:
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the web selector was stopped")

    # Commands --------------------------------------------------------------------------------------

    async def _set_target(self, request: web.Request) -> web.Response:
        try:
            asked = _set_request(await request.json())
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            return _answer(400, f"the request cannot be read: {type(error).__name__}: {error}")
        try:
            answer = await self._node.set_target(asked)
        except NoAnswer as error:
            return _answer(503, str(error))
        return _answer(200 if answer.success else 409, answer.message, id=answer.id)

    async def _remove_target(self, request: web.Request) -> web.Response:
        try:
            id = str((await request.json())["id"])
        except (KeyError, TypeError, ValueError) as error:
            return _answer(400, f"the request cannot be read: {type(error).__name__}: {error}")
        try:
            answer = await self._node.remove_target(id)
        except NoAnswer as error:
            return _answer(503, str(error))
        return _answer(200 if answer.success else 409, answer.message, remaining=list(answer.remaining))


def _set_request(body: dict[str, Any]) -> SetTarget.Request:
    """The service request of {header: {frame_id, stamp: {sec, nanosec}}, box: [x, y, w, h], id, label}."""
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
        return web.FileResponse(_FILES / name)

    return send


def _reason(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {address} is used by another program; choose another one: -p port:={port + 1}"
    if error.errno == errno.EACCES:
        return f"port {port} needs root rights; choose one above 1023: -p port:=8088"
    return f"cannot listen on {address}, port {port}: {error.strerror or error}; check the parameter address"
