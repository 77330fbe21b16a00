"""Node: a web page to select targets on a robot without a screen; ros2 run siammaskpp web_selector."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from threading import Event

from rclpy.executors import Executor, ExternalShutdownException

from siammaskpp_ros.common.node_main import run_node, spin_until
from siammaskpp_ros.web.node import WebSelector

try:
    from siammaskpp_core.web.access import Program, token_for, url
    from siammaskpp_core.web.server import WebServer
except ModuleNotFoundError as error:
    if error.name != "aiohttp":
        raise
    sys.exit("web_selector: aiohttp is missing: sudo apt install python3-aiohttp, or pip install aiohttp")


_STOP_PERIOD_S = 0.1
_PROGRAM = Program("web_selector", "-p {name}:={value}", has_token_option=True)


def main(args: list[str] | None = None) -> int:
    """Serve the page until a signal comes; return 0 then, and 1 when it cannot be served."""
    return run_node(
        "web_selector",
        WebSelector,
        lambda node, executor, stop: asyncio.run(_serve(node, executor, stop)),
        args=args,
        interrupts=False,
    )


async def _serve(node: WebSelector, executor: Executor, stop: Event) -> None:
    """Serve the page until `stop` is set or ROS ends.

    Raises :class:`~siammaskpp_core.web.server.ServeError`, or
    :class:`~siammaskpp_core.config.ConfigError` for an unusable token.
    """
    config = node.config
    token = token_for(config.address, config.token)
    server = WebServer(node, token, _PROGRAM)
    port = await server.start(config.address, config.port)
    # The pages are closed first: requests that are under way still need a running executor.
    is_closed = Event()
    spinning = asyncio.get_running_loop().run_in_executor(None, spin_until, is_closed, executor)
    print(f"web_selector: open {url(config.address, port, token)}", flush=True)
    # Not a signal handler of the loop: it would be removed with the loop, and the next signal would kill.
    while not stop.is_set() and not spinning.done():
        await asyncio.sleep(_STOP_PERIOD_S)
    await server.stop()
    is_closed.set()
    with suppress(ExternalShutdownException):
        await spinning
