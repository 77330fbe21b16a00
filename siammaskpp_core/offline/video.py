"""Track objects through a video, a folder of images or a camera, and write the results to files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from siammaskpp_core.errors import with_causes
from siammaskpp_core.io.frame import FIRST, Moment, cut
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.io.stamps import NS_PER_S
from siammaskpp_core.io.video import DEFAULT_FPS, Frames
from siammaskpp_core.offline.journal import Journal
from siammaskpp_core.offline.run import Run, states_text
from siammaskpp_core.offline.session import Selection, Session
from siammaskpp_core.offline.writers.base import Recording, Writer, file_name
from siammaskpp_core.offline.writers.formats import FORMATS, OutputPlan, default_path, open_writers
from siammaskpp_core.outcome import Interrupt, Outcome
from siammaskpp_core.tracking import LongTermTracker


def track_video(
    frames: Frames,
    tracker: LongTermTracker,
    selections: Sequence[Selection],
    outputs: Sequence[OutputPlan],
    *,
    writers: Sequence[Writer] = (),
    start: Moment = FIRST,
    end: Moment | None = None,
    name: str | None = None,
    classes: Sequence[str] = (),
    journal: Journal | None = None,
    is_ended: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Track the selected objects from `start` to `end`, and return a line about frames, speed and outputs.

    A selection without a moment is made on the first frame that is tracked. `writers` receive the results
    beside the outputs. `name` is that of the recording in data sets, by default that of the source; `classes`
    are those of :class:`~siammaskpp_core.offline.writers.base.Recording`. Frames
    whose results are in `journal` are not tracked again, and new results go there. `is_ended` is asked after
    each frame whether the user wants to end. Frames that cannot be read are left out. When a camera fails or
    Ctrl-C ends the work, the outputs hold the frames until then. Raises BoxError, OutputError and, when no
    frame can be tracked, MediaError; no output remains then.
    """
    start_s = time.perf_counter()
    recording = Recording(name or file_name(recording_name(frames)), frames.fps, tuple(classes))
    failure = None
    with Interrupt() as interrupt, open_writers(outputs, recording, frames.path) as own:
        run = Run(Session(tracker), selections, [*own, *writers], journal)
        total = _count(frames, start, end)
        images = cut(frames.stamped(start=start), end=end)
        bar = tqdm(images, total=total, unit="frame", desc=frames.name, mininterval=0.5)
        try:
            for frame in bar:
                bar.set_postfix_str(states_text(run.take(frame)), refresh=False)
                if interrupt.is_requested or is_ended():
                    break
        except MediaError as error:
            if run.count == 0:
                raise
            failure = error
        if run.count == 0:
            raise MediaError(
                with_causes(
                    f"{frames.name}: there is no frame from {start} to {end or 'the end'}", frames.left_out
                )
            )
    run.end(is_finished=not interrupt.is_requested and failure is None)
    total_s = time.perf_counter() - start_s
    is_cut = interrupt.is_requested and not frames.is_camera  # Ctrl-C is how the video of a camera ends
    frames_of = f"{run.count} of {total} frames" if is_cut and total else f"{run.count} frames"
    text = f"{frames_of}, {run.fps:.1f} fps ({run.count / total_s:.1f} with reading and writing)"
    if run.count > run.tracked:
        text += f"; {run.count - run.tracked} frames were tracked before"
    written = "".join(f"\n{plan.path}" for plan in outputs)
    return Outcome(f"{text}{written}", (*frames.left_out, *run.unused), failure, is_cut)


def recording_name(frames: Frames) -> str:
    """Return the name of a video without its suffix, and that of the folder of pictures."""
    if frames.path is None:
        return frames.name
    place = frames.path.resolve()
    if frames.files:
        return place.name if place.is_dir() else place.parent.name  # else numbered images
    return place.stem


def default_output(frames: Frames, format: str) -> Path:
    """Return a free path for an output beside the source; that of a camera is in the working folder."""
    folder = Path()
    if frames.path is not None:
        place = frames.path.resolve() if frames.path.name in ("", "..") else frames.path
        folder = place.parent.parent if frames.files and not place.is_dir() else place.parent
    return default_path(folder, file_name(recording_name(frames)), FORMATS[format].ending)


def _count(frames: Frames, start: Moment, end: Moment | None) -> int | None:
    """Return how many frames lie between two moments; None when the number of frames is unknown."""
    if frames.count is None:
        return None
    rate = frames.fps or DEFAULT_FPS

    def number(moment: Moment, is_end: bool) -> int:
        if moment.frame is not None:
            return moment.frame
        exact = (moment.time_ns or 0) / NS_PER_S * rate
        return math.floor(exact + 1e-6) if is_end else math.ceil(exact - 1e-6)

    last = frames.count - 1 if end is None else min(number(end, True), frames.count - 1)
    return max(last - number(start, False) + 1, 0)
