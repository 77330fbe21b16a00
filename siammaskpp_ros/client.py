"""What clients of the tracker node share: to wait, and to ask a service."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.executors import Executor

_CALL_TIMEOUT_S = 3.0
_CALL_TRIES = 4


class NoAnswer(RuntimeError):
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
