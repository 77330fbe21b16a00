"""A web page to select objects on a robot without a screen: ros2 run siammaskpp web_selector."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from siammaskpp_core.config import ConfigError
from siammaskpp_ros.common.node_main import spin_until
from siammaskpp_ros.web.node import WebSelector

try:
    from siammaskpp_ros.web.access import token_for
    from siammaskpp_ros.web.server import ServeError, WebServer
except ModuleNotFoundError as error:
    if error.name != "aiohttp":
        raise
    sys.exit("web_selector: aiohttp is missing: sudo apt install python3-aiohttp, or pip install aiohttp")


async def serve(node: WebSelector) -> None:
    """Serve the page until SIGINT or SIGTERM. Raises :class:`ServeError` or :class:`ConfigError`."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    config = node.config
    token = token_for(config.address, config.token)
    server = WebServer(node, token)
    port = await server.start(config.address, config.port)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    ended = threading.Event()
    working = loop.run_in_executor(None, spin_until, ended, executor)
    print(f"web_selector: open {url(config.address, port, token)}", flush=True)
    # Without ROS there is nothing to serve.
    waiting: set[asyncio.Future[Any]] = {working, loop.create_task(stopped.wait())}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await server.stop()
    ended.set()
    with suppress(ExternalShutdownException):
        await working
    executor.shutdown(timeout_sec=1.0)


def url(address: str, port: int, token: str) -> str:
    """The address to open in a browser."""
    host = _own_address() if address in ("", "0.0.0.0", "::") else address
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")


def _own_address() -> str:
    """The address by which other machines most likely reach this one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the system only chooses a route
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def main(args: list[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; the exit code is 0 then, 1 when the page cannot be served."""
    node: WebSelector | None = None
    exit_code = 0
    try:
        # asyncio takes the signals, so that pages are closed before ROS is.
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = WebSelector()
        asyncio.run(serve(node))
    except KeyboardInterrupt:
        pass
    except (ServeError, ConfigError, ParameterException) as error:
        print(f"web_selector: {error}", file=sys.stderr)
        exit_code = 1
    if node is not None:
        node.destroy_node()
    rclpy.try_shutdown()
    return exit_code
