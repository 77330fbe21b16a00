"""Which of the images since a box was drawn its target is led through until it has caught up."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .frame_buffer import Frame

MAX_STEPS = 10
"""Steps of a target on its way from the image its box was drawn on to the newest one."""
BUDGET_S = 0.1
"""How long each image may wait for targets that catch up; one step is always made."""
# Nearer to each other than at 10 Hz, images tell a tracker little new.
_MIN_INTERVAL_S = 0.1


def way(frames: Sequence[Frame], newest: Frame, steps: int, step_s: float) -> list[Frame]:
    """At most `steps` of `frames`, evenly over the time from the first of them to `newest`.

    The first is the one the target has been seen in and is left out, as is `newest`. `step_s` is how long a
    step takes: each makes up for twice that time at least, or a slow tracker would never catch up.
    """
    if len(frames) < 2:
        return []
    begin_s = frames[0].received_s
    gap_s = newest.received_s - begin_s
    interval_s = max(_MIN_INTERVAL_S, 2 * step_s)
    count = min(steps, math.floor(gap_s / interval_s + 1e-6) - 1)
    moments_s = (begin_s + gap_s * number / (count + 1) for number in range(1, count + 1))
    nearest = (min(frames[1:], key=lambda item: abs(item.received_s - moment_s)) for moment_s in moments_s)
    return list({frame.index: frame for frame in nearest}.values())
