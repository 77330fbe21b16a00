"""One-pass evaluation: every tracker starts from the first frame's box and is never helped again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.data.sequences import DatasetError, VideoSequence
from siammaskpp_core.evaluation import metrics
from siammaskpp_core.evaluation.baselines import EvaluatedTracker
from siammaskpp_core.io.images import read_image
from siammaskpp_core.tracking.boxes import BoxError

OnFrame: TypeAlias = Callable[[EvaluatedTracker, VideoSequence, int], None]
"""Called after each frame that a tracker has answered, with the frame's index."""


@dataclass(frozen=True)
class SequenceScore:
    """How one tracker did on one sequence.

    `boundary` (F) and `region` (J) are None without masks of the tracker or in the truth. `frames` were
    tracked in `seconds`, which hold the tracker's own work, not the reading of files.
    """

    curves: metrics.Curves
    region: float | None
    boundary: float | None
    frames: int
    seconds: float


@dataclass(frozen=True)
class Track:
    """A tracker's answers after the first frame: boxes [N-1, 4] (NaN: not found), J and F per mask."""

    boxes: Float64Array
    region: list[float]
    boundary: list[float]
    seconds: float


def evaluate(
    trackers: Sequence[EvaluatedTracker],
    sequences: Sequence[VideoSequence],
    on_frame: OnFrame = lambda *_: None,
) -> dict[str, dict[str, SequenceScore]]:
    """The score of each tracker (by name) on each sequence (by name).

    Raises :class:`~siammaskpp_core.io.images.MediaError` for frames that cannot be read.
    """
    scores: dict[str, dict[str, SequenceScore]] = {tracker.name: {} for tracker in trackers}
    for sequence in sequences:
        for tracker in trackers:
            track = run_tracker(tracker, sequence, on_frame)
            scores[tracker.name][sequence.name] = score(track, sequence)
    return scores


def run_tracker(
    tracker: EvaluatedTracker, sequence: VideoSequence, on_frame: OnFrame = lambda *_: None
) -> Track:
    """Follow the object of `sequence` from its first box to its last frame."""
    boxes = np.full((len(sequence.frames) - 1, 4), np.nan)
    region: list[float] = []
    boundary: list[float] = []
    seconds = 0.0
    try:
        tracker.init(read_image(sequence.frames[0]), sequence.boxes[0])
    except BoxError as error:
        raise DatasetError(f"{sequence.name}: the first frame's box cannot be tracked: {error}") from error
    for index, file in enumerate(sequence.frames[1:], start=1):
        image = read_image(file)
        start = time.perf_counter()
        box, mask = tracker.update(image)
        seconds += time.perf_counter() - start
        if box is not None:
            boxes[index - 1] = box
        # DAVIS counts neither the first frame nor the last.
        if mask is not None and sequence.annotations and index < len(sequence.frames) - 1:
            truth = sequence.mask(index)
            if truth.shape != mask.shape:
                raise DatasetError(f"{sequence.annotations[index]}: not the size of {file.name}")
            region.append(metrics.region_similarity(mask, truth))
            boundary.append(metrics.boundary_accuracy(mask, truth))
        on_frame(tracker, sequence, index)
    return Track(boxes, region, boundary, seconds)


def score(track: Track, sequence: VideoSequence) -> SequenceScore:
    """Compare a track with the truth. The first frame, whose box was given, does not count."""
    return SequenceScore(
        curves=metrics.curves(track.boxes, sequence.boxes[1:]),
        region=float(np.mean(track.region)) if track.region else None,
        boundary=float(np.mean(track.boundary)) if track.boundary else None,
        frames=len(track.boxes),
        seconds=track.seconds,
    )
