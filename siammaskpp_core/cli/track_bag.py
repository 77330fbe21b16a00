"""The subcommand `track-bag`: track one object through the images of a ROS 2 bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import box, options_from, seconds
from siammaskpp_core.cli.arguments import Commands, add_model, add_rotated_box
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.outcome import Outcome


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    track = commands.add_parser(
        "track-bag",
        help="track one object through the images of a ROS 2 bag (needs the extra [bag])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Track the object in a box through a bag and write what the node would publish to a new\n"
        "bag: /tracker_node/tracked_objects and /tracker_node/mask, with the stamps and frames of the\n"
        "images. MCAP and sqlite3 bags with raw or compressed images are read; ROS need not be installed.\n"
        "Images that cannot be read are left out and named at the end; the exit code is 3 then. Ctrl-C ends\n"
        "the new bag early.",
        epilog="example:\n"
        "  siammaskpp track-bag my_bag --topic /camera/image_raw --box 306,122,110,262 --copy",
    )
    track.add_argument("bag", type=Path, metavar="BAG", help="folder of a bag, or its .mcap or .db3 file")
    track.add_argument("--topic", required=True, help="topic of the camera's images")
    track.add_argument(
        "--box",
        required=True,
        type=box,
        metavar="X,Y,W,H",
        help="box of the object: left, top, width and height in pixels",
    )
    track.add_argument(
        "--stamp",
        type=seconds,
        metavar="SECONDS",
        help="stamp, with all decimals, of the image on which the box was drawn (default: the first image)",
    )
    track.add_argument(
        "--output", type=Path, metavar="DIR", help="bag to write (default: BAG_tracked, beside BAG)"
    )
    track.add_argument("--copy", action="store_true", help="copy all topics of BAG to the new bag as well")
    add_rotated_box(track)
    add_model(track)


def run(options: argparse.Namespace) -> Outcome:
    """Track through the bag, write the new bag, and return the number of images and the speed."""
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.offline.bag import track_bag
    from siammaskpp_core.tracking import LongTermTracker

    engine = options_from(EngineOptions, options)
    return track_bag(
        options.bag,
        options.topic,
        options.box,
        lambda: LongTermTracker(load_tracker(options.model, engine, options.rotated_box)),
        output=options.output,
        stamp_s=options.stamp,
        is_copied=options.copy,
    )
