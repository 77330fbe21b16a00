"""The subcommand `track`: track objects through a video, a folder of images or a camera."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import TYPE_CHECKING

from siammaskpp_core.arguments import options_from, port
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
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.outcome import Outcome

if TYPE_CHECKING:
    from siammaskpp_core.interactive.run import View

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
        description="Track objects from boxes in the first frame to the end of the video. Without a box,\n"
        "that frame is shown on a page in the browser: draw or tap, play, correct, save. A lost object is\n"
        "searched for in the whole image. A camera is read until Ctrl-C. Frames that cannot be read are\n"
        "left out and named at the end; the exit code is 3 then. Outputs appear at the end, also at the end\n"
        "that Ctrl-C makes; the same command started again continues there.",
        epilog=f"{FORMATS_HELP}\n{COLUMNS_HELP}\nexamples:\n"
        "  siammaskpp track cup.mp4\n"
        "  siammaskpp track cup.mp4 --box 306,122,110,262\n"
        "  siammaskpp track cup.mp4 --box cup=306,122,110,262 --start 12.5s --format coco\n"
        "  siammaskpp track pictures/ --box 10,20,30,40 --output overlay.mp4 --csv tracks.csv",
    )
    track.add_argument(
        "source",
        metavar="VIDEO",
        help="video file, folder of images, pattern of images (img_%%05d.jpg, 'left_*.png'), camera (0, 1, "
        "... or /dev/video0), or stream (rtsp://..., http://...)",
    )
    add_selections(track)
    group = track.add_argument_group(
        "targets, by hand",
        "Without --box and --point, a page in the browser shows the first frame: draw or tap",
    )
    group.add_argument(
        "--address",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of the page; 0.0.0.0 opens it to other machines, with a token (default 127.0.0.1)",
    )
    group.add_argument(
        "--port", type=port, metavar="PORT", help="port of the page (default 8088, or a free one)"
    )
    add_range(track)
    add_outputs(track, "video", "video")
    track.add_argument(
        "--window",
        action="store_true",
        help="show the results in a window while they come; q ends the run. Without --box and --point, "
        "targets are set and corrected in the window instead of the page",
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
    view = None if selections else _view(options)
    frames = open_frames(options.source)
    start, end = moment_from(options.start) or FIRST, moment_from(options.end)

    def outputs() -> list[OutputPlan]:
        return outputs_from(options, "video", lambda format: default_output(frames, format))

    def load() -> LongTermTracker:
        engine = options_from(EngineOptions, options)
        return LongTermTracker(load_tracker(options.model, engine, options.rotated_box))

    if view is not None:
        from siammaskpp_core.interactive.run import track_watched

        return track_watched(
            frames, options.source, load(), outputs(), view, start=start, end=end, classes=options.classes
        )
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
            start=start,
            end=end,
            classes=options.classes,
            journal=journal,
        )


def _view(options: argparse.Namespace) -> View:
    """Return the view in which targets are set by hand."""
    if options.window:
        from siammaskpp_core.interactive.window import WindowView

        return WindowView()
    try:
        from siammaskpp_core.interactive.serve import BrowserView
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise MissingPackageError(
            "without --box or --point, targets are set on a page in the browser, which needs aiohttp: pip "
            "install 'siammaskpp[web]'; or give for example --box cup=306,122,110,262; or --window"
        ) from error
    return BrowserView(options.address, options.port)
