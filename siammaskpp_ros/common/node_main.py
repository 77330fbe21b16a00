"""The main function of every node: start, signals, errors, end and exit code; and waiting in an executor."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Event
from typing import Any, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from siammaskpp_core.errors import UserError
from siammaskpp_ros.common.worker import WorkerHangs

NodeT = TypeVar("NodeT", bound=Node)

_CALL_TIMEOUT_S = 3.0
_CALL_TRIES = 4


class NoAnswer(UserError):
    """A service does not answer."""


def run_node(
    name: str,
    create: Callable[[], NodeT],
    work: Callable[[NodeT, Executor], int | None] | None = None,
    *,
    args: Sequence[str] | None = None,
    stop: Event | None = None,
    finish: Callable[[NodeT], object] | None = None,
) -> int:
    """Create a node, run it until its work is done or Ctrl-C or SIGTERM ends it; return the exit code.

    `work` is called with the node and the executor to which the node was added; by default it processes
    callbacks until the end. It may return an exit code (None means 0). Ctrl-C and SIGTERM are a clean end
    with exit code 0. Without `stop` they interrupt `work` and shut down ROS. A node that still has to publish
    something passes an event as `stop`: signals set the event, ROS stays up, and `work` has to return when
    the event is set (:func:`spin_until`).

    `finish` is called with the node before ROS is shut down, however the work has ended. It may raise
    :class:`~siammaskpp_ros.common.worker.WorkerHangs`, which ends the process at once. A
    :class:`~siammaskpp_core.errors.UserError` and an invalid parameter are shown as one line,
    "name: reason", with exit code 1; every other exception shows its traceback.
    """
    if work is None:
        work = _spin if stop is None else lambda _, executor: spin_until(stop, executor)
    handlers = SignalHandlerOptions.ALL if stop is None else SignalHandlerOptions.NO
    node: NodeT | None = None
    executor: SingleThreadedExecutor | None = None
    exit_code = 0
    with nullcontext() if stop is None else _set_by_signals(stop):
        try:
            rclpy.init(args=list(args) if args is not None else None, signal_handler_options=handlers)
            # rclpy.spin would use a global executor, which is never shut down and may complain at exit.
            executor = SingleThreadedExecutor()
            node = create()
            executor.add_node(node)
            exit_code = work(node, executor) or 0
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        except (UserError, ParameterException) as error:
            print(f"{name}: {error}", file=sys.stderr)
            exit_code = 1
        except Exception:
            # A signal may shut down ROS while a callback still uses it, which is no failure.
            if rclpy.ok():
                traceback.print_exc()
                exit_code = 1
        _end(node, executor, finish, exit_code)
    return exit_code


def spin_until(stop: Event, executor: Executor) -> None:
    """Process callbacks until `stop` is set, which takes effect within 0.1 s."""
    while not stop.is_set():
        executor.spin_once(timeout_sec=0.1)


def wait_until(executor: Executor, is_true: Callable[[], object], timeout_s: float) -> bool:
    """Process callbacks until `is_true`; return False when that took longer than `timeout_s`."""
    end_s = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > end_s:
            return False
        executor.spin_once(timeout_sec=0.1)
    return True


def ask(executor: Executor, client: Any, request: Any) -> Any:
    """Call a service and return its answer; raises :class:`NoAnswer`.

    The request is sent up to four times, because the middleware loses an answer now and then.
    """
    for _ in range(_CALL_TRIES):
        future = client.call_async(request)
        if wait_until(executor, future.done, _CALL_TIMEOUT_S):
            return future.result()
    raise NoAnswer(f"{client.srv_name} does not answer; is the tracker running?")


def _spin(_node: Node, executor: Executor) -> None:
    executor.spin()


@contextmanager
def _set_by_signals(stop: Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set `stop` inside the block."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(
    node: NodeT | None,
    executor: Executor | None,
    finish: Callable[[NodeT], object] | None,
    exit_code: int,
) -> None:
    """Free what :func:`run_node` made."""
    try:
        if node is not None and finish is not None:
            finish(node)
    except WorkerHangs:
        # Ending the interpreter while a thread hangs in a driver can crash; nothing is left to save.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    if executor is not None:
        executor.shutdown(timeout_sec=1.0)
    if node is not None:
        node.destroy_node()
    rclpy.try_shutdown()
