"""The choice of buffered frames through which a new target is tracked to the newest image."""

from __future__ import annotations

import math
from collections.abc import Sequence

from siammaskpp_ros.common.frame_buffer import Frame

# Images that are closer together than at 10 Hz tell a tracker little new.
_MIN_REPLAY_INTERVAL_S = 0.1


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
