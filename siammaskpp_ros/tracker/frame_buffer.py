"""The images of the last second, so that a box drawn on one of them can be applied to that one."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from siammaskpp_ros.common.conversions import to_bgr


@dataclass(frozen=True)
class Frame:
    """An image as it came: `index` counts arrivals from 1.

    `received_s` is its arrival on the monotonic clock, `receive_delay_s` the time from then until the node's
    callback was called.
    """

    message: Image | CompressedImage
    index: int
    received_s: float
    receive_delay_s: float = 0.0

    @property
    def stamp_ns(self) -> int:
        """The stamp of the image in ns."""
        stamp = self.message.header.stamp
        return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)

    def bgr(self) -> NDArray[np.uint8]:
        """The picture as HxWx3 uint8 BGR; see :func:`siammaskpp_ros.common.conversions.to_bgr`."""
        return to_bgr(self.message)


class FrameBuffer:
    """The newest frames, bounded in time and in memory; at least the newest one is always kept."""

    def __init__(self, max_age_s: float, max_bytes: int) -> None:
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, frame: Frame) -> None:
        """Remember `frame` as the newest and forget those that are too old or too much."""
        with self._lock:
            self._frames.append(frame)
            self._bytes += len(frame.message.data)
            while len(self._frames) > 1 and self._is_over(frame.received_s):
                self._bytes -= len(self._frames.popleft().message.data)

    def newest(self) -> Frame | None:
        """The newest frame, None before the first."""
        with self._lock:
            return self._frames[-1] if self._frames else None

    def at(self, stamp_ns: int) -> Frame | None:
        """The newest frame with just this stamp, None when there is none (any more)."""
        with self._lock:
            return next((frame for frame in reversed(self._frames) if frame.stamp_ns == stamp_ns), None)

    def between(self, first: int, last: int) -> list[Frame]:
        """The frames from index `first` to before `last` that are still remembered."""
        with self._lock:
            return [frame for frame in self._frames if first <= frame.index < last]

    def span_ns(self) -> tuple[int, int] | None:
        """Stamps of the oldest and the newest frame, None before the first."""
        with self._lock:
            return (self._frames[0].stamp_ns, self._frames[-1].stamp_ns) if self._frames else None

    def clear(self) -> None:
        """Forget all frames."""
        with self._lock:
            self._frames.clear()
            self._bytes = 0

    def _is_over(self, now_s: float) -> bool:
        return self._bytes > self._max_bytes or now_s - self._frames[0].received_s > self._max_age_s
