"""The functions of the library for everyday use; `siammaskpp_core` offers them under its own name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Image
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.frame import FIRST, Frame, Moment, cut, number_name
from siammaskpp_core.io.images import from_rgb
from siammaskpp_core.io.stamps import NS_PER_S
from siammaskpp_core.io.video import DEFAULT_FPS, open_frames
from siammaskpp_core.offline.results import FrameResult, TargetResult
from siammaskpp_core.offline.run import Run
from siammaskpp_core.offline.session import Selection, Session
from siammaskpp_core.offline.writers.base import Recording, Writer
from siammaskpp_core.offline.writers.formats import FORMATS, OutputPlan, open_writer
from siammaskpp_core.tracking import LongTermTracker, Tracker
from siammaskpp_core.tracking.boxes import BoxError, mask_bounding_box

Source: TypeAlias = "str | os.PathLike[str] | int | Iterable[Image | tuple[Image, int]]"
"""A video file, a folder of pictures, a pattern (img_%05d.jpg, left_*.png), the address of a stream or the
index of a camera; or images, uint8 [H, W, 3], or pairs of an image and its time in ns."""


def track(
    source: Source,
    box: ArrayLike | None = None,
    *,
    point: tuple[float, float] | None = None,
    mask: ArrayLike | None = None,
    label: str = "",
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    is_rgb: bool = False,
    model: str | os.PathLike[str] | None = None,
    engine: str | EngineOptions = "onnxruntime",
    tracker: LongTermTracker | Tracker | None = None,
) -> Iterator[TargetResult]:
    """Track one object, and yield a result for every frame.

    Give one of `box` (left, top, width, height in pixels), `point` (x, y on the object) and `mask` ([H, W],
    not 0 on the object) in the first frame that is tracked. The other arguments are those of
    :func:`track_several`. Raises UserError for input that cannot be used, before the first result.
    """
    selection = _selection(box, point, mask, label)
    frames = track_several(
        source,
        [selection],
        start=start,
        end=end,
        fps=fps,
        is_rgb=is_rgb,
        model=model,
        engine=engine,
        tracker=tracker,
    )
    return (frame.targets[0] for frame in frames)


def track_several(
    source: Source,
    targets: Mapping[str, ArrayLike] | Sequence[Selection | ArrayLike],
    *,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    is_rgb: bool = False,
    model: str | os.PathLike[str] | None = None,
    engine: str | EngineOptions = "onnxruntime",
    tracker: LongTermTracker | Tracker | None = None,
) -> Iterator[FrameResult]:
    """Track several objects in one run, and yield the results of every frame together.

    `targets` are boxes in the first frame that is tracked: a mapping from labels, or a list of boxes. A list
    may also hold :class:`Selection` objects, which can set, correct and remove targets in later frames.

    `start` and `end` are the first and last frame that is tracked: a whole number counts frames from 0, a
    float is a time in seconds. `fps` gives images, or a video that does not say, their times; the default is
    25. `is_rgb` tells that images which are given as arrays are RGB; they are BGR otherwise, as OpenCV reads
    them. `model` is a folder, by default the network that comes with the package; `engine` runs it. A
    `tracker` that exists already takes the place of both.

    Frames that cannot be read are left out. Raises UserError for input that cannot be used, before the first
    result where possible.
    """
    selections = _selections(targets)
    first, last = _moment(start, "start") or FIRST, _moment(end, "end")
    frames = _frames(source, fps, is_rgb, first)
    if tracker is None:
        options = EngineOptions(engine) if isinstance(engine, str) else engine
        tracker = load_tracker(model, options)
    run = Run(Session(tracker), selections)
    return (run.take(frame) for frame in cut(frames, first, last))


def writer(
    format: str,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    fps: float | None = None,
    classes: Sequence[str] = (),
) -> AbstractContextManager[Writer]:
    """Open an output as a context manager that gives a function; call it with each :class:`FrameResult`.

    `format` is one of video, masks, csv, json, coco, yolo-seg, davis and mot. The file or folder `path`
    appears when the context ends without an error. `name` is that of the recording, by default the name of
    `path`; `fps` is its frame rate. `classes` are labels that get the first class numbers of a data set, so
    that those of several recordings agree. Raises UserError for an unknown format and a place that cannot be
    used.
    """
    if format not in FORMATS:
        raise UserError(f"format {format!r} is not one of {', '.join(FORMATS)}")
    place = Path(path)
    return open_writer(OutputPlan(format, place), Recording(name or place.stem, fps, tuple(classes)))


def _selection(
    box: ArrayLike | None, point: tuple[float, float] | None, mask: ArrayLike | None, label: str
) -> Selection:
    if (box is not None) + (point is not None) + (mask is not None) != 1:
        raise UserError("give one of box=(x, y, width, height), point=(x, y) and mask")
    if mask is not None:
        found = mask_bounding_box((np.asarray(mask) > 0).astype(np.uint8))
        if found is None:
            raise BoxError("the mask is empty: it is not 0 on the object")
        box = found
    if box is not None:
        return Selection(box_xywh=_four(box), label=label)
    return Selection(point_xy=point, label=label)


def _selections(targets: Mapping[str, ArrayLike] | Sequence[Selection | ArrayLike]) -> list[Selection]:
    if isinstance(targets, Mapping):
        return [Selection(box_xywh=_four(box), label=label) for label, box in targets.items()]
    try:
        is_one_box = np.asarray(targets, dtype=np.float64).ndim == 1 and len(targets) > 0
    except (TypeError, ValueError):
        is_one_box = False
    if is_one_box:
        raise BoxError("several targets are expected: a list of boxes, [(x, y, width, height)], or a mapping")
    return [each if isinstance(each, Selection) else Selection(box_xywh=_four(each)) for each in targets]


def _four(box: ArrayLike) -> tuple[float, float, float, float]:
    values = np.asarray(box, dtype=np.float64).ravel().tolist()
    if len(values) != 4:
        raise BoxError(f"box {box!r} is not four numbers x, y, width, height")
    return (values[0], values[1], values[2], values[3])


def _moment(value: float | None, name: str) -> Moment | None:
    if value is None:
        return None
    if value < 0:
        raise UserError(f"{name}: {value} lies before the recording")
    if isinstance(value, (int, np.integer)):
        return Moment(frame=int(value))
    return Moment(time_ns=round(value * NS_PER_S))


def _frames(source: Source, fps: float | None, is_rgb: bool, start: Moment) -> Iterator[Frame]:
    """Return the frames of a source, whatever its kind."""
    if isinstance(source, (str, os.PathLike, int)) and not isinstance(source, bool):
        return open_frames(str(source) if isinstance(source, int) else source).stamped(fps, start)
    if isinstance(source, np.ndarray) and source.ndim == 3:
        raise UserError("several images are expected: a list, an iterator or an array [N, H, W, 3]")
    if not isinstance(source, Iterable):
        raise UserError(f"a path, the index of a camera or images are expected, not {type(source).__name__}")
    return _given(source, fps or DEFAULT_FPS, is_rgb)


def _given(images: Iterable[Any], fps: float, is_rgb: bool) -> Iterator[Frame]:
    """Yield images, or pairs of an image and its time in ns, as frames."""
    origin_ns = None
    for number, item in enumerate(images):
        image, stamp_ns = item if isinstance(item, tuple) else (item, round(number / fps * NS_PER_S))
        origin_ns = stamp_ns if origin_ns is None else origin_ns
        if is_rgb:
            image = from_rgb(image)
        yield Frame(number, stamp_ns, image, number_name(number), origin_ns=origin_ns)
