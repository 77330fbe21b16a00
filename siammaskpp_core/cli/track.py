"""`siammaskpp track`."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import box, options_from
from siammaskpp_core.cli.arguments import Commands, add_model, add_rotated_box
from siammaskpp_core.engines.options import EngineOptions


def add_arguments(commands: Commands) -> None:
    """Arguments of `track`."""
    track = commands.add_parser(
        "track",
        help="follow one object through a video, a folder of images or a camera",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Follow the object in a box of the first frame to the end of the video. When it is lost\n"
        "it is searched for in the whole image. A camera is followed until Ctrl-C. Outputs appear only\n"
        "when they are complete.",
        epilog="columns of the CSV file, boxes in pixels with (0, 0) the image's upper left corner:\n"
        "  frame                   0 is the first, whose box was given\n"
        "  state                   tracking, uncertain or lost (docs/states.md)\n"
        "  score                   0 to 1, the network's probability\n"
        "  x, y, w, h              upright box around the mask: left, top, width, height\n"
        "  cx, cy, rw, rh, angle   rotated box: centre, sides, radians clockwise\n"
        "without boxes, mask and drawing while it is not seen.\n\n"
        "example:\n  siammaskpp track cup.mp4 --box 124,93,150,180 --output overlay.mp4 --csv tracks.csv",
    )
    track.add_argument(
        "source", metavar="VIDEO", help="video file, folder of images, or camera index (0, 1..)"
    )
    track.add_argument(
        "--box",
        required=True,
        type=box,
        metavar="X,Y,W,H",
        help="object in the first frame: left, top, size",
    )
    track.add_argument(
        "--output", type=Path, metavar="FILE", help="video with the results drawn (.mp4, .avi, .mkv)"
    )
    track.add_argument("--masks", type=Path, metavar="DIR", help="new folder for masks: FRAME.png, 0 or 255")
    track.add_argument(
        "--csv", type=Path, metavar="FILE", help="score and boxes of each frame (columns below)"
    )
    add_rotated_box(track)
    add_model(track)


def run(options: argparse.Namespace) -> None:
    """Track, write what was asked for, print frames and speed."""
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.io.video import open_frames
    from siammaskpp_core.offline.video import Outputs, track_video
    from siammaskpp_core.tracking import LongTermTracker

    frames = open_frames(options.source)
    loaded = load_tracker(options.model, options_from(EngineOptions, options), options.rotated_box)
    outputs = Outputs(options.output, options.masks, options.csv)
    print(track_video(frames, options.source, LongTermTracker(loaded), options.box, outputs))
