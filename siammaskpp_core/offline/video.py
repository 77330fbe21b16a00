"""Track one object through a video, a folder of images or a camera, and write the results to files."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from siammaskpp_core.arrays import Image
from siammaskpp_core.config import ConfigError
from siammaskpp_core.io.drawing import draw_results
from siammaskpp_core.io.outputs import Output, OutputError
from siammaskpp_core.io.results import Row, TableWriter, place_of
from siammaskpp_core.io.stamps import NS_PER_S
from siammaskpp_core.io.video import DEFAULT_FPS, Frames, VideoWriter
from siammaskpp_core.offline import TARGET_ID
from siammaskpp_core.tracking import LongTermTracker, State, TrackResult


class TrackedFrame(NamedTuple):
    """One frame with the result of the tracker and the target's track state."""

    number: int
    stamp_ns: int
    image: Image
    result: TrackResult
    state: State
    is_seen: bool


Sink = Callable[[TrackedFrame], None]


@dataclass(frozen=True)
class Outputs:
    """The files to write; None leaves one out."""

    overlay: Path | None = None
    """Video with the results drawn over the frames."""
    masks: Path | None = None
    """New folder of masks, FRAME.png with the values 0 and 255."""
    csv: Path | None = None
    """Table with the columns of :data:`siammaskpp_core.io.results.COLUMNS`."""


def track_video(
    frames: Frames, source: str, tracker: LongTermTracker, box_xywh: list[float], outputs: Outputs
) -> str:
    """Track the object in a box of the first frame to the last, and return a line about frames and speed.

    `box_xywh` is left, top, width and height in pixels. `source` is the path from which `frames` come; no
    output may replace it. Raises BoxError, MediaError and OutputError, after which no output remains.
    """
    start_s = time.perf_counter()
    with ExitStack() as stack:
        count, tracking_s = _track(frames, tracker, box_xywh, _open_sinks(outputs, source, frames, stack))
    total_s = time.perf_counter() - start_s
    return f"{count} frames, {count / tracking_s:.1f} fps ({count / total_s:.1f} with reading and writing)"


def _track(
    frames: Frames, tracker: LongTermTracker, box_xywh: list[float], sinks: list[Sink]
) -> tuple[int, float]:
    """Track through all frames, and return their number and the seconds spent on tracking."""
    count, tracking_s = 0, 0.0
    target = None
    try:
        for image in tqdm(frames, total=frames.count, unit="frame", desc=frames.name, mininterval=0.5):
            start_s = time.perf_counter()
            stamp_ns = round(count / (frames.fps or DEFAULT_FPS) * NS_PER_S)
            if target is None:
                target, result = tracker.init(image, box_xywh)
            else:
                (result,) = tracker.step(image, [target], stamp_ns)
            tracking_s += time.perf_counter() - start_s
            tracked = TrackedFrame(count, stamp_ns, image, result, target.state, target.is_seen)
            for sink in sinks:
                sink(tracked)
            count += 1
    except KeyboardInterrupt:
        # Ctrl-C is how the video of a camera ends; any other video has been interrupted.
        if not frames.is_camera or count == 0:
            raise
    return count, tracking_s


def _open_sinks(outputs: Outputs, source: str, frames: Frames, stack: ExitStack) -> list[Sink]:
    """Open the outputs in `stack`, and return for each a function that adds one frame to it."""
    sinks: list[Sink] = []
    if outputs.overlay:
        if outputs.overlay.exists() and Path(source).exists() and outputs.overlay.samefile(source):
            raise OutputError(f"{outputs.overlay}: is the video to be read; choose another output")
        work = stack.enter_context(Output(outputs.overlay))
        sinks.append(_overlay_sink(stack.enter_context(VideoWriter(work, frames.size, frames.fps))))
    if outputs.masks:
        sinks.append(_mask_sink(stack.enter_context(Output(outputs.masks, is_folder=True))))
    if outputs.csv:
        work = stack.enter_context(Output(outputs.csv))
        sinks.append(_table_sink(TableWriter(stack.enter_context(work.open("w", newline="")))))
    return sinks


def _overlay_sink(writer: VideoWriter) -> Sink:
    def write(frame: TrackedFrame) -> None:
        writer.write(draw_results(frame.image, [frame.result] if frame.is_seen else []))

    return write


def _mask_sink(folder: Path) -> Sink:
    def write(frame: TrackedFrame) -> None:
        mask, path = frame.result.mask, folder / f"{frame.number:06d}.png"
        if mask is None:
            raise ConfigError("--masks: this network has no masks")
        if not cv2.imwrite(str(path), mask if frame.is_seen else np.zeros_like(mask)):
            raise OutputError(f"{path}: cannot be written; check space and permissions")

    return write


def _table_sink(table: TableWriter) -> Sink:
    def write(frame: TrackedFrame) -> None:
        place = place_of(frame.result) if frame.is_seen else None
        state, confidence = frame.state.name, frame.result.confidence
        table.write(Row(frame.stamp_ns, frame.number, TARGET_ID, state, confidence, place))

    return write
