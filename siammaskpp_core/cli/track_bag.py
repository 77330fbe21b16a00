"""The subcommand `track-bag`: track objects through the images of a ROS 2 bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import options_from, seconds
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


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    track = commands.add_parser(
        "track-bag",
        help="track objects through the images of a ROS 2 bag (needs the extra [bag])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Track objects from boxes through a bag and write what the node would publish to a new\n"
        "bag: /tracker_node/tracked_objects and /tracker_node/mask, with the stamps and frames of the\n"
        "images; /tracker_node/labels as well for several objects. --format chooses other outputs. MCAP and\n"
        "sqlite3 bags with raw or compressed images are read; ROS need not be installed. Images that cannot\n"
        "be read are left out and named at the end; the exit code is 3 then. Ctrl-C ends the outputs early;\n"
        "the same command started again continues there.",
        epilog=f"{FORMATS_HELP}  bag        a new bag (the default)\n\n"
        "The columns of the CSV file are those of siammaskpp track.\n\nexamples:\n"
        "  siammaskpp track-bag my_bag --topic /camera/image_raw --box 306,122,110,262 --copy\n"
        "  siammaskpp track-bag my_bag --topic /camera/image_raw --box cup=306,122,110,262 --format coco",
    )
    track.add_argument("bag", type=Path, metavar="BAG", help="folder of a bag, or its .mcap or .db3 file")
    track.add_argument("--topic", required=True, help="topic of the camera's images")
    add_selections(track)
    track.add_argument(
        "--stamp",
        type=seconds,
        metavar="SECONDS",
        help="stamp, with all decimals, of the image with the boxes (default: the first image)",
    )
    add_range(track)
    add_outputs(track, "bag", "bag")
    track.add_argument("--copy", action="store_true", help="copy all topics of BAG to the new bag as well")
    add_rotated_box(track)
    add_model(track)


def run(options: argparse.Namespace) -> Outcome:
    """Track through the bag, write the outputs, and return the number of images and the speed."""
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.io.frame import FIRST
    from siammaskpp_core.offline.bag import default_output, track_bag
    from siammaskpp_core.offline.writers.formats import OutputPlan
    from siammaskpp_core.tracking import LongTermTracker

    selections = selections_from(options)
    if not selections:
        raise ConfigError("--box or --point says what to track, for example --box cup=306,122,110,262")
    if options.copy and options.format not in (None, "bag"):
        raise ConfigError("--copy: all topics are copied to a new bag; leave it out with another --format")

    def outputs() -> list[OutputPlan]:
        return outputs_from(options, "bag", lambda format: default_output(options.bag, format))

    engine = options_from(EngineOptions, options)
    with journal_of(options, options.bag, default_output(options.bag, "bag")) as journal:
        return track_bag(
            options.bag,
            options.topic,
            selections,
            lambda: LongTermTracker(load_tracker(options.model, engine, options.rotated_box)),
            outputs() if journal is None else journal.outputs(outputs),
            stamp_s=options.stamp,
            start=moment_from(options.start) or FIRST,
            end=moment_from(options.end),
            classes=options.classes,
            is_copied=options.copy,
            journal=journal,
        )
