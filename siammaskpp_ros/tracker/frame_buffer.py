"""The newest images, buffered so that tracking can start on the image on which a box was drawn."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from sensor_msgs.msg import CompressedImage, Image

from siammaskpp_core import arrays
from siammaskpp_core.io.stamps import stamp_ns
from siammaskpp_ros.common.conversions import to_bgr

# Images that are closer together than at 10 Hz tell a tracker little new.
_MIN_REPLAY_INTERVAL_S = 0.1


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

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image in ns; 0 when it has none."""
        return stamp_ns(self.message.header.stamp)

    def bgr(self) -> arrays.Image:
        """Return the image, BGR uint8 [H, W, 3]; raises the error of :func:`to_bgr`."""
        return to_bgr(self.message)


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


def frames_to_replay(frames: Sequence[Frame], newest: Frame, max_steps: int, step_s: float) -> list[Frame]:
    """Return the buffered frames through which a target is tracked before it is searched for in `newest`.

    `frames` begin with the one in which the target was seen last; neither that one nor `newest` is returned.
    At most `max_steps` frames are chosen, evenly spread over the time between the two. Each step has to gain
    twice the time `step_s` that it takes, or a slow tracker would never reach the newest frame.
    """
    if len(frames) < 2:
        return []
    begin_s = frames[0].received_s
    gap_s = newest.received_s - begin_s
    interval_s = max(_MIN_REPLAY_INTERVAL_S, 2 * step_s)
    count = min(max_steps, math.floor(gap_s / interval_s + 1e-6) - 1)
    times_s = (begin_s + gap_s * number / (count + 1) for number in range(1, count + 1))
    nearest = (min(frames[1:], key=lambda item: abs(item.received_s - time_s)) for time_s in times_s)
    return list({frame.index: frame for frame in nearest}.values())
