"""`siammaskpp track`."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from siammaskpp_core.arrays import Image
from siammaskpp_core.config import ConfigError
from siammaskpp_core.io.drawing import draw_results
from siammaskpp_core.io.outputs import Output, OutputError
from siammaskpp_core.io.video import DEFAULT_FPS, Frames, VideoWriter
from siammaskpp_core.tracking import LongTermTracker, TrackResult
from siammaskpp_core.tracking.long_term.state import TrackStatus

Sink = Callable[[int, Image, TrackResult, TrackStatus], None]

CSV_COLUMNS = ("frame", "state", "score", "x", "y", "w", "h", "cx", "cy", "rw", "rh", "angle")


@dataclass(frozen=True)
class Outputs:
    """What to write of a video: each is left out when it is None."""

    overlay: Path | None = None
    """A video with the results drawn over it."""
    masks: Path | None = None
    """A new folder of masks, FRAME.png with 0 or 255."""
    csv: Path | None = None
    """A table of :data:`CSV_COLUMNS`."""


def track_video(
    frames: Frames, source: str, tracker: LongTermTracker, box_xywh: list[float], outputs: Outputs
) -> str:
    """Follow the object in a box (x, y, w, h in pixels) of the first frame; a line about frames and speed.

    `source` is where the frames come from, which no output may replace. Raises :class:`OutputError`.
    """
    start_s = time.perf_counter()
    with ExitStack() as stack:
        count, tracking_s = _follow(frames, tracker, box_xywh, _open_sinks(outputs, source, frames, stack))
    total_s = time.perf_counter() - start_s
    return f"{count} frames, {count / tracking_s:.1f} fps ({count / total_s:.1f} with reading and writing)"


def _follow(
    frames: Frames, tracker: LongTermTracker, box: list[float], sinks: list[Sink]
) -> tuple[int, float]:
    """Track from the first frame to the last; the number of frames and the seconds of tracking."""
    count, tracking_s = 0, 0.0
    target = None
    try:
        for image in tqdm(frames, total=frames.count, unit="frame", desc=frames.name, mininterval=0.5):
            start = time.perf_counter()
            stamp_ns = round(count / (frames.fps or DEFAULT_FPS) * 1e9)
            if target is None:
                target, result = tracker.init(image, box)
            else:
                (result,) = tracker.step(image, [target], stamp_ns)
            tracking_s += time.perf_counter() - start
            for sink in sinks:
                sink(count, image, result, target.track.status)
            count += 1
    except KeyboardInterrupt:
        # How a camera's video ends, but an interruption of any other.
        if not frames.is_camera or count == 0:
            raise
    return count, tracking_s


def _open_sinks(wanted: Outputs, source: str, frames: Frames, outputs: ExitStack) -> list[Sink]:
    """One function per output, called with each frame's index, image and result."""
    sinks: list[Sink] = []
    if wanted.overlay:
        if wanted.overlay.exists() and Path(source).exists() and wanted.overlay.samefile(source):
            raise OutputError(f"{wanted.overlay}: is the video to be read; choose another output")
        work = outputs.enter_context(Output(wanted.overlay))
        writer = outputs.enter_context(VideoWriter(work, frames.size, frames.fps))
        sinks.append(
            lambda _, image, result, status: writer.write(
                draw_results(image, [result] if status.is_seen else [])
            )
        )
    if wanted.masks:
        folder = outputs.enter_context(Output(wanted.masks, is_folder=True))
        sinks.append(
            lambda index, _, result, status: _write_mask(
                folder / f"{index:06d}.png", result.mask, status.is_seen
            )
        )
    if wanted.csv:
        file = outputs.enter_context(outputs.enter_context(Output(wanted.csv)).open("w", newline=""))
        rows = csv.writer(file)
        rows.writerow(CSV_COLUMNS)
        sinks.append(lambda index, _, result, status: rows.writerow(_row(index, result, status)))
    return sinks


def _write_mask(path: Path, mask: Image | None, is_seen: bool) -> None:
    if mask is None:
        raise ConfigError("--masks: this network has no masks")
    if not cv2.imwrite(str(path), mask if is_seen else np.zeros_like(mask)):
        raise OutputError(f"{path}: cannot be written; check space and permissions")


def _row(index: int, result: TrackResult, status: TrackStatus) -> list[str]:
    rotated = result.rotated_box
    boxes = (*result.box_xywh, rotated.center_x, rotated.center_y, rotated.width, rotated.height)
    place = [*(f"{value:.2f}" for value in boxes), f"{rotated.angle_rad:.4f}"]
    return [
        str(index),
        status.state.name.lower(),
        f"{result.confidence:.4f}",
        *(place if status.is_seen else [""] * len(place)),
    ]
