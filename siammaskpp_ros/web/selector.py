"""Node: a web page to select targets on a robot without a screen; ros2 run siammaskpp web_selector."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from rclpy.executors import Executor, ExternalShutdownException

from siammaskpp_ros.common.node_main import run_node, spin_until
from siammaskpp_ros.web.node import WebSelector

try:
    from siammaskpp_ros.web.access import token_for
    from siammaskpp_ros.web.server import WebServer
except ModuleNotFoundError as error:
    if error.name != "aiohttp":
        raise
    sys.exit("web_selector: aiohttp is missing: sudo apt install python3-aiohttp, or pip install aiohttp")


def main(args: list[str] | None = None) -> int:
    """Serve the page until Ctrl-C or SIGTERM; return 0 then, and 1 when it cannot be served."""
    stop = threading.Event()
    return run_node(
        "web_selector",
        WebSelector,
        lambda node, executor: asyncio.run(_serve(node, executor, stop)),
        args=args,
        stop=stop,
    )


async def _serve(node: WebSelector, executor: Executor, stop: threading.Event) -> None:
    """Serve the page until SIGINT, SIGTERM or the end of ROS.

    Raises :class:`~siammaskpp_ros.web.server.ServeError`, or :class:`~siammaskpp_core.config.ConfigError` for
    an unusable token.
    """
    config = node.config
    token = token_for(config.address, config.token)
    server = WebServer(node, token)
    port = await server.start(config.address, config.port)
    loop = asyncio.get_running_loop()
    # The signals first close the pages: requests that are under way still need a running executor.
    is_ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, is_ending.set)
    spinning = loop.run_in_executor(None, spin_until, stop, executor)
    print(f"web_selector: open {url(config.address, port, token)}", flush=True)
    waiting: set[asyncio.Future[Any]] = {spinning, loop.create_task(is_ending.wait())}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await server.stop()
    stop.set()
    with suppress(ExternalShutdownException):
        await spinning


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
