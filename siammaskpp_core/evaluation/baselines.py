"""What is evaluated: our tracker and its peers behind one small interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.tracking import LongTermTracker, SearchRegion, Target, Tracker, TrackResult

BASELINES = ("csrt", "kcf", "nanotrack")
NANOTRACK_FILES = ("nanotrack_backbone_sim.onnx", "nanotrack_head_sim.onnx")
FRAME_NS = 33_333_333
"""From image to image for our tracker, which goes by their stamps."""


class BaselineError(UserError):
    """A peer that cannot run here; the message says what to install or give."""


class EvaluatedTracker(Protocol):
    """One tracker in a one-pass evaluation. Images are HxWx3 uint8 BGR, boxes x, y, w, h in pixels."""

    name: str

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """Forget the previous object and take the one in the box."""

    def update(self, image: Image) -> tuple[Float64Array | None, Image | None]:
        """The object's box, None where not found, and its mask [H, W] 0/255, None from trackers of boxes."""


class LongTermAdapter:
    """Our tracker as the node runs it, with its search for lost objects, at 30 images a second.

    `result` is all of its last answer. It counts whether it is believed or not: in a one-pass evaluation
    the object is always there.
    """

    name = "siammaskpp"
    result: TrackResult

    def __init__(self, tracker: LongTermTracker) -> None:
        self._tracker = tracker
        self._targets: list[Target] = []
        self._stamp_ns = 0

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """See :class:`EvaluatedTracker`."""
        target, _ = self._tracker.init(image, box_xywh)
        self._targets, self._stamp_ns = [target], 0

    def update(self, image: Image) -> tuple[Float64Array | None, Image | None]:
        """See :class:`EvaluatedTracker`."""
        self._stamp_ns += FRAME_NS
        (self.result,) = self._tracker.step(image, self._targets, self._stamp_ns)
        return self.result.box_xywh, self.result.mask


class ShortTermAdapter:
    """Our tracker without all that: a step is SiamMask's, so that networks can be compared by themselves."""

    name = "siammaskpp"

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._regions: list[SearchRegion] = []

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """See :class:`EvaluatedTracker`."""
        region, _ = self._tracker.init(image, box_xywh)
        self._regions = [region]

    def update(self, image: Image) -> tuple[Float64Array | None, Image | None]:
        """See :class:`EvaluatedTracker`."""
        ((region, result),) = self._tracker.step(image, self._regions)
        self._regions = [region]
        return result.box_xywh, result.mask


class OpenCvBaseline:
    """A tracker of OpenCV, made anew for each object."""

    def __init__(self, name: str, create: Callable[[], Any]) -> None:
        self.name = name
        self._create = create
        self._tracker: Any = None

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """See :class:`EvaluatedTracker`; OpenCV takes whole pixels."""
        self._tracker = self._create()
        self._tracker.init(image, tuple(int(value) for value in np.rint(box_xywh)))

    def update(self, image: Image) -> tuple[Float64Array | None, Image | None]:
        """See :class:`EvaluatedTracker`."""
        try:
            found, box = self._tracker.update(image)
        except cv2.error:  # thrown by some when their window has left the picture
            return None, None
        return (np.array(box, dtype=np.float64) if found else None), None


def make_baseline(name: str, nanotrack_folder: Path | None = None) -> OpenCvBaseline:
    """One of :data:`BASELINES`; `nanotrack_folder` holds :data:`NANOTRACK_FILES`.

    Raises :class:`BaselineError` for another name, an OpenCV without the tracker, or missing model files.
    """
    if name == "nanotrack":
        return _nanotrack(nanotrack_folder)
    if name not in BASELINES:
        raise BaselineError(f"{name!r} is not a peer; choose from {', '.join(BASELINES)}")
    function = f"Tracker{name.upper()}_create"
    create = getattr(cv2, function, None) or getattr(getattr(cv2, "legacy", None), function, None)
    if create is None:
        raise BaselineError(
            f"this OpenCV ({cv2.__version__}) has no {name.upper()}: replace the package opencv-python by "
            "opencv-contrib-python-headless, which holds all of it"
        )
    return OpenCvBaseline(name, create)


def _nanotrack(folder: Path | None) -> OpenCvBaseline:
    if folder is None:
        raise BaselineError(
            f"nanotrack needs --nanotrack FOLDER, the folder of {' and '.join(NANOTRACK_FILES)}"
        )
    files = [folder / name for name in NANOTRACK_FILES]
    for file in files:
        if not file.is_file():
            raise BaselineError(
                f"{file}: no such file; it belongs to NanoTrack V2 (github.com/HonglinChu/NanoTrack)"
            )
    opencv: Any = cv2  # its type stubs lack these
    if not hasattr(opencv, "TrackerNano_create"):
        raise BaselineError(
            f"this OpenCV ({cv2.__version__}) has no TrackerNano: version 4.7 or newer is needed"
        )
    parameters = opencv.TrackerNano_Params()
    parameters.backbone, parameters.neckhead = map(str, files)
    try:
        opencv.TrackerNano_create(parameters)
    except cv2.error as error:
        raise BaselineError(f"{folder}: OpenCV cannot load these files: {error}") from error
    return OpenCvBaseline("nanotrack", lambda: opencv.TrackerNano_create(parameters))
