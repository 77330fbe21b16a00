"""The subcommand `track`: track one object through a video, a folder of images or a camera."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import box, options_from
from siammaskpp_core.cli.arguments import Commands, add_model, add_rotated_box
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.outcome import Outcome

_COLUMNS = """\
columns of the CSV file, boxes in pixels with (0, 0) the image's upper left corner:
  stamp_s                        time of the frame in seconds; for a camera since its first frame
  frame                          number of the frame in the source, from 0
  id                             target
  state                          TRACKING, UNCERTAIN or LOST (docs/states.md)
  confidence                     probability that this is the target, 0 to 1
  x, y, width, height            axis-aligned box: left, top and size
  center_x, center_y             rotated box: centre,
  rotated_width, rotated_height  sides,
  angle_rad                      and clockwise angle in radians
While the target is not seen, its boxes are empty, its mask is 0 and nothing is drawn.
"""


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    track = commands.add_parser(
        "track",
        help="track one object through a video, a folder of images or a camera",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Track the object in a box of the first frame to the end of the video. A lost object is\n"
        "searched for in the whole image. A camera is read until Ctrl-C. Frames that cannot be read are\n"
        "left out and named at the end; the exit code is 3 then. Outputs appear at the end, also at the end\n"
        "that Ctrl-C makes.",
        epilog=f"{_COLUMNS}\nexample:\n"
        "  siammaskpp track cup.mp4 --box 306,122,110,262 --output overlay.mp4 --csv tracks.csv",
    )
    track.add_argument(
        "source",
        metavar="VIDEO",
        help="video file, folder of images, numbered images (img_%%05d.jpg), camera (0, 1, ... or "
        "/dev/video0), or stream (rtsp://..., http://...)",
    )
    track.add_argument(
        "--box",
        required=True,
        type=box,
        metavar="X,Y,W,H",
        help="box of the object in the first frame: left, top, width and height in pixels",
    )
    track.add_argument(
        "--output", type=Path, metavar="FILE", help="video file to draw the results in (.mp4, .avi, .mkv)"
    )
    track.add_argument(
        "--masks", type=Path, metavar="DIR", help="new folder for masks, FRAME.png with the values 0 and 255"
    )
    track.add_argument(
        "--csv", type=Path, metavar="FILE", help="table of states and boxes (columns see below)"
    )
    add_rotated_box(track)
    add_model(track)


def run(options: argparse.Namespace) -> Outcome:
    """Track, write the outputs, and return the number of frames and the speed."""
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.io.video import open_frames
    from siammaskpp_core.offline.video import Outputs, track_video
    from siammaskpp_core.tracking import LongTermTracker

    frames = open_frames(options.source)
    tracker = load_tracker(options.model, options_from(EngineOptions, options), options.rotated_box)
    outputs = Outputs(options.output, options.masks, options.csv)
    return track_video(frames, options.source, LongTermTracker(tracker), options.box, outputs)
