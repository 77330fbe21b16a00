"""`siammaskpp track`."""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from siammaskpp_core.commands.option_arguments import options_from
from siammaskpp_core.drawing import draw_results
from siammaskpp_core.engines import EngineOptions, load_tracker
from siammaskpp_core.tracking import LongTermTracker, TrackResult
from siammaskpp_core.tracking.presence import Presence
from siammaskpp_core.video import DEFAULT_FPS, Frames, Output, VideoError, VideoWriter, open_frames

Image = NDArray[np.uint8]
Sink = Callable[[int, Image, TrackResult, Presence], None]

CSV_COLUMNS = ("frame", "state", "score", "x", "y", "w", "h", "cx", "cy", "rw", "rh", "angle")


def run(options: argparse.Namespace) -> None:
    """Track, write what was asked for, print frames and speed."""
    frames = open_frames(options.source)
    short_term = load_tracker(options.model, options_from(EngineOptions, options), options.rotated_box)
    tracker = LongTermTracker(short_term)
    start = time.perf_counter()
    with ExitStack() as outputs:
        count, tracking_s = _follow(frames, tracker, options.box, _open_sinks(options, frames, outputs))
    total_s = time.perf_counter() - start
    print(f"{count} frames, {count / tracking_s:.1f} fps ({count / total_s:.1f} with reading and writing)")


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
                target = tracker.init(image, box)
                # A copy: looking for the first frame's mask must not change the target.
                followed = replace(target)
            else:
                followed = target
            result = tracker.step(image, [followed], stamp_ns)[0]
            tracking_s += time.perf_counter() - start
            for sink in sinks:
                sink(count, image, result, followed.presence)
            count += 1
    except KeyboardInterrupt:
        # How a camera's video ends, but an interruption of any other.
        if not frames.is_camera or count == 0:
            raise
    return count, tracking_s


def _open_sinks(options: argparse.Namespace, frames: Frames, outputs: ExitStack) -> list[Sink]:
    """One function per output, called with each frame's index, image and result."""
    sinks: list[Sink] = []
    if options.output:
        if (
            options.output.exists()
            and Path(options.source).exists()
            and options.output.samefile(options.source)
        ):
            raise VideoError(f"{options.output}: is the video to be read; choose another output")
        work = outputs.enter_context(Output(options.output))
        writer = outputs.enter_context(VideoWriter(work, frames.size, frames.fps))
        sinks.append(
            lambda _, image, result, presence: writer.write(
                draw_results(image, [result] if presence.is_seen else [])
            )
        )
    if options.masks:
        folder = outputs.enter_context(Output(options.masks, is_folder=True))
        sinks.append(
            lambda index, _, result, presence: _write_mask(
                folder / f"{index:06d}.png", result.mask, presence.is_seen
            )
        )
    if options.csv:
        file = outputs.enter_context(outputs.enter_context(Output(options.csv)).open("w", newline=""))
        rows = csv.writer(file)
        rows.writerow(CSV_COLUMNS)
        sinks.append(lambda index, _, result, presence: rows.writerow(_row(index, result, presence)))
    return sinks


def _write_mask(path: Path, mask: Image | None, is_seen: bool) -> None:
    if mask is None:
        raise VideoError("--masks: this network has no masks")
    if not cv2.imwrite(str(path), mask if is_seen else np.zeros_like(mask)):
        raise VideoError(f"{path}: cannot be written; check space and permissions")


def _row(index: int, result: TrackResult, presence: Presence) -> list[str]:
    rotated = result.rotated_box
    boxes = (*result.box_xywh, rotated.center_x, rotated.center_y, rotated.width, rotated.height)
    place = [*(f"{value:.2f}" for value in boxes), f"{rotated.angle_rad:.4f}"]
    return [
        str(index),
        presence.state.name.lower(),
        f"{result.score:.4f}",
        *(place if presence.is_seen else [""] * len(place)),
    ]
