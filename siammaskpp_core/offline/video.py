"""Track one object through a video, a folder of images or a camera, and write the results to files."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from siammaskpp_core.arrays import Image
from siammaskpp_core.config import ConfigError
from siammaskpp_core.io.drawing import draw_results
from siammaskpp_core.io.images import MediaError, write_image
from siammaskpp_core.io.outputs import Output, OutputError
from siammaskpp_core.io.results import Row, TableWriter, place_of
from siammaskpp_core.io.stamps import NS_PER_S
from siammaskpp_core.io.video import DEFAULT_FPS, Frames, VideoWriter
from siammaskpp_core.offline import TARGET_ID
from siammaskpp_core.outcome import Interrupt, Outcome
from siammaskpp_core.tracking import LongTermTracker, State, Target, TrackResult


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
) -> Outcome:
    """Track the object in a box of the first frame to the last, and return a line about frames and speed.

    `box_xywh` is left, top, width and height in pixels. `source` is the path from which `frames` come; no
    output may replace it. Frames that cannot be read are left out. When a camera fails or Ctrl-C ends the
    work, the outputs hold the frames until then. Raises BoxError, OutputError and, when no frame can be
    tracked, MediaError; no output remains then.
    """
    start_s = time.perf_counter()
    with Interrupt() as interrupt, ExitStack() as stack:
        run = _Run(tracker, box_xywh, _open_sinks(outputs, source, frames, stack))
        failure = run.through(frames, interrupt)
    total_s = time.perf_counter() - start_s
    is_cut = interrupt.is_requested and not frames.is_camera  # Ctrl-C is how the video of a camera ends
    frames_of = f"{run.count} of {frames.count} frames" if is_cut and frames.count else f"{run.count} frames"
    text = (
        f"{frames_of}, {run.count / run.seconds:.1f} fps ({run.count / total_s:.1f} with reading and writing)"
    )
    return Outcome(text, tuple(frames.left_out), failure, is_cut)


class _Run:
    """Tracks one target through frames. `count` frames took `seconds` of tracking."""

    def __init__(self, tracker: LongTermTracker, box_xywh: list[float], sinks: list[Sink]) -> None:
        self.count, self.seconds = 0, 0.0
        self._tracker, self._box_xywh, self._sinks = tracker, box_xywh, sinks
        self._target: Target | None = None

    def through(self, frames: Frames, interrupt: Interrupt) -> MediaError | None:
        """Track to the last frame or to an interruption; return the error that ended the frames early.

        Raises that error when it comes before the first frame.
        """
        bar = tqdm(frames.numbered(), total=frames.count, unit="frame", desc=frames.name, mininterval=0.5)
        try:
            begun_s = None
            for number, image in bar:
                now_s = time.monotonic()
                begun_s = now_s if begun_s is None else begun_s
                # A camera may be slower than it says, and may miss images.
                time_s = now_s - begun_s if frames.is_camera else number / (frames.fps or DEFAULT_FPS)
                self._track(number, round(time_s * NS_PER_S), image)
                if interrupt.is_requested:
                    break
        except MediaError as error:
            if self.count == 0:
                raise
            return error
        return None

    def _track(self, number: int, stamp_ns: int, image: Image) -> None:
        start_s = time.perf_counter()
        if self._target is None:
            self._target, result = self._tracker.init(image, self._box_xywh)
        else:
            (result,) = self._tracker.step(image, [self._target], stamp_ns)
        self.seconds += time.perf_counter() - start_s
        target = self._target
        tracked = TrackedFrame(number, stamp_ns, image, result, target.state, target.is_seen)
        for sink in self._sinks:
            sink(tracked)
        self.count += 1


def _open_sinks(outputs: Outputs, source: str, frames: Frames, stack: ExitStack) -> list[Sink]:
    """Open the outputs in `stack`, and return for each a function that adds one frame to it."""
    sinks: list[Sink] = []
    if outputs.overlay:
        if outputs.overlay.exists() and Path(source).exists() and outputs.overlay.samefile(source):
            raise OutputError(f"{outputs.overlay}: is the video to be read; choose another output")
        work = stack.enter_context(Output(outputs.overlay))
        sinks.append(
            _overlay_sink(stack.enter_context(VideoWriter(work, frames.size, frames.fps, outputs.overlay)))
        )
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
        write_image(path, mask if frame.is_seen else np.zeros_like(mask))

    return write


def _table_sink(table: TableWriter) -> Sink:
    def write(frame: TrackedFrame) -> None:
        place = place_of(frame.result) if frame.is_seen else None
        state, confidence = frame.state.name, frame.result.confidence
        table.write(Row(frame.stamp_ns, frame.number, TARGET_ID, state, confidence, place))

    return write
