"""The subcommand `track`: track objects through a video, a folder of images or a camera."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from siammaskpp_core.arguments import options_from
from siammaskpp_core.cli.arguments import (
    FORMATS_HELP,
    Commands,
    add_model,
    add_outputs,
    add_range,
    add_rotated_box,
    add_selections,
    journal_of,
    moment_from,
    outputs_from,
    selections_from,
)
from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.outcome import Outcome

COLUMNS_HELP = """\
columns of the CSV file, boxes in pixels with (0, 0) the image's upper left corner:
  stamp_s                        time of the frame in seconds, since the first frame; in a bag its stamp
  frame                          number of the frame in the source, from 0
  id, label                      name of the target, and what it is
  state                          TRACKING, UNCERTAIN or LOST (docs/states.md)
  confidence                     probability that this is the target, 0 to 1
  x, y, width, height            axis-aligned box: left, top and size
  center_x, center_y             rotated box: centre,
  rotated_width, rotated_height  sides,
  angle_rad                      and clockwise angle in radians
While a target is not seen, its boxes are empty and its mask is 0.
"""


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    track = commands.add_parser(
        "track",
        help="track objects through a video, a folder of images or a camera",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Track objects from boxes in the first frame to the end of the video. A lost object is\n"
        "searched for in the whole image. A camera is read until Ctrl-C. Frames that cannot be read are\n"
        "left out and named at the end; the exit code is 3 then. Outputs appear at the end, also at the end\n"
        "that Ctrl-C makes; the same command started again continues there.",
        epilog=f"{FORMATS_HELP}\n{COLUMNS_HELP}\nexamples:\n"
        "  siammaskpp track cup.mp4 --box 306,122,110,262\n"
        "  siammaskpp track cup.mp4 --box cup=306,122,110,262 --start 12.5s --format coco\n"
        "  siammaskpp track pictures/ --box 10,20,30,40 --output overlay.mp4 --csv tracks.csv",
    )
    track.add_argument(
        "source",
        metavar="VIDEO",
        help="video file, folder of images, numbered images (img_%%05d.jpg), camera (0, 1, ... or "
        "/dev/video0), or stream (rtsp://..., http://...)",
    )
    add_selections(track)
    add_range(track)
    add_outputs(track, "video", "video")
    track.add_argument(
        "--window", action="store_true", help="show the results in a window while they come; q ends the run"
    )
    add_rotated_box(track)
    add_model(track)


def run(options: argparse.Namespace) -> Outcome:
    """Track, write the outputs, and return the number of frames and the speed."""
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.io.frame import FIRST
    from siammaskpp_core.io.video import open_frames
    from siammaskpp_core.offline.video import default_output, track_video
    from siammaskpp_core.offline.writers.formats import OutputPlan
    from siammaskpp_core.offline.writers.window import Window
    from siammaskpp_core.tracking import LongTermTracker

    selections = selections_from(options)
    if not selections:
        raise ConfigError("--box or --point says what to track, for example --box cup=306,122,110,262")
    frames = open_frames(options.source)

    def outputs() -> list[OutputPlan]:
        return outputs_from(options, "video", lambda format: default_output(frames, format))

    def load() -> LongTermTracker:
        engine = options_from(EngineOptions, options)
        return LongTermTracker(load_tracker(options.model, engine, options.rotated_box))

    with ExitStack() as stack:
        journal = None
        if frames.path is not None:  # a camera cannot show again what it has shown
            default = default_output(frames, "video")
            journal = stack.enter_context(journal_of(options, frames.path, default))
        window = stack.enter_context(Window(frames.name)) if options.window else None
        return track_video(
            frames,
            load(),
            selections,
            outputs() if journal is None else journal.outputs(outputs),
            writers=[] if window is None else [window],
            is_ended=lambda: window is not None and window.is_closed,
            start=moment_from(options.start) or FIRST,
            end=moment_from(options.end),
            journal=journal,
        )
