"""Run the callbacks of a test's node until something has happened."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.executors import Executor


def spin_until(executor: Executor, is_true: Callable[[], object], what: str, timeout_s: float) -> None:
    """Spin until `is_true` returns something true; fail with `what` was waited for after `timeout_s`."""
    end_s = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end_s, f"not within {timeout_s} s: {what}"
        executor.spin_once(timeout_sec=0.02)
