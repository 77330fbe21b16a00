"""One-pass evaluation (OPE): a tracker starts from the first frame's box and is never reset or helped.

Source: Wu, Lim and Yang, *Online Object Tracking: A Benchmark*, CVPR 2013.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from siammaskpp_core.arrays import Float64Array, Image, Mask
from siammaskpp_core.data.sequences import DatasetError, VideoSequence
from siammaskpp_core.errors import with_causes
from siammaskpp_core.evaluation import metrics
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.io.stamps import FRAME_INTERVAL_NS
from siammaskpp_core.tracking import LongTermTracker, SearchRegion, Target, Tracker, TrackResult
from siammaskpp_core.tracking.boxes import BoxError

OWN_NAME = "siammaskpp"
"""Name of our tracker in all tables."""
SHORT_TERM_NAME = "short-term"
"""Name of our tracker without the long-term layer."""


class EvaluatedTracker(Protocol):
    """One tracker in a one-pass evaluation.

    Images are uint8 [H, W, 3] BGR, boxes float64 [4] x, y, w, h in pixels.
    """

    name: str

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """Forget the previous object and start to track the object in the box."""

    def update(self, image: Image) -> tuple[Float64Array | None, Mask | None]:
        """Return the box and the mask [H, W] of the object in the next image.

        The box is None where the object is not found; the mask is None if the tracker makes no masks.
        """


class LongTermAdapter:
    """Our tracker as the node runs it, with re-detection, at 30 images per second.

    `result` is its complete last result. Its best candidate counts in every state, LOST included: in a
    one-pass evaluation the object is always there.
    """

    name = OWN_NAME
    result: TrackResult

    def __init__(self, tracker: LongTermTracker) -> None:
        self._tracker = tracker
        self._targets: list[Target] = []
        self._stamp_ns = 0

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """See :class:`EvaluatedTracker`."""
        target, _ = self._tracker.init(image, box_xywh)
        self._targets, self._stamp_ns = [target], 0

    def update(self, image: Image) -> tuple[Float64Array | None, Mask | None]:
        """See :class:`EvaluatedTracker`."""
        self._stamp_ns += FRAME_INTERVAL_NS
        (self.result,) = self._tracker.step(image, self._targets, self._stamp_ns)
        return self.result.box_xywh, self.result.mask


class ShortTermAdapter:
    """Our tracker without the long-term layer: each step is SiamMask's, to compare networks alone."""

    name = SHORT_TERM_NAME

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._regions: list[SearchRegion] = []

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """See :class:`EvaluatedTracker`."""
        region, _, _ = self._tracker.init(image, box_xywh)
        self._regions = [region]

    def update(self, image: Image) -> tuple[Float64Array | None, Mask | None]:
        """See :class:`EvaluatedTracker`."""
        ((region, result),) = self._tracker.step(image, self._regions)
        self._regions = [region]
        return result.box_xywh, result.mask


OnFrame: TypeAlias = Callable[[EvaluatedTracker, VideoSequence, int], None]
"""Called with the index of a frame after a tracker has processed it."""


@dataclass(frozen=True)
class SequenceScore:
    """The score of one tracker on one sequence.

    `region` (J) and `boundary` (F) are None if the tracker or the ground truth has no masks. `seconds` is the
    time in which the tracker processed `frames` frames, without the reading of files.
    """

    curves: metrics.Curves
    region: float | None
    boundary: float | None
    frames: int
    seconds: float


@dataclass(frozen=True)
class SequenceResult:
    """A tracker's results after the first frame: boxes [N-1, 4] (NaN: not found), J and F of each mask."""

    boxes: Float64Array
    region: list[float]
    boundary: list[float]
    seconds: float


def evaluate(
    trackers: Sequence[EvaluatedTracker],
    sequences: Sequence[VideoSequence],
    on_frame: OnFrame = lambda *_: None,
    left_out: list[str] | None = None,
) -> dict[str, dict[str, SequenceScore]]:
    """Return the score of each tracker on each sequence, by the names of both.

    Raises :class:`~siammaskpp_core.io.images.MediaError` for a frame that cannot be read and
    :class:`~siammaskpp_core.data.sequences.DatasetError` for a box or an annotation that cannot be used. With
    a list `left_out`, which receives the message, such a sequence is left out for all trackers.
    KeyboardInterrupt ends the evaluation with the sequences that are finished, if there are any.
    """
    scores: dict[str, dict[str, SequenceScore]] = {tracker.name: {} for tracker in trackers}
    finished = 0
    for sequence in sequences:
        try:
            results = [run_tracker(tracker, sequence, on_frame) for tracker in trackers]
        except (MediaError, DatasetError) as error:
            if left_out is None:
                raise
            left_out.append(str(error))
            continue
        except KeyboardInterrupt:
            if not finished:
                raise
            break
        for tracker, result in zip(trackers, results, strict=True):
            scores[tracker.name][sequence.name] = score(result, sequence)
        finished += 1
    if not finished and left_out:
        raise DatasetError(with_causes("no sequence can be evaluated", left_out))
    return scores


def run_tracker(
    tracker: EvaluatedTracker, sequence: VideoSequence, on_frame: OnFrame = lambda *_: None
) -> SequenceResult:
    """Track the object of `sequence` from its first box to the last frame; errors are those of `evaluate`."""
    boxes = np.full((len(sequence.frames) - 1, 4), np.nan)
    region: list[float] = []
    boundary: list[float] = []
    seconds = 0.0
    try:
        tracker.init(sequence.image(0), sequence.boxes[0])
    except BoxError as error:
        raise DatasetError(f"{sequence.name}: the first frame's box cannot be tracked: {error}") from error
    for index in range(1, len(sequence.frames)):
        image = sequence.image(index)
        start = time.perf_counter()
        box, mask = tracker.update(image)
        seconds += time.perf_counter() - start
        if box is not None:
            boxes[index - 1] = box
        # DAVIS counts neither the first frame nor the last.
        if mask is not None and sequence.annotations and index < len(sequence.frames) - 1:
            truth = sequence.mask(index)
            if truth.shape != mask.shape:
                frame = sequence.frames[index].name
                raise DatasetError(f"{sequence.annotations[index]}: not the size of {frame}")
            region.append(metrics.region_similarity(mask, truth))
            boundary.append(metrics.boundary_accuracy(mask, truth))
        on_frame(tracker, sequence, index)
    return SequenceResult(boxes, region, boundary, seconds)


def score(result: SequenceResult, sequence: VideoSequence) -> SequenceScore:
    """Compare a result with the ground truth; the first frame, whose box was given, does not count."""
    return SequenceScore(
        curves=metrics.curves(result.boxes, sequence.boxes[1:]),
        region=float(np.mean(result.region)) if result.region else None,
        boundary=float(np.mean(result.boundary)) if result.boundary else None,
        frames=len(result.boxes),
        seconds=result.seconds,
    )
