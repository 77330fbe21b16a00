"""Nodes of this package as child processes, and their end."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from ament_index_python.packages import get_package_prefix
from rclpy.executors import Executor

from siammaskpp_core.errors import UserError

_STOP_TIMEOUT_S = 10.0


def installed(executable: str) -> list[str]:
    """The command that runs an executable of this package."""
    return [str(Path(get_package_prefix("siammaskpp")) / "lib" / "siammaskpp" / executable)]


def start(command: Sequence[str], namespace: str, **parameters: object) -> subprocess.Popen[bytes]:
    """Start a node in `namespace` with these parameters."""
    command = [*command, "--ros-args", "-r", f"__ns:={namespace}"]
    for name, value in parameters.items():
        # Quoted, so that a file named 7 or true stays a text.
        command += ["-p", f'{name}:="{value}"' if isinstance(value, str) else f"{name}:={value}"]
    return subprocess.Popen(command)


def stop(child: subprocess.Popen[bytes]) -> int:
    """End a process as Ctrl-C does; its exit code."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    try:
        return child.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


@contextmanager
def ended_by_signals() -> Iterator[Event]:
    """An event that Ctrl-C and SIGTERM set, for nodes that have to do something before they end.

    To be used with rclpy.init(signal_handler_options=SignalHandlerOptions.NO): rclpy's own handlers take the
    context away at any moment. Signals are seen between two callbacks: see :func:`spin_until`.
    """
    ended = Event()
    before = {
        number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def spin_until(ended: Event, executor: Executor) -> None:
    """Spin in short turns, so that an end is seen; an executor shut down from outside may wait for ever."""
    while not ended.is_set():
        executor.spin_once(timeout_sec=0.1)


_CALL_TIMEOUT_S = 3.0
_CALL_TRIES = 4


class NoAnswer(UserError):
    """A service that does not answer."""


def wait_until(executor: Executor, is_true: Callable[[], object], timeout_s: float) -> bool:
    """Work until `is_true`; False when it did not come true in time."""
    end_s = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > end_s:
            return False
        executor.spin_once(timeout_sec=0.1)
    return True


def ask(executor: Executor, client: Any, request: Any) -> Any:
    """The answer of a service; raises :class:`NoAnswer`.

    An answer is now and then lost by the middleware, so it is asked again.
    """
    for _ in range(_CALL_TRIES):
        future = client.call_async(request)
        if wait_until(executor, future.done, _CALL_TIMEOUT_S):
            return future.result()
    raise NoAnswer(f"{client.srv_name} does not answer; is the tracker running?")
