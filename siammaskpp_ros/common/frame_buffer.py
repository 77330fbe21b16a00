"""The newest images: for a request that names an image by its stamp, and for results that arrive later."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from sensor_msgs.msg import CompressedImage, Image

from siammaskpp_core import arrays
from siammaskpp_core.io.bit_depth import ValueRange
from siammaskpp_core.io.stamps import stamp_ns
from siammaskpp_ros.common.conversions import to_bgr


@dataclass(frozen=True)
class Frame:
    """An image message, with its number and the time of its arrival."""

    message: Image | CompressedImage
    index: int
    """Number in the order of arrival, from 1; it is never used twice in the life of a node."""
    received_s: float
    """Time at which the middleware received the message, on the monotonic clock."""
    receive_delay_s: float = 0.0
    """Time from then until the node's callback was called."""
    value_range: ValueRange | None = None
    """The range of values of the stream, for images with 16 bits."""

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image in ns; 0 when it has none."""
        return stamp_ns(self.message.header.stamp)

    def bgr(self) -> arrays.Image:
        """Return the image, BGR uint8 [H, W, 3]; raises the error of :func:`to_bgr`."""
        return to_bgr(self.message, self.value_range)


class FrameBuffer:
    """The newest frames, limited in age and in memory; the newest one is always kept.

    Every method may be called from any thread.
    """

    def __init__(self, max_age_s: float, max_bytes: int) -> None:
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, frame: Frame) -> None:
        """Append the newest frame, and drop the oldest ones until the limits are met."""
        with self._lock:
            self._frames.append(frame)
            self._bytes += len(frame.message.data)
            while len(self._frames) > 1 and self._is_over_limit(frame.received_s):
                self._bytes -= len(self._frames.popleft().message.data)

    def newest(self) -> Frame | None:
        """Return the newest frame, or None when the buffer is empty."""
        with self._lock:
            return self._frames[-1] if self._frames else None

    def at(self, stamp_ns: int) -> Frame | None:
        """Return the newest frame with exactly this stamp, or None when none is buffered."""
        with self._lock:
            return next((frame for frame in reversed(self._frames) if frame.stamp_ns == stamp_ns), None)

    def between(self, first: int, last: int) -> list[Frame]:
        """Return the buffered frames with indices from `first` to before `last`."""
        with self._lock:
            return [frame for frame in self._frames if first <= frame.index < last]

    def span_ns(self) -> tuple[int, int] | None:
        """Return the stamps of the oldest and the newest frame, or None when the buffer is empty."""
        with self._lock:
            return (self._frames[0].stamp_ns, self._frames[-1].stamp_ns) if self._frames else None

    def clear(self) -> None:
        """Drop all frames."""
        with self._lock:
            self._frames.clear()
            self._bytes = 0

    def _is_over_limit(self, now_s: float) -> bool:
        return self._bytes > self._max_bytes or now_s - self._frames[0].received_s > self._max_age_s
