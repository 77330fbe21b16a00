"""The main function of every node: start, signals, errors, end and exit code; and waiting in an executor."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event
from typing import Any, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from siammaskpp_core.errors import UserError
from siammaskpp_ros.common.signals import END_SIGNALS
from siammaskpp_ros.common.steady_clock import RepeatFilter
from siammaskpp_ros.common.worker import WorkerHangs

NodeT = TypeVar("NodeT", bound=Node)

_CALL_TIMEOUT_S = 3.0
_CALL_TRIES = 4
# Errors of callbacks in any node of this process; the same one is logged again after this time.
_callback_errors = RepeatFilter(period_s=5.0)


class NoAnswer(UserError):
    """A service does not answer."""


def run_node(
    name: str,
    create: Callable[[], NodeT],
    work: Callable[[NodeT, Executor, Event], int | None] | None = None,
    *,
    args: Sequence[str] | None = None,
    interrupts: bool = True,
    finish: Callable[[NodeT], object] | None = None,
) -> int:
    """Create a node, run it until its work is done or a signal ends it; return the exit code.

    `work` is called with the node, the executor to which the node was added, and an event; by default it
    processes callbacks until the end. It may return an exit code (None means 0). It has to return when the
    event is set (:func:`spin_until`). The first SIGINT, SIGTERM, SIGHUP or SIGQUIT sets the event and
    interrupts `work` by a KeyboardInterrupt, unless `interrupts` is False. That is a clean end with exit code
    0. ROS stays up until then, and later signals are ignored.

    `finish` is called with the node before ROS is shut down, however the work has ended. It may raise
    :class:`~siammaskpp_ros.common.worker.WorkerHangs`, which ends the process at once. A
    :class:`~siammaskpp_core.errors.UserError` and an invalid parameter are shown as one line,
    "name: reason", with exit code 1; every other exception shows its traceback.
    """
    END_SIGNALS.catch()
    END_SIGNALS.interrupts = interrupts
    stop = END_SIGNALS.requested
    node: NodeT | None = None
    executor: SingleThreadedExecutor | None = None
    exit_code = 0
    # The outer block catches a signal that arrives while the inner one reports an error.
    with suppress(KeyboardInterrupt):
        try:
            # The handlers of rclpy would shut down ROS before the node could publish its last message.
            rclpy.init(
                args=list(args) if args is not None else None, signal_handler_options=SignalHandlerOptions.NO
            )
            # rclpy.spin would use a global executor, which is never shut down and may complain at exit.
            executor = SingleThreadedExecutor()
            node = create()
            executor.add_node(node)
            result = (work or _spin)(node, executor, stop)
            exit_code = 0 if stop.is_set() else result or 0
        except ExternalShutdownException:
            pass
        except (UserError, ParameterException) as error:
            exit_code = 1
            print(f"{name}: {error}", file=sys.stderr)
        except Exception:
            # An interrupted call of a library may raise an error of its own, which is no failure.
            if not stop.is_set() and rclpy.ok():
                exit_code = 1
                traceback.print_exc()
        finally:
            END_SIGNALS.interrupts = False
    _end(node, executor, finish, exit_code)
    return exit_code


def spin_once(executor: Executor, timeout_s: float = 0.1) -> None:
    """Run at most one callback. Its error is logged and does not end the node.

    No message may end a node, and rclpy itself raises errors for some: a negative /clock, a parameter of an
    unknown type.
    """
    try:
        executor.spin_once(timeout_sec=timeout_s)
    except ExternalShutdownException:
        raise
    except Exception as error:
        if not executor.context.ok():
            raise
        text = str(error) if isinstance(error, UserError) else traceback.format_exc()
        if _callback_errors.is_due(text):
            names = ", ".join(node.get_name() for node in executor.get_nodes())
            get_logger(names).error(f"A message or request could not be processed: {text}")


def spin_until(stop: Event, executor: Executor) -> None:
    """Process callbacks until `stop` is set, which takes effect within 0.1 s."""
    while not stop.is_set():
        spin_once(executor)


def wait_until(executor: Executor, is_true: Callable[[], object], timeout_s: float) -> bool:
    """Process callbacks until `is_true`; return False when that took longer than `timeout_s`."""
    end_s = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > end_s:
            return False
        spin_once(executor)
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


def _spin(_node: Node, executor: Executor, stop: Event) -> None:
    spin_until(stop, executor)


def _end(
    node: NodeT | None,
    executor: Executor | None,
    finish: Callable[[NodeT], object] | None,
    exit_code: int,
) -> None:
    """Free what :func:`run_node` made, and ignore all signals until the end of the process."""
    END_SIGNALS.ignore()
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
