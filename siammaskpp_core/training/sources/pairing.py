"""Which two frames of a video make a pair."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.training.sources.base import Rng


def nearby_frames(times: NDArray[np.integer[Any]], frame_range: int, rng: Rng) -> tuple[int, int]:
    """Positions in `times` (ascending) of two random frames, at most `frame_range` apart.

    The first is uniform over all frames, the second over those near it, itself included.
    """
    first = int(rng.integers(len(times)))
    low = np.searchsorted(times, times[first] - frame_range, side="left")
    high = np.searchsorted(times, times[first] + frame_range, side="right")
    return first, int(rng.integers(low, high))
