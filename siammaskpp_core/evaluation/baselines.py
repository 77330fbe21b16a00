"""Baselines: other trackers that are evaluated beside ours, run by OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.evaluation.one_pass import SHORT_TERM_NAME

BASELINES = ("csrt", "kcf", "nanotrack", SHORT_TERM_NAME)
NANOTRACK_FILES = ("nanotrack_backbone_sim.onnx", "nanotrack_head_sim.onnx")


class BaselineError(UserError):
    """A baseline that cannot run here; the message says what to install or which option is missing."""


class OpenCvBaseline:
    """A tracker of OpenCV as an :class:`~siammaskpp_core.evaluation.one_pass.EvaluatedTracker`.

    `create` makes a new OpenCV tracker for each object. There are no masks.
    """

    def __init__(self, name: str, create: Callable[[], Any]) -> None:
        self.name = name
        self._create = create
        self._tracker: Any = None

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """Start to track the object in the box, which is rounded to whole pixels for OpenCV."""
        self._tracker = self._create()
        self._tracker.init(image, tuple(int(value) for value in np.rint(box_xywh)))

    def update(self, image: Image) -> tuple[Float64Array | None, None]:
        """Return the box x, y, w, h of the object in pixels, None where it is not found; and no mask."""
        try:
            found, box = self._tracker.update(image)
        except cv2.error:  # some trackers raise it when their window has left the picture
            return None, None
        return (np.array(box, dtype=np.float64) if found else None), None


def make_baseline(name: str, nanotrack_folder: Path | None = None) -> OpenCvBaseline:
    """Return one of the :data:`BASELINES`; `nanotrack_folder` holds the :data:`NANOTRACK_FILES`.

    Raises :class:`BaselineError` for another name, an OpenCV without the tracker, or missing model files;
    also for our own short-term tracker, which only a one-pass evaluation makes, from the loaded model.
    """
    if name == SHORT_TERM_NAME:
        raise BaselineError(f"the baseline {name} belongs to --protocol ope")
    if name == "nanotrack":
        return _nanotrack(nanotrack_folder)
    if name not in BASELINES:
        raise BaselineError(f"{name!r} is not a baseline; choose from {', '.join(BASELINES)}")
    function = f"Tracker{name.upper()}_create"
    create = getattr(cv2, function, None) or getattr(getattr(cv2, "legacy", None), function, None)
    if create is None:
        raise BaselineError(
            f"this OpenCV ({cv2.__version__}) has no {name.upper()}: replace its package by "
            "opencv-contrib-python or opencv-contrib-python-headless, which hold all of it"
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
    opencv: Any = cv2  # the type stubs of OpenCV lack TrackerNano
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
